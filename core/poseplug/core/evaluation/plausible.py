"""Plausible: how many of the predicted poses could a body take?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_kinds import kind_of
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.evaluation.metric import Comparison, Metric
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class PlausibleConfig:
    """Settings of the share of plausible poses."""

    limits: str = setting("", "file of joint limits; none: those that come with poseplug", path=True)


class Plausible(Metric):
    """Share of predicted poses all of whose limb bones are within joint limits, and of each bone by itself.

    The truth plays no part in it: poses may be plausible and wrong.

    Raises:
        PoseplugError: the skeleton has no limbs, or the file holds no limits.
    """

    Config = PlausibleConfig

    def __init__(self, config: PlausibleConfig, context: BuildContext) -> None:
        limits = JointLimits.load(Path(config.limits)) if config.limits else JointLimits.default()
        self.limits = limits.to(context.device)
        limbs = limbs_of(context.layout)
        # Of hands and toes nothing is known.
        self.bones = [i for i, bone in enumerate(limbs.bones) if kind_of(bone) in limits.bones]
        self.names = [f"plausible_{limbs.names[i].lower().replace('-', '_')}" for i in self.bones]

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        predicted = comparison.predicted
        fine = self.limits.accepts(predicted, comparison.truth.skeleton)
        shares = torch.where(predicted.isfinite().all(-1).all(-1), 100.0, torch.nan)
        of_bones = {name: fine[:, bone] * shares for name, bone in zip(self.names, self.bones, strict=True)}
        return {"plausible": fine.all(1) * shares, **of_bones}

    def heading(self, figure: str) -> str:
        return "plausible" if figure == "plausible" else ""
