"""LiftingModel: a lifter with its inputs and the head of its output: what a finished run is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from poseplug.core.data.normalise import Normaliser
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import ROOTS, InputProvider, Lifter, OutputHead, RootEstimator
from poseplug.core.models.inputs import Inputs, PredictedRoots, standard_inputs
from poseplug.core.models.modes import evaluating


class LiftingModel(nn.Module):
    """Lifts the people of a batch, and finds where they are if it has a root estimator.

    Args:
        skeleton: the layout that the lifter was built for.
        head: the output head that the objective declares. It is then shown what the lifter returns; otherwise poses, as
            the lifter's own head makes them.
        inputs: what makes the inputs that lifter and root estimator read; by default those that follow from any batch.
    """

    _place: Tensor

    def __init__(
        self,
        lifter: Lifter,
        skeleton: Skeleton,
        root: RootEstimator | None = None,
        head: OutputHead | None = None,
        inputs: Mapping[str, InputProvider] | None = None,
    ) -> None:
        super().__init__()
        self.lifter = lifter
        self.skeleton = skeleton
        self.normaliser = Normaliser(lifter.normalisation, skeleton.num_joints)
        self.root = root
        self.head = head or lifter.output_head(skeleton)
        self._trained_as_returned = head is not None
        providers = standard_inputs() if inputs is None else dict(inputs)
        self.inputs = Inputs(providers if root is None else {**providers, ROOTS: PredictedRoots(root)})
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it lives, also if nothing in it has parameters."""
        return self._place.device

    def forward(self, batch: PoseBatch) -> Tensor:
        """Return what the lifter is trained on, [N, J, 3]: joints in metres, or what its objective reads."""
        output = self._lift(batch)
        return output if self._trained_as_returned else self.head(batch, output)

    def _lift(self, batch: PoseBatch) -> Tensor:
        inputs = self.inputs.read(self.lifter.reads, batch)
        if ROOTS in inputs:  # the lifter's error does not train the root estimator
            inputs[ROOTS] = inputs[ROOTS].detach()
        output: Tensor = self.lifter(self.normaliser(batch), **inputs)
        return output

    def locate(self, batch: PoseBatch) -> Tensor | None:
        """Return the absolute root positions [N, 3] that the root estimator predicts, metres; None if there is none."""
        return None if self.root is None else self.inputs.read([ROOTS], batch)[ROOTS]

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

    def _relative(self, batch: PoseBatch) -> Tensor:
        joints: Tensor = self.head(batch, self._lift(batch))
        return joints - joints[:, self.skeleton.root : self.skeleton.root + 1]

    @torch.no_grad()
    def calibrate(self, batch: PoseBatch) -> Mapping[str, Tensor]:
        """Calibrate the output head with labelled poses, in evaluation mode; see ``OutputHead.calibrate``."""
        with evaluating(self):
            return self.head.calibrate(batch, self._lift(batch))
