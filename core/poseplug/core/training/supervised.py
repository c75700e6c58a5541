"""The supervised objective; with a reweighter it is PoseGU's counterfactual risk."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from torch import Tensor, nn

from poseplug.core.data.batch import PoseBatch
from poseplug.core.interfaces import BuildContext, Objective, Step, Weights
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class SupervisedConfig:
    """Settings of the supervised objective."""

    reference_weight: float | None = setting(
        None,
        "constant factor on the reference loss. Unset, reference poses are trained on (factor 1) only if there is a "
        "reweighter; set without a reweighter, it is the constant-weight control that re-weighting must beat",
        minimum=0,
    )
    passes: str = setting(
        "joint",
        "poses and reference poses go through the lifter in one batch (joint) or one after the other (separate); "
        "with batch normalisation the two differ",
        choices=("joint", "separate"),
    )


class Supervised(Objective):
    """Mean squared error over joints and axes against the 3D labels.

    The loss is L_P(poses) + f * L_co(reference), PoseGU's eq. 13: L_P is the plain mean (eq. 11), L_co the mean of the
    reference poses' errors times the reweighter's weights (eq. 12), f is ``reference_weight``. Both are means, so that
    a weight of 1 counts a reference pose as much as any other. Without reference poses the second term drops out.
    """

    Config = SupervisedConfig

    def __init__(self, config: SupervisedConfig, context: BuildContext) -> None:
        nn.Module.__init__(self)
        self.config = config

    def uses_reference(self, reweighted: bool) -> bool:
        if self.config.reference_weight is None:
            return reweighted
        return self.config.reference_weight > 0

    def loss(self, step: Step) -> Mapping[str, Tensor]:
        weights = step.weights or Weights()
        if step.reference is None:
            return {"supervised": _risk(step.lift(step.poses), step.poses, weights.drawn)}
        drawn, reference = self._lift_both(step, step.reference)
        counterfactual = _risk(reference, step.reference, weights.reference)
        if self.config.reference_weight is not None:
            counterfactual = counterfactual * self.config.reference_weight
        return {"supervised": _risk(drawn, step.poses, weights.drawn), "counterfactual": counterfactual}

    def _lift_both(self, step: Step, reference: PoseBatch) -> tuple[Tensor, Tensor]:
        if self.config.passes == "separate":
            return step.lift(step.poses), step.lift(reference)
        drawn, counted = step.lift(PoseBatch.join([step.poses, reference])).tensor_split([len(step.poses)])
        return drawn, counted


def _risk(predicted: Tensor, batch: PoseBatch, weights: Tensor | None) -> Tensor:
    """Mean over poses of the weighted squared error; predicted and target are [N, J, 3], root-relative."""
    error = (predicted - batch.root_relative).square()
    for weight in (weights, batch.weight):
        if weight is not None:
            error = error * weight[:, None, None]
    return error.mean()
