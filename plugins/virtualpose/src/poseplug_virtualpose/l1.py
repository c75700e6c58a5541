"""``l1``: the absolute error (eq. 8)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from poseplug.core.interfaces import BuildContext, NoConfig, Objective, Step


class L1(Objective):
    """Mean absolute error over joints and axes against the 3D labels, metres; with a reweighter counterfactual too."""

    def __init__(self, config: NoConfig | None = None, context: BuildContext | None = None) -> None:
        nn.Module.__init__(self)

    def loss(self, step: Step) -> Mapping[str, Tensor]:
        losses = {}
        for stream, lifted in step.lifted():
            name = "counterfactual" if stream.name == "reference" else "l1"
            losses[name] = stream.mean((lifted - stream.batch.root_relative).abs())
        return losses
