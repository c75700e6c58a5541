"""Poses that are seen where joints were marked: a pose that a lifter gives, or a hand, moved as little as that takes.

The unknowns of a pose are its root, the directions of its bones and their lengths, of which left and right are one.
What is small at the solution, in units of how large it may well be, as a sum of squares: the distances of projected
from marked joints; the turns of bones away from the pose begun with; the changes of lengths; angles beyond what joints
can do. Levenberg and Marquardt's method finds it within some tens of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import bone_vectors, joints_from_bones
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import TensorRecord

# Of a pose [N, J, 3] how far each of its B bones is turned beyond what joints can do, [N, B] radians.
Limits = Callable[[Tensor], Tensor]
# How large residuals may well be: marks, over the size of the person in the image; turns of bones that a lifter gives,
# radians; logarithms of lengths; metres of the root; radians beyond a limit.
_MARKS, _TURNS, _LENGTHS, _ROOT, _LIMITS = 0.005, 0.35, 0.08, 2.0, 0.1
_STEPS, _ENOUGH, _STEP = 60, 1e-7, 1e-4
# Nothing nearer than this is in an image, metres.
_NEAREST = 0.05


@attrs.frozen(eq=False)
class Fitted(TensorRecord):
    """N poses.

    Attributes:
        joints_3d: [N, J, 3] camera frame, metres.
        error_px: [N] how far they are seen from where they were marked, on average over marked joints.
    """

    joints_3d: Tensor
    error_px: Tensor

    def __len__(self) -> int:
        return len(self.joints_3d)


def fit_to_2d(
    joints_2d: Tensor,
    weights: Tensor,
    initial_3d: Tensor,
    camera: Camera,
    skeleton: Skeleton,
    limits: Limits | None = None,
    *,
    turns: float = _TURNS,
) -> Fitted:
    """Return the poses nearest to ``initial_3d`` that are seen at ``joints_2d``, with bones alike left and right.

    Args:
        joints_2d: [N, J, 2] pixels.
        weights: [N, J] how much each counts: 1 for a joint that is seen, 0 for one that nobody knows.
        initial_3d: [N, J, 3] camera frame, metres, in front of the camera.
        camera: N of them.
        skeleton: of the J joints.
        limits: what joints can do; None: anything.
        turns: by how many radians bones may well be turned; less holds the initial pose faster.
    """
    seen, start = joints_2d.double(), initial_3d.double()
    weights = weights.double()
    focal, centre = camera.focal.double(), camera.centre.double()
    camera = attrs.evolve(camera, focal=focal, centre=centre, distortion=_double(camera.distortion))
    marks = _MARKS * _sizes(seen, weights > 0)
    problem = _Problem(
        seen, weights.sqrt() / marks[:, None], _Pose.of(start, skeleton), camera, skeleton, limits, turns
    )
    joints = problem.solve().joints(skeleton)
    apart = torch.linalg.vector_norm(problem.projected(joints) - seen, dim=-1)
    counted = (weights > 0).double()
    error = (apart * counted).sum(1) / counted.sum(1).clamp_min(1)
    return Fitted(joints.to(initial_3d.dtype), error.to(initial_3d.dtype))


@attrs.frozen(eq=False)
class _Pose(TensorRecord):
    """The unknowns: root [N, 3], unit directions [N, M, 3], and logarithms of lengths [N, G] of bones alike."""

    root: Tensor
    directions: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.root)

    @classmethod
    def of(cls, joints: Tensor, skeleton: Skeleton) -> _Pose:
        bones = bone_vectors(joints, skeleton)
        lengths = torch.linalg.vector_norm(bones, dim=-1, keepdim=True)
        rest = torch.tensor(skeleton.rest_directions, dtype=bones.dtype, device=bones.device).expand_as(bones)
        directions = torch.where(lengths > 1e-6, bones / lengths.clamp_min(1e-6), rest)
        alike = _tables(skeleton, joints.device)[1]
        # Bones without a length, such as those of joints that nobody could guess, are as long as a hand.
        logs = torch.where(lengths > 1e-3, lengths, 0.1).log()[..., 0]
        return cls(joints[:, skeleton.root], directions, logs @ (alike / alike.sum(0)))

    def joints(self, skeleton: Skeleton) -> Tensor:
        alike = _tables(skeleton, self.root.device)[1]
        bones = self.directions * (self.lengths @ alike.T).exp()[..., None]
        return joints_from_bones(bones, self.root, skeleton)

    def moved(self, step: Tensor, across: Tensor) -> _Pose:
        """Return the pose a step [N, 3 + 2 M + G] away; bones are turned along ``across`` [N, M, 3, 2]."""
        bones = self.directions.shape[1]
        root, turned, longer = step[:, :3], step[:, 3 : 3 + 2 * bones], step[:, 3 + 2 * bones :]
        directions = self.directions + (across @ turned.reshape(-1, bones, 2, 1))[..., 0]
        unit = torch.nn.functional.normalize(directions, dim=-1)
        return _Pose(self.root + root, unit, self.lengths + longer)


@attrs.frozen(eq=False)
class _Problem:
    """What residuals are made of; ``scale`` [N, J] are those of a pixel, the rest as in ``fit_to_2d``."""

    seen: Tensor
    scale: Tensor
    start: _Pose
    camera: Camera
    skeleton: Skeleton
    limits: Limits | None
    turns: float

    def solve(self) -> _Pose:
        pose, n = self.start, len(self.start)
        damping = torch.full((n, 1, 1), 1e-3, dtype=torch.float64, device=self.seen.device)
        residuals, slopes, across = self._residuals(pose)
        cost = residuals.square().sum(1)
        for _ in range(_STEPS):
            normal = slopes.mT @ slopes
            damped = normal + damping * torch.diag_embed(normal.diagonal(dim1=1, dim2=2) + 1e-9)
            step = -torch.linalg.solve(damped, (slopes.mT @ residuals[..., None]))[..., 0]
            other = pose.moved(step, across)
            new_residuals, new_slopes, new_across = self._residuals(other)
            new_cost = new_residuals.square().sum(1)
            better = new_cost < cost
            gained = (cost - new_cost)[better] > _ENOUGH * cost[better]
            pose = _Pose(*(_chosen(better, a, b) for a, b in zip(_parts(other), _parts(pose), strict=True)))
            residuals, slopes = _chosen(better, new_residuals, residuals), _chosen(better, new_slopes, slopes)
            across, cost = _chosen(better, new_across, across), torch.where(better, new_cost, cost)
            damping = torch.where(better[:, None, None], damping / 5, damping * 4).clamp(1e-9, 1e12)
            if not gained.any() and bool((better | (damping[:, 0, 0] > 1e6)).all()):
                break
        return pose

    def projected(self, joints: Tensor) -> Tensor:
        return self.camera.project(_before_the_camera(joints))

    def _residuals(self, pose: _Pose) -> tuple[Tensor, Tensor, Tensor]:
        """Return residuals [N, R], their slopes [N, R, P] along the steps, and the ways [N, M, 3, 2] bones can turn."""
        n, bones = pose.directions.shape[:2]
        joints = pose.joints(self.skeleton)
        across = _across(pose.directions)
        moves = self._moves(pose, across)  # [N, J, 3, P]
        pixels, by_metres = self._seen_at(joints)
        residuals = [((pixels - self.seen) * self.scale[..., None]).flatten(1)]
        slopes = [((by_metres @ moves) * self.scale[..., None, None]).flatten(1, 2)]
        # A bone's turn away from its start, along both ways in which it can turn, is the chord between them.
        residuals.append((pose.directions - self.start.directions).flatten(1) / self.turns)
        turning = moves.new_zeros(n, bones, 3, moves.shape[-1])
        for bone in range(bones):
            turning[:, bone, :, 3 + 2 * bone : 5 + 2 * bone] = across[:, bone]
        slopes.append(turning.flatten(1, 2) / self.turns)
        residuals.append((pose.lengths - self.start.lengths) / _LENGTHS)
        residuals.append((pose.root - self.start.root) / _ROOT)
        every = torch.eye(moves.shape[-1], dtype=moves.dtype, device=moves.device).expand(n, -1, -1)
        slopes += [every[:, 3 + 2 * bones :] / _LENGTHS, every[:, :3] / _ROOT]
        if self.limits is not None:
            beyond, by_metres = self._beyond(joints)
            residuals.append(beyond / _LIMITS)
            slopes.append(by_metres.flatten(2) @ moves.flatten(1, 2) / _LIMITS)
        return torch.cat(residuals, 1), torch.cat(slopes, 1), across

    def _moves(self, pose: _Pose, across: Tensor) -> Tensor:
        """Return by how many metres each joint moves with each unknown, [N, J, 3, P]."""
        above, alike = _tables(self.skeleton, pose.root.device)
        n, bones = pose.directions.shape[:2]
        size = (pose.lengths @ alike.T).exp()[:, :, None]
        with_root = torch.eye(3, dtype=above.dtype, device=above.device).expand(n, len(above), 3, 3)
        turned = torch.einsum("jb,nbck->njcbk", above, across * size[..., None]).reshape(n, -1, 3, 2 * bones)
        longer = torch.einsum("jb,nbc,bg->njcg", above, pose.directions * size, alike)
        return torch.cat([with_root, turned, longer], -1)

    def _seen_at(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Return pixels [N, J, 2] and their slopes [N, J, 2, 3] along the axes of the camera."""
        ways = torch.eye(3, dtype=joints.dtype, device=joints.device)
        # In double precision differences over a tenth of a millimetre are exact to nine digits, with any distortion.
        slopes = [
            (self.projected(joints + _STEP * way) - self.projected(joints - _STEP * way)) / (2 * _STEP) for way in ways
        ]
        return self.projected(joints), torch.stack(slopes, -1)

    def _beyond(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Return angles beyond the limits [N, B] and their slopes [N, B, J, 3]."""
        assert self.limits is not None
        with torch.enable_grad():
            free = joints.detach().requires_grad_()
            beyond = self.limits(free).to(joints.dtype)
            slopes = joints.new_zeros(*beyond.shape, *joints.shape[1:])
            # Within the limits nothing changes; few bones are ever beyond.
            for bone in (beyond > 0).any(0).nonzero().flatten().tolist():
                (slopes[:, bone],) = torch.autograd.grad(beyond[:, bone].sum(), free, retain_graph=True)
        return beyond.detach(), slopes


def _sizes(seen: Tensor, known: Tensor) -> Tensor:
    """Return how large people are in the image [N], pixels; at least 50."""
    low = seen.masked_fill(~known[..., None], math.inf).amin(1)
    high = seen.masked_fill(~known[..., None], -math.inf).amax(1)
    across: Tensor = torch.linalg.vector_norm(high - low, dim=-1)
    return across.nan_to_num(posinf=0.0).clamp_min(50.0)


def _before_the_camera(joints: Tensor) -> Tensor:
    return torch.cat([joints[..., :2], joints[..., 2:].clamp_min(_NEAREST)], -1)


def _across(directions: Tensor) -> Tensor:
    """Return two unit vectors across each direction [N, M, 3] and each other, [N, M, 3, 2]."""
    axis = torch.nn.functional.one_hot(directions.abs().argmin(-1), 3).to(directions)
    first = torch.nn.functional.normalize(torch.linalg.cross(directions, axis), dim=-1)
    return torch.stack([first, torch.linalg.cross(directions, first)], -1)


def _chosen(first: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return torch.where(first.reshape(-1, *[1] * (one.dim() - 1)), one, other)


def _parts(pose: _Pose) -> tuple[Tensor, Tensor, Tensor]:
    return pose.root, pose.directions, pose.lengths


def _double(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.double()


@lru_cache(maxsize=16)
def _tables(skeleton: Skeleton, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which bones lie between the root and each joint, [J, M], and which bones are of one length, [M, G]."""
    ends = [child for _, child in skeleton.bones]
    above = torch.zeros(skeleton.num_joints, skeleton.num_bones, dtype=torch.float64)
    for joint in range(skeleton.num_joints):
        at = joint
        while at != skeleton.root:
            above[joint, ends.index(at)] = 1
            at = skeleton.parent_index[at]
    kinds = [min(child, skeleton.flip_index[child]) for child in ends]
    names = sorted({*kinds})
    alike = torch.tensor([[float(kind == name) for name in names] for kind in kinds], dtype=torch.float64)
    return above.to(device), alike.to(device)
