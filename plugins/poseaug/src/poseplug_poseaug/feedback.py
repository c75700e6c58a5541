"""Error feedback: augmented poses should be harder for the lifter than their source, within limits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import constant
from poseplug_poseaug.anatomy import feedback_groups

Lift = Callable[[PoseBatch], Tensor]
FEEDBACKS = ("rectified", "exponential", "none")
# A lifter that makes no error at all would be infinitely worse on anything else.
_SMALLEST = 1e-3
# exp() of more than this overflows; a pose as bad as that teaches nothing.
_STEEPEST = 20.0


class ErrorFeedback:
    """The lifter's error in a few groups of joints, and the two losses on it.

    Args:
        skeleton: of the poses.
        kind: "rectified" (released code) or "exponential" (eq. 9).
        device: where to compute.
    """

    def __init__(self, skeleton: Skeleton, kind: str, device: torch.device) -> None:
        self.kind = kind
        self.device = device
        self.rows = tuple(_row(skeleton.num_joints, g.joints, g.weights) for g in feedback_groups(skeleton))

    def errors(self, batch: PoseBatch, lift: Lift) -> Tensor:
        """Return the weighted mean distance [N, groups] of the lifter's joints from the true ones, metres."""
        distance = torch.linalg.vector_norm(lift(batch) - batch.root_relative, dim=-1)
        weighted: Tensor = (distance[:, None] * constant(self.rows, self.device)).sum(-1)
        return weighted

    def loss(self, augmented: Tensor, source: Tensor, beta: float, slack: float) -> Tensor:
        """Return how far the errors on augmented poses are from what is asked for.

        Args:
            augmented: [N, groups] errors, metres.
            source: [N, groups] errors on the poses they were made from.
            beta: how many times as large as these the augmented poses' errors should be.
            slack: rectified only: ratios within beta +- slack cost nothing.
        """
        if self.kind == "exponential":
            return (1 - (augmented - beta * source).clamp_max(_STEEPEST).exp()).abs().mean()
        distance = augmented / source.clamp_min(_SMALLEST) - beta
        return torch.where(distance.abs() > slack, distance.square(), 0.0).mean()


def _row(num_joints: int, joints: tuple[int, ...], weights: tuple[float, ...]) -> tuple[float, ...]:
    """Return for one group the factor of every joint's error in the group's mean."""
    factors = dict(zip(joints, weights, strict=True))
    return tuple(factors.get(joint, 0.0) / len(joints) for joint in range(num_joints))


def scheduled(bounds: tuple[float, float], progress: float) -> float:
    """Return a value that goes linearly from the first bound to the second over the training."""
    return bounds[0] + (bounds[1] - bounds[0]) * progress
