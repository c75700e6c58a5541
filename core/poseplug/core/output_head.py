"""Output heads: how what a lifter returns becomes a pose."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from poseplug.core.data.pose_batch import PoseBatch


class OutputHead(nn.Module):
    """How what a lifter returns becomes a pose. This one takes it as it is: joints in metres.

    A lifter declares its own; an objective that trains something else than poses declares another, and is then shown
    what the lifter returns.

    Attributes:
        needs_fit: whether ``fit`` is to be called, once, before training.
        labelled_poses: with how many poses that have 3D labels it is calibrated, whenever the model is kept.
    """

    needs_fit: bool = False
    labelled_poses: int = 0

    def forward(self, batch: PoseBatch, output: Tensor) -> Tensor:
        """Return joints [N, J, 3] in metres, root-relative up to the predicted root, for what the lifter returned."""
        return output

    def fit(self, batch: PoseBatch) -> None:
        """Take what it must know from poses of the training set."""

    def calibrate(self, batch: PoseBatch, output: Tensor) -> Mapping[str, Tensor]:
        """Take what training left open from poses with 3D labels; return scalars about it, left on the device."""
        return {}

    def diagnostics(self) -> Mapping[str, float]:
        """Return figures that are stored in the run's results."""
        return {}
