"""Forward kinematics for the generator: whole levels of the tree at a time, coordinates first."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton
from poseplug_posegu.joint_angles import Frame, Reading


@attrs.frozen
class _Group:
    """Bones of a level that do or do not carry others; ``frames`` and ``positions`` index those of the level above."""

    bones: slice
    carries: bool
    frames: Tensor | None
    positions: Tensor | None
    rest: Tensor
    axes: tuple[int, ...]


class Poser:
    """Poses many bodies at once; equal to ``inverse.pose`` within rounding.

    Tensors are [component, bone, ...poses], so that every operation runs along the poses. Bones stand in ``order``:
    level by level, within a level those first that carry others. Frames are made only for bones that carry others.

    Attributes:
        order: for each place the bone of the skeleton that stands there.
    """

    def __init__(self, skeleton: Skeleton, reading: Reading, device: torch.device) -> None:
        self.reading = reading
        self.device = device
        bearing = set(skeleton.bone_parent)
        self._levels: list[list[_Group]] = []
        self.order: list[int] = []
        above: list[int] = [-1]
        for level in skeleton.levels:
            ordered = sorted(level, key=lambda bone: bone not in bearing)
            groups = (
                [bone for bone in ordered if bone in bearing],
                [bone for bone in ordered if bone not in bearing],
            )
            self._levels.append([self._group(skeleton, bones, above, bones is groups[0]) for bones in groups if bones])
            above = ordered
        self._to_joints = self._joint_order(skeleton)

    def _group(self, skeleton: Skeleton, bones: list[int], above: list[int], carries: bool) -> _Group:
        start = len(self.order)
        self.order += bones
        parents = [above.index(skeleton.bone_parent[bone]) for bone in bones]
        carriers = [bone for bone in above if bone == -1 or bone in skeleton.bone_parent]
        rest = torch.tensor([skeleton.rest_directions[bone] for bone in bones], device=self.device).T.contiguous()
        return _Group(
            bones=slice(start, start + len(bones)),
            carries=carries,
            frames=self._pick(parents, len(carriers)),
            positions=self._pick(parents, len(above)),
            rest=rest[..., None],
            axes=tuple(axis for axis in range(3) if bool(rest[axis].any())),
        )

    def _pick(self, parents: list[int], count: int) -> Tensor | None:
        """Return the parents as an index; None where taking what is there, or broadcasting it, does the same."""
        if count == 1 or parents == list(range(count)):
            return None
        return torch.tensor(parents, device=self.device)

    def _joint_order(self, skeleton: Skeleton) -> Tensor:
        places = [skeleton.root, *(skeleton.bones[bone][1] for bone in self.order)]
        return torch.tensor([places.index(joint) for joint in range(skeleton.num_joints)], device=self.device)

    def pose(self, frame: Frame, angles: Tensor, lengths: Tensor) -> Tensor:
        """Return joints [3, J, F] of F bodies, with the root at the origin and joints in the skeleton's order.

        Args:
            frame: columns [3, 1, F] of the root frames.
            angles: [3, M, F] radians, bones in ``order``; overwritten.
            lengths: [M, F] metres, bones in ``order``.
        """
        prepared = self.reading.prepare(angles)
        frames, positions = frame, torch.zeros_like(frame[0])
        everything = [positions]
        for level in self._levels:
            placed, carried = [], None
            for group in level:
                own = _taken(frames, group.frames)
                parts = tuple(part[:, group.bones] for part in prepared)
                direction, turned = self.reading.turn(own, parts, group.rest, group.axes, group.carries)
                start = positions if group.positions is None else positions.index_select(1, group.positions)
                placed.append(torch.addcmul(start, direction, lengths[group.bones]))
                carried = turned or carried
            positions = torch.cat(placed, dim=1) if len(placed) > 1 else placed[0]
            frames = carried or frames
            everything.append(positions)
        return torch.cat(everything, dim=1).index_select(1, self._to_joints)


def _taken(frames: Frame, index: Tensor | None) -> Frame:
    if index is None:
        return frames
    x, y, z = (column.index_select(1, index) for column in frames)
    return x, y, z
