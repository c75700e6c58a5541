"""The augmentor ``evolution``: poses of a batch have children with those of a population that changes as it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.limb_frames import poses_first, poses_last
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import Augmentation, Augmentor, BuildContext
from poseplug.core.settings import setting
from poseplug_evoskeleton.evolution.breeding import Breeding, limits_of
from poseplug_evoskeleton.evolution.crossover import Genes, crossover, draw_subtrees
from poseplug_evoskeleton.evolution.operator_settings import OperatorSettings
from poseplug_evoskeleton.evolution.placement import Ground, in_front
from poseplug_evoskeleton.evolution.population import genes_of


@attrs.frozen(kw_only=True)
class EvolutionSettings(OperatorSettings):
    """How much of a batch is replaced by children, and how many limbs are remembered; and the operators' settings."""

    share: float = setting(
        0.5, "probability that a pose is replaced by a child that is fit to live", minimum=0, maximum=1
    )
    mixing: str = setting(
        "pose",
        "what is drawn against the share: each pose by itself, or the batch as a whole (every second batch, say)",
        choices=("pose", "batch"),
    )
    active: bool = setting(
        False, "of the children that are fit, only the half is born that the lifter under training lifts worst"
    )
    population: int = setting(65536, "how many poses' limbs are remembered; the oldest are forgotten first", minimum=1)


class Evolution(Augmentor):
    """Gives poses limbs of others, which bodies can hold like that, and lets these be handed on.

    The other parent is drawn from the batch and from the population: limbs of earlier batches, and of the children that
    were fit to live. A child has torso and place of the pose that it replaces, and is seen by its camera. One that is
    not fit to live, or would come too near to the camera, is not born: its parent stays, bit for bit.
    """

    Config = EvolutionSettings

    population: Tensor
    added: Tensor
    born: Tensor

    def __init__(self, config: EvolutionSettings, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.limbs = limbs_of(context.layout)
        self.limits = limits_of(config, context.device)
        self.asks_lifter = config.active
        genes = torch.zeros(config.population, 4 * len(self.limbs.bones), device=context.device)
        self.register_buffer("population", genes)
        # How many poses were added to the population, and how many children were fit to live.
        self.register_buffer("added", torch.zeros((), dtype=torch.int64, device=context.device))
        self.register_buffer("born", torch.zeros((), dtype=torch.int64, device=context.device))

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        breeding = Breeding.of(self.config, self.limbs, self.limits, batch.device)
        parents = poses_last(batch.absolute)
        own = genes_of(parents, self.limbs)
        n = len(batch)
        exchanged = draw_subtrees(breeding.table, n, generator)
        genes = crossover(own, self._others(own, generator), exchanged, self.config.lengths)
        genes = breeding.mutate(genes, exchanged, generator)
        fit = breeding.fit(genes)
        ground, rows = Ground.under(batch), torch.arange(n, device=batch.device)
        children = breeding.turn(breeding.embody(parents, genes), ground.axes, rows, generator)
        children = breeding.place(children, ground.vertical.t(), generator)
        born = batch.moved(poses_first(children))
        if self.config.active and self.lift is not None:
            fit = _harder_half(self._errors(born, self.lift), fit)
        chosen = torch.rand(n if self.config.mixing == "pose" else 1, generator=generator, device=batch.device)
        changed = fit & in_front(children) & (chosen < self.config.share)
        if self.training:
            self._remember(genes, own, fit)
        return Augmentation(batch=_with_children(batch, born, changed))

    @staticmethod
    def _errors(born: PoseBatch, lift: Callable[[PoseBatch], Tensor]) -> Tensor:
        """Return the mean error [N] of the lifter's joints, metres."""
        distances: Tensor = torch.linalg.vector_norm(lift(born) - born.root_relative, dim=-1)
        return distances.mean(1).detach()

    def _others(self, own: Genes, generator: torch.Generator) -> Genes:
        """Return the other parents of N poses, drawn from these and from the population."""
        n = own.table.shape[1]
        there = n + self.added.clamp_max(self.config.population)
        drawn = (torch.rand(n, generator=generator, device=generator.device) * there).long()
        of_batch = own.table.index_select(1, drawn.clamp_max(n - 1))
        of_population = self.population.index_select(0, (drawn - n).clamp_(0, self.config.population - 1)).t()
        return Genes(torch.where(drawn < n, of_batch, of_population))

    @torch.no_grad()
    def _remember(self, children: Genes, parents: Genes, fit: Tensor) -> None:
        """Add children to the population, and where they are not fit their parents; of a batch as many as it holds."""
        most = min(len(fit), self.config.population)
        place = (self.added + torch.arange(most, device=fit.device)) % self.config.population
        table = torch.where(fit, children.table, parents.table)[:, :most]
        self.population.index_copy_(0, place, table.t().to(self.population.dtype))
        self.added.add_(most)
        self.born.add_(fit[:most].sum())

    def diagnostics(self) -> Mapping[str, float]:
        """Return the share of children that were fit to live."""
        added = int(self.added)
        return {"fit": int(self.born) / added} if added else {}


def _harder_half(errors: Tensor, fit: Tensor) -> Tensor:
    """Return [N] bool: of the fit the half, rounded up, with the largest errors [N]. Nothing waits for the device."""
    order = torch.where(fit, errors, -torch.inf).argsort(descending=True, stable=True)
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    return fit & (place < (fit.sum() + 1) // 2)


def _with_children(batch: PoseBatch, children: PoseBatch, changed: Tensor) -> PoseBatch:
    """Return the children where ``changed`` [N] holds, and elsewhere the batch bit for bit, its 2D noise included."""

    def pick(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(changed.view(-1, *[1] * (new.ndim - 1)), new, old)

    return attrs.evolve(
        children,
        joints_2d=pick(children.joints_2d, batch.joints_2d),
        joints_3d=pick(children.absolute, batch.absolute),
        origin=None if batch.origin is None or children.origin is None else pick(children.origin, batch.origin),
    )
