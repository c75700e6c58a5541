"""Poses that are seen where joints were marked: a pose that a lifter gives, or a hand, moved as little as that takes.

The unknowns of a pose are its root, the directions of its bones and their lengths, of which left and right are one.
What is small at the solution, in units of how large it may well be, as a sum of squares: the distances of projected
from marked joints; the turns of bones away from the pose begun with; the changes of lengths; angles beyond what joints
can do. Levenberg and Marquardt's method finds it within some tens of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import TensorRecord
from poseplug.registry.annotation.unknowns import Unknowns

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
    start, weights = initial_3d.double(), weights.double()
    seen = joints_2d.double().masked_fill((weights <= 0)[..., None], 0.0)
    focal, centre = camera.focal.double(), camera.centre.double()
    camera = attrs.evolve(camera, focal=focal, centre=centre, distortion=_double(camera.distortion))
    marks = _MARKS * _sizes(seen, weights > 0)
    problem = _Problem(
        seen, weights.sqrt() / marks[:, None], Unknowns.of(start, skeleton), camera, skeleton, limits, turns
    )
    joints = problem.solve().joints(skeleton)
    apart = torch.linalg.vector_norm(problem.projected(joints) - seen, dim=-1)
    counted = (weights > 0).double()
    error = (apart * counted).sum(1) / counted.sum(1).clamp_min(1)
    return Fitted(joints.to(initial_3d.dtype), error.to(initial_3d.dtype))


@attrs.frozen(eq=False)
class _Problem:
    """What residuals are made of; ``scale`` [N, J] are those of a pixel, the rest as in ``fit_to_2d``."""

    seen: Tensor
    scale: Tensor
    start: Unknowns
    camera: Camera
    skeleton: Skeleton
    limits: Limits | None
    turns: float

    def solve(self) -> Unknowns:
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
            pose = other.where(better, pose)
            residuals, slopes = _chosen(better, new_residuals, residuals), _chosen(better, new_slopes, slopes)
            across, cost = _chosen(better, new_across, across), torch.where(better, new_cost, cost)
            damping = torch.where(better[:, None, None], damping / 5, damping * 4).clamp(1e-9, 1e12)
            if not gained.any() and bool((better | (damping[:, 0, 0] > 1e6)).all()):
                break
        return pose

    def projected(self, joints: Tensor) -> Tensor:
        return self.camera.project(_before_the_camera(joints))

    def _residuals(self, pose: Unknowns) -> tuple[Tensor, Tensor, Tensor]:
        """Return residuals [N, R], their slopes [N, R, P] along the steps, and the ways [N, M, 3, 2] bones can turn."""
        n, bones = pose.directions.shape[:2]
        joints = pose.joints(self.skeleton)
        across = pose.across()
        moves = pose.moves(across, self.skeleton)
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


def _chosen(first: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return torch.where(first.reshape(-1, *[1] * (one.dim() - 1)), one, other)


def _double(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.double()
