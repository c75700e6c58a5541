"""LiftingModel: a lifter with the normalisation of its input and the reading of its output: what a finished run is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseplug.core.data.batch import PoseBatch
from poseplug.core.data.normalise import Normaliser
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import Lifter, RootEstimator
from poseplug.core.models.inputs import gather_inputs
from poseplug.core.models.output_heads import DepthReading


class LiftingModel(nn.Module):
    """Lifts the people of a batch, and finds where they are if it has a root estimator.

    Args:
        lifter: the lifter.
        skeleton: the layout it was built for.
        root: the root estimator, if the run has one.
        depth_only: whether the lifter is trained to give depths only, in units of the image (``Objective.depth_only``).
    """

    def __init__(
        self, lifter: Lifter, skeleton: Skeleton, root: RootEstimator | None = None, depth_only: bool = False
    ) -> None:
        super().__init__()
        self.lifter = lifter
        self.skeleton = skeleton
        self.normaliser = Normaliser(lifter.normalisation, skeleton.num_joints)
        self.root = root
        self.depth_only = depth_only
        reads_depth = depth_only or lifter.predicts_depth
        self.reading = DepthReading(skeleton, lifter.group_joints()) if reads_depth else None

    @property
    def device(self) -> torch.device:
        """Where its parameters live."""
        return next(self.parameters()).device

    def forward(self, batch: PoseBatch) -> Tensor:
        """Return what the lifter is trained on, [N, J, 3]: joints in metres, whose root need not be zero.

        With ``depth_only``, it is what the lifter says, whose z is depth in units of the image.
        """
        lifted = self._lift(batch)
        return lifted if self.reading is None or self.depth_only else self.reading(batch, lifted)

    def _lift(self, batch: PoseBatch) -> Tensor:
        inputs = gather_inputs(self.lifter.reads, batch, self._roots_for_lifter(batch))
        output: Tensor = self.lifter(self.normaliser(batch), **inputs)
        return output

    def _roots_for_lifter(self, batch: PoseBatch) -> Tensor | None:
        if "roots" not in self.lifter.reads or self.root is None:
            return None
        return self.locate(batch).detach()

    def locate(self, batch: PoseBatch) -> Tensor:
        """Return the absolute root positions [N, 3] that the root estimator predicts, metres."""
        if self.root is None:
            raise ValueError("this model has no root estimator")
        roots: Tensor = self.root(**gather_inputs(self.root.reads, batch))
        return roots

    def predict(self, batch: PoseBatch, flip: bool = False) -> Tensor:
        """Return root-relative joints [N, J, 3], metres.

        Args:
            batch: people to lift; only what the lifter reads is looked at.
            flip: average with the prediction for the mirrored input.
        """
        joints = self._relative(batch)
        if not flip:
            return joints
        mirrored = self._relative(batch.mirrored())[:, list(self.skeleton.flip_index)]
        return (joints + mirrored * mirrored.new_tensor([-1.0, 1.0, 1.0])) / 2

    @torch.no_grad()
    def fit_depth(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Take sign and size of predicted depths from labelled poses; see ``DepthReading.fit``."""
        if self.reading is None:
            return {}
        was_training = self.training
        self.eval()
        found = self.reading.fit(batch, self._lift(batch))
        self.train(was_training)
        return found

    def _relative(self, batch: PoseBatch) -> Tensor:
        lifted = self._lift(batch)
        joints = lifted if self.reading is None else self.reading(batch, lifted)
        return joints - joints[:, self.skeleton.root : self.skeleton.root + 1]
