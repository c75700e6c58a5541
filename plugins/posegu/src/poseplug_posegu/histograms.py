"""Per-joint 2D histograms of poses, and the propensity score they give (eqs. 8 and 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseplug.core.data.normalise import screen_coordinates
from poseplug.core.data.pose_batch import PoseBatch


def screen_positions(batch: PoseBatch) -> Tensor:
    """Return the lifter's normalised 2D input [N, J, 2]: where joints stand in the image."""
    return screen_coordinates(batch.joints_2d, batch.camera.size)


def root_relative_positions(batch: PoseBatch) -> Tensor:
    """Return x and y [N, J - 1, 2] of the joints relative to the root, metres, without the root itself.

    The root is always at the origin: it would add 1 to every propensity and flatten all ratios.
    """
    root, relative = batch.skeleton.root, batch.root_relative[..., :2]
    return torch.cat([relative[:, :root], relative[:, root + 1 :]], dim=1)


class JointHistograms(nn.Module):
    """One 2D histogram per joint on a common square grid; what lies outside counts in the border cells.

    Args:
        joints: how many joints are counted.
        bins: cells along each axis.
        extent: the grid covers [-extent, extent] on both axes.
        device: where it lives.
    """

    counts: Tensor
    total: Tensor

    def __init__(self, joints: int, bins: int, extent: float, device: torch.device) -> None:
        super().__init__()
        self.bins = bins
        self.extent = extent
        # Joint-major cells in one row, so that a pose of J joints is J look-ups in one table.
        self.register_buffer("counts", torch.zeros(joints * bins * bins, dtype=torch.int64, device=device))
        self.register_buffer("total", torch.zeros((), dtype=torch.int64, device=device))

    def cells(self, positions: Tensor) -> Tensor:
        """Return the table index [N, J] of each joint's cell."""
        scaled = (positions + self.extent) * (self.bins / (2 * self.extent))
        column, row = scaled.floor().clamp_(0, self.bins - 1).long().unbind(-1)
        joint = torch.arange(positions.shape[1], device=positions.device)
        return (joint * self.bins + column) * self.bins + row

    def add(self, cells: Tensor) -> None:
        """Count poses, given by their cells [N, J]."""
        self.counts += torch.bincount(cells.flatten(), minlength=len(self.counts))
        self.total += len(cells)

    def propensity(self, cells: Tensor) -> Tensor:
        """Return rho [N]: the frequency of each joint's cell among the poses counted, averaged over the joints."""
        return self.counts[cells].sum(-1) / (self.total * cells.shape[1])

    def least(self) -> Tensor:
        """Return the smallest propensity above zero that a pose can have: one joint shares its cell with one pose."""
        joints = len(self.counts) // self.bins**2
        return 1 / (self.total * joints)
