"""Output heads for lifters that predict, or are trained to predict, depth only."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from poseplug.core.data.normalise import max_normalised
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import OutputHead

# Metres; Human3.6M's subjects have bones of 0.27 m on average (PoseAug's five templates).
_MEAN_BONE = 0.27
_SMALLEST = 1e-6


class DepthHead(OutputHead):
    """Reads z of a lifter's output as depth in units of the root-centred, max-normalised 2D pose; x, y are that pose.

    Poses come out with the bones of a body of one size. Training without 3D labels leaves the sign of all depths open
    (Hardy et al., the objective is the same for G and -G), and images the size; ``calibrate`` takes both from a few
    labelled poses. Until then the sign is 1 and the bones are as long as Human3.6M's on average.

    Args:
        skeleton: of the poses.
        groups: joints of independent parts, whose signs may differ; the skeleton's named parts where there are none.
        labelled_poses: with how many labelled poses it is calibrated. None: the sign is 1, because the lifter is
            trained on poses that this head makes, and the size is taken from the training set.
    """

    sign: Tensor
    size: Tensor

    def __init__(
        self, skeleton: Skeleton, groups: Mapping[str, tuple[int, ...]], labelled_poses: int | None = None
    ) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.groups = dict(groups) or {
            name: tuple(skeleton.index(joint) for joint in joints) for name, joints in skeleton.parts.items()
        }
        self.needs_fit = labelled_poses is None
        self.labelled_poses = labelled_poses or 0
        self.register_buffer("sign", torch.ones(()))
        self.register_buffer("size", torch.tensor(_MEAN_BONE * skeleton.num_bones))
        self.found: Mapping[str, Tensor] = {}

    def forward(self, batch: PoseBatch, output: Tensor) -> Tensor:
        pose = self._posed(batch, output, self.sign)
        return pose * (self.size / self._bones(pose))[:, None, None]

    def _posed(self, batch: PoseBatch, output: Tensor, sign: Tensor) -> Tensor:
        planar = max_normalised(batch.joints_2d, self.skeleton.root, batch.extent)
        depth = output[..., 2:] - output[:, self.skeleton.root, None, 2:]
        return torch.cat([planar, sign * depth], dim=-1)

    def _bones(self, pose: Tensor) -> Tensor:
        """Return the summed length [N] of all bones; never so small that dividing by it overflows."""
        return bone_lengths(pose, self.skeleton).sum(-1).clamp_min(_SMALLEST)

    @torch.no_grad()
    def fit(self, batch: PoseBatch) -> None:
        """Take the size of the body; poses that are not finite are left out."""
        bones = self._bones(batch.absolute)
        known = bones.isfinite()
        self.size.copy_(torch.where(known.any(), torch.where(known, bones, 0).sum() / known.sum(), self.size))

    @torch.no_grad()
    def calibrate(self, batch: PoseBatch, output: Tensor) -> dict[str, Tensor]:
        """Take sign and size from labelled poses, and see how well the depths agree with theirs.

        Args:
            batch: poses with 3D labels; those that are not finite are left out.
            output: what the lifter says of them, [N, J, 3].

        Returns:
            "poses", how many there were; "sign"; "agreement", the share of parts whose own sign is that one; for each
            part "correlation_PART", of predicted (with the sign) and true depths about the root.
        """
        known = batch.absolute.isfinite().all(-1).all(-1)[:, None]
        pose = self._posed(batch, output, torch.ones_like(self.sign))
        # Both as shares of the body's size.
        depth = pose[..., 2] / self._bones(pose)[:, None]
        true = batch.root_relative[..., 2] / self._bones(batch.absolute)[:, None]
        depth, true = torch.where(known, depth, 0), torch.where(known, true, 0)
        self.fit(batch)
        self.sign.copy_(torch.where((depth * true).sum() < 0, -1.0, 1.0))
        parts = {name: [j for j in joints if j != self.skeleton.root] for name, joints in self.groups.items()}
        correlations = {
            f"correlation_{name}": _cosine(self.sign * depth[:, joints], true[:, joints])
            for name, joints in parts.items()
        }
        agree = torch.stack([(value > 0).float() for value in correlations.values()] or [torch.ones_like(self.sign)])
        self.found = {"poses": known.sum(), "sign": self.sign.clone(), "agreement": agree.mean(), **correlations}
        return dict(self.found)

    def diagnostics(self) -> dict[str, float]:
        """Return what ``calibrate`` found last; where there were no labelled poses, the sign is a guess."""
        if self.needs_fit:
            return {}
        return {"poses": 0.0, "sign": float(self.sign), **{name: float(value) for name, value in self.found.items()}}


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the correlation about zero of all elements; zero where one of them is zero throughout."""
    tiny = torch.finfo(a.dtype).tiny
    return (a * b).sum() / (a.square().sum().sqrt() * b.square().sum().sqrt()).clamp_min(tiny)
