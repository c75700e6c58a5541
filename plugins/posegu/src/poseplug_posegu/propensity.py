"""PoseGU's counterfactual re-weighting: ratios of propensity scores, with a clip (cips) or without (ips).

Guan et al., arXiv 2207.03618, section 4.3-4.4, equations 8-10 and 12. Written from the paper; its authors published no
code. Eq. 10 averages over the batch what eq. 12 then indexes and sums, and the weights come from generated poses while
the loss is that of real poses: the modes are the readings of this. See the README of this plugin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource, Reweighter
from poseplug.core.settings import setting
from poseplug_posegu.histograms import JointHistograms, root_relative_positions, screen_positions

_CHUNK = 65536
_DEFAULT_EXTENT = {"screen": 1.0, "root_relative": 1.5}


@attrs.frozen(kw_only=True)
class PropensityConfig:
    """Settings of ips."""

    space: str = setting(
        "screen",
        "where joints are counted: 'screen' is the normalised 2D input, 'root_relative' x and y of the 3D pose",
        choices=tuple(_DEFAULT_EXTENT),
    )
    bins: int = setting(64, "histogram cells along each axis", minimum=1)
    extent: float | None = setting(
        None, "the grid covers plus or minus this; if not given, 1 screen unit or 1.5 m", above=0
    )
    fit_samples: int = setting(200_000, "poses counted of a source without end", minimum=1)
    mode: str = setting(
        "paper",
        "which loss the weights scale: 'paper' that of the i-th reference pose by the ratio at the i-th drawn pose, "
        "'same_action' the same, but by a drawn pose of its own action, "
        "'batch_scalar' that of all reference poses by the mean ratio of the drawn, 'per_sample' that of each "
        "reference pose by its own ratio, 'opposite' that of each drawn pose by the inverse of its ratio",
        choices=("paper", "same_action", "batch_scalar", "per_sample", "opposite"),
    )


@attrs.frozen(kw_only=True)
class ClippedPropensityConfig(PropensityConfig):
    """Settings of cips."""

    clip: float = setting(5.0, "greatest weight (c of eq. 10; the paper gives no value)", minimum=0)


class Propensity(Reweighter):
    """Weights from the ratio of drawn to reference propensity, without a clip.

    Where no reference pose was counted the ratio would be infinite; the reference propensity is then taken to be the
    smallest one above zero. Where neither was counted the ratio is 1.

    Raises (in ``fit``):
        PoseplugError: the space is root_relative and a source has 2D only.
    """

    Config = PropensityConfig
    clip: float | None = None
    moments: Tensor

    def __init__(self, config: PropensityConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        joints = context.layout.num_joints - (config.space == "root_relative")
        extent = config.extent or _DEFAULT_EXTENT[config.space]
        self._positions = screen_positions if config.space == "screen" else root_relative_positions
        self.drawn = JointHistograms(joints, config.bins, extent, context.device)
        self.reference = JointHistograms(joints, config.bins, extent, context.device)
        self._logs: Mapping[str, Tensor] = {}
        # Number of weights, their sum, sum of squares, and how many were clipped.
        self.register_buffer("moments", torch.zeros(4, dtype=torch.float64, device=context.device))

    def fit(self, training: PoseSource, reference: PoseSource, generator: torch.Generator) -> None:
        for source, histograms in ((training, self.drawn), (reference, self.reference)):
            if self.config.space == "root_relative" and not source.has_3d:
                raise PoseplugError("Weights with space=root_relative need 3D poses; use space=screen for 2D sources.")
            for batch in self._poses_of(source, generator):
                histograms.add(histograms.cells(self._positions(batch)))

    def _poses_of(self, source: PoseSource, generator: torch.Generator) -> Iterator[PoseBatch]:
        if isinstance(source, FiniteSource):
            yield from source.batches(_CHUNK)
            return
        for start in range(0, self.config.fit_samples, _CHUNK):
            yield source.sample(min(_CHUNK, self.config.fit_samples - start), generator)

    @torch.no_grad()
    def weigh(self, training: PoseBatch, reference: PoseBatch) -> Mapping[str, Tensor]:
        mode = self.config.mode
        judged = reference if mode == "per_sample" else training
        weights, clipped = self._ratio(judged, inverse=mode == "opposite")
        share = clipped.double().mean()
        exact = weights.double()
        self.moments += torch.stack([torch.ones_like(share), exact.mean(), (exact * exact).mean(), share]) * len(exact)
        self._logs = {"weight_mean": weights.mean(), "weight_clipped": share.float()}
        if mode == "opposite":
            return {"training": weights}
        if mode == "batch_scalar":
            weights = weights.mean().expand(len(reference))
        elif mode == "paper":
            # Training poses may be more than reference poses (augmentation) or fewer; the pairing is random anyway.
            weights = weights[torch.arange(len(reference), device=weights.device) % len(weights)]
        elif mode == "same_action":
            weights = weights[_partners(_action(training), _action(reference))]
        return {"reference": weights}

    def logs(self) -> Mapping[str, Tensor]:
        return self._logs

    def _ratio(self, batch: PoseBatch, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Return rho~ / rho (or its inverse) [N] of each pose, at most ``clip``, and where it was clipped."""
        cells = self.drawn.cells(self._positions(batch))
        above, below = (self.reference, self.drawn) if inverse else (self.drawn, self.reference)
        numerator, denominator = above.propensity(cells), below.propensity(cells)
        unseen = denominator == 0
        ratio = numerator / torch.where(unseen, below.least(), denominator)
        ratio = torch.where(unseen & (numerator == 0), 1.0, ratio)
        if self.clip is None:
            return ratio, torch.zeros_like(unseen)
        infinite = unseen & (numerator > 0)
        return torch.where(infinite, self.clip, ratio.clamp_max(self.clip)), infinite | (ratio > self.clip)

    def diagnostics(self) -> Mapping[str, float]:
        count, total, square, clipped = self.moments.tolist()
        if not count:
            return {}
        effective = total * total / (count * square) if square else 0.0
        return {
            "weight_mean": total / count,
            "weight_clipped_share": clipped / count,
            "weight_effective_share": effective,
        }


def _action(batch: PoseBatch) -> Tensor:
    if "action" not in batch.labels:
        raise PoseplugError("Weights with mode=same_action need poses with actions; use mode=paper for these sources.")
    return batch.labels["action"]


def _partners(drawn: Tensor, reference: Tensor) -> Tensor:
    """Return for each reference pose the number of a drawn pose of its action, taking turns among those there are.

    A reference pose whose action was not drawn gets the drawn pose in its own place.
    """
    index = torch.arange(len(reference), device=reference.device)
    by_action, ranked = drawn.sort(stable=True)
    first = torch.searchsorted(by_action, reference)
    there = torch.searchsorted(by_action, reference, right=True) - first
    in_order, place = reference.sort(stable=True)
    turn = torch.empty_like(index).index_copy_(0, place, index - torch.searchsorted(in_order, in_order))
    partner = ranked[(first + turn % there.clamp_min(1)).clamp_max(len(drawn) - 1)]
    return torch.where(there > 0, partner, index % len(drawn))


class ClippedPropensity(Propensity):
    """Weights from the ratio of drawn to reference propensity, at most ``clip`` (cIPS, eq. 10)."""

    Config = ClippedPropensityConfig

    def __init__(self, config: ClippedPropensityConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.clip = config.clip
