"""What EvoSkeleton's lifter is trained on (Li et al., CVPR 2020; its released code): standardised joints.

Written from a description of what the released code does, without any of that code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, Lifter, NoConfig, Objective, OutputHead, Step
from poseplug_evoskeleton.moving_joints import with_root, without_root

# Metres; a coordinate that varies less than this over the training set counts as if it varied by this.
_SMALLEST_STD = 1e-3


class StandardisedHead(OutputHead):
    """Joints about the root, each coordinate in deviations from its mean over the training set; the root is left out.

    Args:
        skeleton: of the poses.
        own: the lifter's own output head. Where it takes output as it is, the lifter learns to return standardised
            joints; what another makes of it are poses in metres, and their standardised error is learnt from.
    """

    needs_fit = True
    mean: Tensor
    std: Tensor

    def __init__(self, skeleton: Skeleton, own: OutputHead | None = None) -> None:
        super().__init__()
        self.root = skeleton.root
        self.own = None if own is None or type(own) is OutputHead else own
        self.labelled_poses = 0 if self.own is None else self.own.labelled_poses
        self.register_buffer("mean", torch.zeros(skeleton.num_bones, 3))
        self.register_buffer("std", torch.ones(skeleton.num_bones, 3))

    def forward(self, batch: PoseBatch, output: Tensor) -> Tensor:
        if self.own is not None:
            return self.own(batch, output)  # type: ignore[no-any-return]
        return with_root(without_root(output, self.root) * self.std + self.mean, self.root)

    def errors(self, batch: PoseBatch, output: Tensor) -> Tensor:
        """Return how far output is from the 3D labels of its poses, in deviations, [N, J - 1, 3]."""
        target = self._standardise(batch.root_relative)
        if self.own is None:
            return without_root(output, self.root) - target
        joints = self.own(batch, output)
        return self._standardise(joints - joints[:, self.root : self.root + 1]) - target

    def _standardise(self, joints: Tensor) -> Tensor:
        return (without_root(joints, self.root) - self.mean) / self.std

    @torch.no_grad()
    def fit(self, batch: PoseBatch) -> None:
        """Take mean and deviation of each coordinate."""
        moving = without_root(batch.root_relative, self.root)
        self.mean.copy_(moving.mean(0))
        self.std.copy_(moving.std(0, correction=0).clamp_min(_SMALLEST_STD))
        if self.own is not None and self.own.needs_fit:
            self.own.fit(batch)

    def calibrate(self, batch: PoseBatch, output: Tensor) -> Mapping[str, Tensor]:
        return {} if self.own is None else self.own.calibrate(batch, output)

    def diagnostics(self) -> Mapping[str, float]:
        return {} if self.own is None else self.own.diagnostics()


class Standardised(Objective):
    """Mean squared error over poses, joints but the root, and coordinates, in standardised space."""

    def __init__(self, config: NoConfig, context: BuildContext) -> None:
        nn.Module.__init__(self)
        self.head = StandardisedHead(context.layout).to(context.device)

    def output_head(self, lifter: Lifter, skeleton: Skeleton) -> OutputHead:
        """Return what makes metres of standardised joints; its statistics are also what labels are compared by."""
        self.head = StandardisedHead(skeleton, lifter.output_head(skeleton))
        return self.head

    def loss(self, step: Step) -> Mapping[str, Tensor]:
        """Return the error of each stream: of the training poses, and of the reference poses where they count."""
        return {
            "standardised" if stream.name == "training" else stream.name: stream.mean(
                self.head.errors(stream.batch, lifted).square()
            )
            for stream, lifted in step.lifted()
        }
