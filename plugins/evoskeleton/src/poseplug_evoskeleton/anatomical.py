"""An objective that keeps predictions within joint limits, also those for key points without 3D labels."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from torch import Tensor, nn

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, Objective, PoseSource, Step
from poseplug.core.settings import setting
from poseplug_evoskeleton.limited_body import LIMITS, LimitedBody


@attrs.frozen(kw_only=True)
class AnatomicalConfig:
    """Settings of the objective."""

    weight: float = setting(0.01, "factor on the mean angle by which bones break the limits, in radians", minimum=0)
    unlabelled: str = setting(
        "",
        "a further source, whose key points are lifted too, without looking at any 3D; such as coco:path=FILE",
        names="source",
    )
    unlabelled_share: float = setting(1.0, "poses of it in a step, for each training pose", above=0)
    limits: str = setting("", LIMITS, path=True)


class Anatomical(Objective):
    """Mean squared error against 3D labels, plus how far limb bones of predictions are from where they may point.

    Both are means over poses, weighted where poses are; of reference poses in 2D only there is the second. The lifter
    sees ``unlabelled`` key points in a pass of their own.

    Raises:
        PoseplugError: the skeleton has no limbs, the file holds no limits, or ``unlabelled`` names no source with the
            run's skeleton.
    """

    Config = AnatomicalConfig

    def __init__(self, config: AnatomicalConfig, context: BuildContext) -> None:
        nn.Module.__init__(self)
        self.weight = config.weight
        self.body = LimitedBody.of(config.limits, context.layout, context.device)
        self.unlabelled = _source(config.unlabelled, context) if config.unlabelled else None
        self.share = config.unlabelled_share

    def loss(self, step: Step) -> Mapping[str, Tensor]:
        losses = {}
        for stream, lifted in step.lifted():
            reference = stream.name == "reference"
            if stream.batch.joints_3d is not None:
                name = "counterfactual" if reference else "supervised"
                losses[name] = stream.mean((lifted - stream.batch.root_relative).square())
            name = "anatomy_reference" if reference else "anatomy"
            losses[name] = self.weight * stream.mean(self.body.violation(lifted))
        if self.unlabelled is not None:
            count = max(2, round(len(step.poses) * self.share))
            poses = attrs.evolve(self.unlabelled.sample(count, step.generator), joints_3d=None)
            losses["anatomy_unlabelled"] = self.weight * self.body.violation(step.lift(poses)).mean()
        return losses


def _source(text: str, context: BuildContext) -> PoseSource:
    if context.build is None:
        raise PoseplugError("Objective 'anatomical', setting 'unlabelled': a source can only be named within a run.")
    source: PoseSource = context.build("source", text)
    if source.skeleton != context.layout:
        raise PoseplugError(
            f"Objective 'anatomical', setting 'unlabelled': '{text}' has the skeleton '{source.skeleton.name}', and "
            f"this run has '{context.layout.name}'; give it a 'skeleton' setting of the same name."
        )
    return source
