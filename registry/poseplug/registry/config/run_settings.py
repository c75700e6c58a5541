"""The settings of a run that belong to none of its parts."""

from __future__ import annotations

import attrs

from poseplug.core.evaluation.evaluate import ENDLESS_POSES
from poseplug.core.evaluation.protocol import PROTOCOLS
from poseplug.core.settings import setting
from poseplug.core.sources.projection import PROJECTIONS
from poseplug.core.training.schedule import Training


@attrs.frozen(kw_only=True)
class RunSettings(Training):
    """How a run trains, and what else stands at the top of its experiment."""

    reference_share: float = setting(1.0, "share of the reference poses that are used", above=0, maximum=1)
    protocol: str = setting("default", "how results are measured", choices=tuple(PROTOCOLS))
    eval_batch_size: int | None = setting(
        None,
        "poses, or scenes of several people, that are lifted at a time; unset, 4096, or 32 where parts see scenes",
        minimum=1,
    )
    eval_poses: int = setting(
        ENDLESS_POSES, "by how many poses, or scenes, a source without an end is evaluated", minimum=1
    )
    epochs: int | None = setting(None, "passes over a finite source, instead of steps", minimum=1)
    seeds: int = setting(1, "how many seeds, from the run's own on, are trained together", minimum=1)
    hook_errors: str = setting(
        "stop", "what a hook that fails does: stop the run, or drop out", choices=("stop", "drop")
    )
    projection: str = setting(
        "perspective",
        "how the run sees all its poses, in training and in evaluation: by their cameras, or orthographically (x and y "
        "of the true 3D pose, at the scale of its root)",
        choices=PROJECTIONS,
    )
    pretrained: str | None = setting(None, "folder of a finished run whose model this one starts from", path=True)
    pretrained_parts: tuple[str, ...] = setting(
        (),
        "the parts of that model to start from: lifter, root, or inputs as in input:backbone; all of it where none is "
        "named",
    )

    def __attrs_post_init__(self) -> None:
        try:
            Training(seed=self.seed + self.seeds - 1)
        except ValueError as error:
            last = f"the last of {self.seeds} seeds from {self.seed} on"
            raise ValueError(f"'seed' and 'seeds': {last} {error}") from None
