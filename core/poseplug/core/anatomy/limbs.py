"""Limbs: the bones of a skeleton that move against its torso."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton

_SIDES = ("left", "right")
# The joint where a limb begins, where a skeleton has no parts of such names.
_STARTS = {"arm": "Shoulder", "leg": "Hip"}
_HEADS = ("HeadTop", "Head", "Nose")


@attrs.frozen
class LimbBone:
    """A bone of a limb, or the head's.

    Attributes:
        name: "parent-child", as in ``Skeleton.bone_names``; the head's goes from the chest to the end of the head.
        start, end: joints.
        parent: the limb bone that it hangs from, as an index of ``Limbs.bones``; -1 where it hangs from the torso.
        order: 1 for a bone that hangs from the torso, 2 for the next, and so on.
        girdle: whose axes it is measured in: "shoulders" or "hips".
        side: "left", "right" or "" for the head.
        limb: "left_arm", "right_leg", ... or "head".
    """

    name: str
    start: int
    end: int
    parent: int
    order: int
    girdle: str
    side: str
    limb: str


@attrs.frozen(slots=False)
class Limbs:
    """What of a skeleton is limb, and which joints span its torso.

    Attributes:
        skeleton: the layout.
        bones: by order, then those of the shoulders before those of the hips, so that parents come first.
        shoulders, hips: (left, right) joints; empty where the skeleton has no arms, or no legs.
        spine: the joints (below, above) whose middles span the spine, upwards.
    """

    skeleton: Skeleton
    bones: tuple[LimbBone, ...]
    shoulders: tuple[int, ...]
    hips: tuple[int, ...]
    spine: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the B bones."""
        return tuple(bone.name for bone in self.bones)

    @property
    def mirror(self) -> tuple[int, ...]:
        """For each bone the one that takes its place in a mirror image."""
        flip, ends = self.skeleton.flip_index, {bone.end: i for i, bone in enumerate(self.bones)}
        return tuple(ends[flip[bone.end]] for bone in self.bones)

    def below(self, joint: int) -> tuple[int, ...]:
        """Return the bones of the limbs that a joint carries: all that hang from it, or from what hangs from it."""
        carried = {joint}
        for level in self.skeleton.levels:
            carried |= {self.skeleton.bones[b][1] for b in level if self.skeleton.bones[b][0] in carried}
        return tuple(i for i, bone in enumerate(self.bones) if bone.start in carried)


@lru_cache(maxsize=64)
def limbs_of(skeleton: Skeleton) -> Limbs:
    """Return the limbs of a skeleton.

    A limb is what hangs from the first joint of its part ("left_arm", "right_arm", "left_leg", "right_leg"), or where
    there are no such parts from the joints "LShoulder", "RShoulder", "LHip" and "RHip". The head's bone goes straight
    from the joint that carries the shoulders to the last joint above it. Everything else is torso.

    Raises:
        PoseplugError: the skeleton has neither two arms nor two legs.
    """
    starts = {limb: _pair(skeleton, limb) for limb in _STARTS}
    shoulders, hips = starts["arm"], starts["leg"]
    if not shoulders and not hips:
        raise PoseplugError(
            f"Skeleton '{skeleton.name}' has no limbs: expected the parts left_arm and right_arm or left_leg and "
            "right_leg, or the joints LShoulder and RShoulder or LHip and RHip."
        )
    found: list[dict[str, Any]] = []
    for limb, pair in starts.items():
        for side, start in zip(_SIDES, pair, strict=False):
            girdle = "shoulders" if limb == "arm" else "hips"
            found += _hanging(skeleton, start, {*shoulders, *hips}, girdle, side, f"{side}_{limb}")
    chest = _chest(skeleton, shoulders)
    head = _head(skeleton, chest, {entry["end"] for entry in found} | {*shoulders, *hips})
    if head is not None:
        facts = {"order": 1, "girdle": "shoulders", "side": "", "limb": "head"}
        found.insert(0, {"start": chest, "end": head, **facts})
    found.sort(key=lambda entry: (entry["order"], entry["girdle"] == "hips"))
    place = {entry["end"]: i for i, entry in enumerate(found)}
    bones = tuple(
        LimbBone(
            name=f"{skeleton.joints[entry['start']]}-{skeleton.joints[entry['end']]}",
            parent=place.get(entry["start"], -1) if entry["order"] > 1 else -1,
            **entry,
        )
        for entry in found
    )
    return Limbs(skeleton, bones, shoulders, hips, _spine(skeleton, chest, shoulders, hips))


def _pair(skeleton: Skeleton, limb: str) -> tuple[int, ...]:
    """Return the joints where the left and the right limb begin; () where there are none."""
    starts = []
    for side in _SIDES:
        part = skeleton.parts.get(f"{side}_{limb}", ())
        above = {joint: skeleton.parents[skeleton.index(joint)] for joint in part}
        tops = [joint for joint, parent in above.items() if parent not in part]
        name = tops[0] if len(tops) == 1 else side[0].upper() + _STARTS[limb]
        if name not in skeleton.joints:
            return ()
        starts.append(skeleton.index(name))
    return tuple(starts)


def _hanging(
    skeleton: Skeleton, start: int, others: Iterable[int], girdle: str, side: str, limb: str
) -> list[dict[str, Any]]:
    """Return the bones that hang from a joint, down to where other limbs begin."""
    depth, found = {start: 0}, []
    for level in skeleton.levels:
        for parent, child in (skeleton.bones[bone] for bone in level):
            if parent in depth and child not in others:
                depth[child] = depth[parent] + 1
                found.append(
                    {"start": parent, "end": child, "order": depth[child], "girdle": girdle, "side": side, "limb": limb}
                )
    return found


def _path(skeleton: Skeleton, joint: int) -> list[int]:
    path = [joint]
    while skeleton.parent_index[path[-1]] >= 0:
        path.append(skeleton.parent_index[path[-1]])
    return path


def _chest(skeleton: Skeleton, shoulders: Sequence[int]) -> int:
    """Return the joint that carries both shoulders; -1 where there are no arms."""
    if not shoulders:
        return -1
    left, right = (_path(skeleton, joint)[1:] for joint in shoulders)
    return next((joint for joint in left if joint in right), -1)


def _head(skeleton: Skeleton, chest: int, taken: Iterable[int]) -> int | None:
    """Return the last joint of the head above the chest, if there is one."""
    if chest < 0:
        return None
    inner = set(skeleton.parent_index)
    ends = [j for j in range(skeleton.num_joints) if j not in inner and j not in taken and chest in _path(skeleton, j)]
    named = [skeleton.joints.index(name) for name in _HEADS if name in skeleton.joints]
    if len(ends) > 1:
        ends = [joint for joint in named if joint in ends]
    return ends[0] if ends else None


def _spine(
    skeleton: Skeleton, chest: int, shoulders: tuple[int, ...], hips: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    below = skeleton.parent_index[chest] if chest >= 0 else -1
    if below >= 0:
        return (below,), (chest,)
    if shoulders and hips:
        return hips, shoulders
    root = (skeleton.root,)  # half a body
    if skeleton.root in (*shoulders, *hips):
        raise PoseplugError(f"Skeleton '{skeleton.name}' has no spine to measure its limbs against.")
    return (root, shoulders) if shoulders else (hips, root)
