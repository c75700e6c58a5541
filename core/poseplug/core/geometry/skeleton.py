"""Skeletons: trees of named joints, and what the methods ask of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean

Vector = tuple[float, float, float]


def _frozen_mapping(value: Mapping[str, object]) -> Mapping[str, object]:
    return MappingProxyType(dict(value))


@attrs.frozen(slots=False, eq=False)
class Skeleton:
    """A tree of named joints.

    Bone ``i`` is the segment that ends at the ``i``-th joint that is not the root, in joint order, so a
    skeleton of J joints has M = J - 1 bones. Joints may stand in any order; a parent may follow its child.

    Attributes:
        name: how data, checkpoints and messages call this layout.
        joints: J joint names.
        parents: for each joint the name of its parent; the root's is ``""``.
        pairs: (left, right) joint names that a mirror image exchanges.
        parts: named groups of joints (torso, left_arm, ...), a partition or not.
        rest: for each joint but the root, the direction of the bone that ends there when the person stands
            upright facing the camera with the arms hanging, in camera axes (x right, y down, z forward).
            Joints without an entry rest pointing down.
        centre: the joint at the middle of the graph; the root when empty.

    Raises:
        PoseplugError: names not unique, not exactly one root, a cycle, or an unknown joint in any field.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    parts: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, converter=_frozen_mapping)
    rest: Mapping[str, Vector] = attrs.field(factory=dict, converter=_frozen_mapping)
    centre: str = ""

    def __attrs_post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise PoseplugError(f"Skeleton '{self.name}': joint names are not unique: {list(self.joints)}.")
        if len(self.parents) != len(self.joints):
            raise PoseplugError(
                f"Skeleton '{self.name}': {len(self.joints)} joints but {len(self.parents)} parents; give one each."
            )
        roots = [joint for joint, parent in zip(self.joints, self.parents, strict=True) if not parent]
        if len(roots) != 1:
            raise PoseplugError(f"Skeleton '{self.name}': expected one root (parent ''), found {roots}.")
        mentioned = [*filter(None, self.parents), *(j for pair in self.pairs for j in pair), *self.rest]
        mentioned += [j for part in self.parts.values() for j in part] + ([self.centre] if self.centre else [])
        for joint in mentioned:
            self.index(joint)
        if sum(len(level) for level in self.levels) != self.num_bones:
            raise PoseplugError(f"Skeleton '{self.name}': its parents form a cycle; a skeleton is a tree.")

    @cached_property
    def _key(self) -> tuple[object, ...]:
        named = frozenset(self.parts.items()), frozenset(self.rest.items())
        return (self.joints, self.parents, self.pairs, self.centre, *named)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[object, ...]:
        fields = (self.name, self.joints, self.parents, self.pairs, dict(self.parts), dict(self.rest), self.centre)
        return (Skeleton, fields)

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def num_bones(self) -> int:
        return len(self.joints) - 1

    def index(self, joint: str) -> int:
        """Return the position of a joint; raise PoseplugError naming the nearest joint if there is none."""
        try:
            return self.joints.index(joint)
        except ValueError:
            hint = did_you_mean(joint, self.joints)
            raise PoseplugError(f"Skeleton '{self.name}' has no joint '{joint}'.{hint}") from None

    @cached_property
    def root(self) -> int:
        return self.parents.index("")

    @cached_property
    def parent_index(self) -> tuple[int, ...]:
        """For each joint the index of its parent, -1 for the root."""
        return tuple(self.joints.index(p) if p in self.joints else -1 for p in self.parents)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) joint indices of the M bones."""
        return tuple((p, c) for c, p in enumerate(self.parent_index) if p >= 0)

    @cached_property
    def bone_parent(self) -> tuple[int, ...]:
        """For each bone the bone it hangs from, -1 where it starts at the root."""
        ends_at = {child: bone for bone, (_, child) in enumerate(self.bones)}
        return tuple(ends_at.get(parent, -1) for parent, _ in self.bones)

    @cached_property
    def bone_names(self) -> tuple[str, ...]:
        """Each of the M bones as "parent-child"."""
        return tuple(f"{self.joints[parent]}-{self.joints[child]}" for parent, child in self.bones)

    @cached_property
    def bone_sides(self) -> tuple[str, ...]:
        """For each of the M bones "left", "right" or "", by the pair that the joint at its end is of."""
        side = {joint: name for pair in self.pairs for joint, name in zip(pair, ("left", "right"), strict=True)}
        return tuple(side.get(self.joints[child], "") for _, child in self.bones)

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Bones grouped by their depth below the root: what can be posed in one batched operation."""
        levels: list[tuple[int, ...]] = []
        frontier = {self.root}
        while True:
            level = tuple(bone for bone, (parent, _) in enumerate(self.bones) if parent in frontier)
            if not level:
                return tuple(levels)
            levels.append(level)
            frontier = {self.bones[bone][1] for bone in level}

    @cached_property
    def flip_index(self) -> tuple[int, ...]:
        """For each joint the joint that takes its place in a mirror image."""
        order = list(range(self.num_joints))
        for left, right in self.pairs:
            i, j = self.index(left), self.index(right)
            order[i], order[j] = j, i
        return tuple(order)

    @cached_property
    def rest_directions(self) -> tuple[Vector, ...]:
        """Unit rest direction of each of the M bones."""
        return tuple(self.rest.get(self.joints[child], (0.0, 1.0, 0.0)) for _, child in self.bones)
