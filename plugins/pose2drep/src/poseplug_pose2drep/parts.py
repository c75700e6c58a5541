"""How a representation divides the body: into parts that are seen apart, by the names that a skeleton gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton

Parts = Mapping[str, tuple[int, ...]]


def whole(skeleton: Skeleton) -> Parts:
    """Return all joints but the root as one part."""
    return {"all": tuple(joint for joint in range(skeleton.num_joints) if joint != skeleton.root)}


def legs_and_torso(skeleton: Skeleton, lifter: str) -> Parts:
    """Return the joints of both legs, and all others but the root: head and arms belong to the torso."""
    return _divided(skeleton, lifter, {"legs": ("right_leg", "left_leg")}, ("legs", "torso"))


def five_limbs(skeleton: Skeleton, lifter: str) -> Parts:
    """Return the joints of each leg and arm, and all others but the root, in the order of the released code."""
    limbs = ("right_leg", "left_leg", "left_arm", "right_arm")
    order = ("right_leg", "left_leg", "torso", "left_arm", "right_arm")
    return _divided(skeleton, lifter, {limb: (limb,) for limb in limbs}, order)


def _divided(skeleton: Skeleton, lifter: str, limbs: Mapping[str, Sequence[str]], order: Sequence[str]) -> Parts:
    """Return the parts in order; "torso" is what no limb has.

    Raises:
        PoseplugError: the skeleton lacks a named part, a part has no joint, or a joint belongs to two.
    """
    parts = {name: _joints(skeleton, lifter, named) for name, named in limbs.items()}
    taken = [joint for joints in parts.values() for joint in joints]
    for joint in taken:
        if taken.count(joint) > 1:
            raise PoseplugError(
                f"Lifter '{lifter}' divides the body, and joint '{skeleton.joints[joint]}' of skeleton "
                f"'{skeleton.name}' is in two of the parts {', '.join(limbs)}; let it be in one of them only."
            )
    parts["torso"] = tuple(joint for joint in whole(skeleton)["all"] if joint not in taken)
    for name, joints in parts.items():
        if not joints:
            raise PoseplugError(
                f"Lifter '{lifter}' sees '{name}' apart, and skeleton '{skeleton.name}' has no joint there besides its "
                "root; use lifter 'full2d'."
            )
    return {name: parts[name] for name in order}


def _joints(skeleton: Skeleton, lifter: str, named: Sequence[str]) -> tuple[int, ...]:
    for name in named:
        if name not in skeleton.parts:
            known = ", ".join(skeleton.parts) or "none"
            raise PoseplugError(
                f"Lifter '{lifter}' divides the body by named parts, and skeleton '{skeleton.name}' has no part "
                f"'{name}' (its parts: {known}); name it in the skeleton, or use lifter 'full2d'."
            )
    joints = [skeleton.index(joint) for name in named for joint in skeleton.parts[name]]
    return tuple(joint for joint in joints if joint != skeleton.root)


def shares(parts: Parts, total: int) -> dict[str, int]:
    """Return how many of ``total`` each part gets: in proportion to its joints, rounded, exactly ``total`` in all."""
    joints = list(accumulate((len(part) for part in parts.values()), initial=0))
    bounds = [round(total * count / joints[-1]) for count in joints]
    return {name: high - low for name, (low, high) in zip(parts, pairwise(bounds), strict=True)}
