"""A source whose implausible poses are drawn again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource
from poseplug.core.settings import REQUIRED, setting
from poseplug_evoskeleton.limited_body import LIMITS, LimitedBody, Tally

_STREAM = 0x11B5
_TRIAL = 4096
# So many standard deviations more are drawn than are needed on average; a row is repeated once in 30,000 batches.
_MARGIN = 4.0


@attrs.frozen(kw_only=True)
class WithinLimitsConfig:
    """Settings of the source."""

    of: str = setting(
        REQUIRED, "the source whose poses are taken, such as fk_generator or bvh:path=FOLDER", names="source"
    )
    limits: str = setting("", LIMITS, path=True)
    most: int = setting(16, "poses drawn for each one that is wanted, at most", minimum=1)


class WithinLimits(PoseSource):
    """The poses of another source that are within joint limits.

    As many more are drawn at once as it takes, by the share that is plausible, which is measured first; of these the
    plausible ones are taken in the order in which they were drawn, and where they are too few after all some of them
    again. Of a finite source the implausible poses are left out, the others keep their order. People of scenes are
    taken one by one, and are alone.

    Raises:
        PoseplugError: no such source, one without 3D, limbs or a plausible pose, or a file that holds no limits.
    """

    Config = WithinLimitsConfig

    inner: PoseSource

    def __new__(cls, config: WithinLimitsConfig, context: BuildContext) -> Self:
        """Return a finite source where the other is one."""
        if context.build is None:
            raise PoseplugError("Source 'within_limits', setting 'of': a source can only be named within a run.")
        inner: PoseSource = context.build("source", config.of)
        made: Any = super().__new__(_WithinLimitsInOrder if isinstance(inner, FiniteSource) else cls)
        made.inner = inner
        return made  # type: ignore[no-any-return]

    def __init__(self, config: WithinLimitsConfig, context: BuildContext) -> None:
        inner = self.inner
        if not inner.has_3d:
            raise PoseplugError(
                f"Source 'within_limits': joint limits are asked about 3D, and '{config.of}' gives 2D only."
            )
        self.skeleton, self.label_names = inner.skeleton, inner.label_names
        self.further_files = inner.further_files
        self.measured_2d = getattr(inner, "measured_2d", False)
        self.body = LimitedBody.of(config.limits, inner.skeleton, context.device)
        self.most = config.most
        self.tally = Tally(context.device)
        self.share = self._measure(context)
        if not self.share:
            raise PoseplugError(
                f"Source 'within_limits': not one pose of '{config.of}' is within the limits. Look at them: "
                f"poseplug data plot '{config.of}' bones.png --show directions."
            )

    def _measure(self, context: BuildContext) -> float:
        """Return the share of the source's poses that is plausible."""
        trial = self.inner.sample(_TRIAL, context.generator(_STREAM))
        return float(self.body.plausible(trial.absolute).double().mean())

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:  # noqa: ARG003
        """Return settings to check it with."""
        return {"of": "builtin:takes=1,frames=16"}

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        drawn = self.inner.sample(self._surplus(n), generator).alone()
        plausible = self.body.plausible(drawn.absolute)
        self.tally.add(plausible)
        return drawn.select(_first(plausible, n))

    def _surplus(self, n: int) -> int:
        """Return how many poses to draw for n."""
        missing = 1 - self.share
        needed = (n + _MARGIN * math.sqrt(n * missing) + _MARGIN**2 * missing) / self.share
        return max(n, min(math.ceil(needed), self.most * max(n, 16)))

    def diagnostics(self) -> Mapping[str, float]:
        """Return ``plausible``, the share of drawn poses that were within the limits."""
        share = self.tally.share
        return {"plausible": self.share if math.isnan(share) else share}


class _WithinLimitsInOrder(WithinLimits, FiniteSource):
    """The same of a finite source."""

    inner: FiniteSource
    kept: Tensor

    def _measure(self, context: BuildContext) -> float:
        found = [self.body.plausible(batch.absolute).cpu() for batch in self.inner.batches(_TRIAL)]
        self.kept = torch.cat(found)
        return float(self.kept.double().mean())

    def __len__(self) -> int:
        return int(self.kept.sum())

    def batches(self, size: int) -> Iterator[PoseBatch]:
        done = 0
        for batch in self.inner.batches(size):
            rows = self.kept[done : done + len(batch)].nonzero()[:, 0]
            done += len(batch)
            if len(rows):
                people = batch if batch.scenes is None else batch.alone()
                yield people.select(rows.to(batch.device))


def _first(plausible: Tensor, n: int) -> Tensor:
    """Return the row numbers of the first n plausible poses, over again where they are fewer; of any if none is."""
    order = plausible.to(torch.uint8).argsort(descending=True, stable=True)
    count, places = plausible.sum(), torch.arange(n, device=plausible.device)
    return order[torch.where(count > 0, places % count.clamp_min(1), places)]
