"""The supervised objective; with a reweighter it is PoseGU's counterfactual risk."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from poseplug.core.interfaces import BuildContext, NoConfig, Objective, Step


class Supervised(Objective):
    """Mean squared error over joints and axes against the 3D labels.

    The loss is L_P(training poses) + f * L_co(reference), PoseGU's eq. 13: L_P is the plain mean (eq. 11), L_co the
    mean of the reference poses' errors times the reweighter's weights (eq. 12), f the run's ``reference_weight``. Both
    are means, so that a weight of 1 counts a reference pose as much as any other. Without reference poses the second
    term drops out.
    """

    def __init__(self, config: NoConfig | None = None, context: BuildContext | None = None) -> None:
        nn.Module.__init__(self)

    def loss(self, step: Step) -> Mapping[str, Tensor]:
        losses = {}
        for stream, lifted in step.lifted():
            name = "counterfactual" if stream.name == "reference" else "supervised"
            losses[name] = stream.mean((lifted - stream.batch.root_relative).square())
        return losses
