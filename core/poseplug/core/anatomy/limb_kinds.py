"""Kinds of limb bones: whatever a skeleton calls them, left and right have joints of one kind."""

from __future__ import annotations

import attrs

from poseplug.core.anatomy.limbs import LimbBone


@attrs.frozen
class LimbKind:
    """A kind of bone.

    Attributes:
        name: "upper_arm", ...
        limb: what of ``LimbBone.limb`` stands behind the side.
        order: as ``LimbBone.order``.
        parent: the kind that it hangs from; "" where it hangs from the torso.
    """

    name: str
    limb: str
    order: int
    parent: str = ""


KINDS = (
    LimbKind("head", "head", 1),
    LimbKind("upper_arm", "arm", 1),
    LimbKind("forearm", "arm", 2, "upper_arm"),
    LimbKind("thigh", "leg", 1),
    LimbKind("shin", "leg", 2, "thigh"),
)
KINDS_BY_NAME = {kind.name: kind for kind in KINDS}
_BY_PLACE = {(kind.limb, kind.order): kind for kind in KINDS}


def kind_of(bone: LimbBone) -> LimbKind | None:
    """Return the kind of a bone; None for hands, toes and all that hangs from them."""
    return _BY_PLACE.get((bone.limb.split("_")[-1], bone.order))
