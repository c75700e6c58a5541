"""The population: poses with their genes, in tables that are made once and filled generation by generation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from poseplug.core.anatomy.limb_frames import measure_limbs
from poseplug.core.anatomy.limbs import Limbs
from poseplug_evoskeleton.evolution.breeding import Breeding
from poseplug_evoskeleton.evolution.crossover import Genes
from poseplug_evoskeleton.evolution.placement import Ground, in_front
from poseplug_evoskeleton.evolution.selection import active_selection
from poseplug_evoskeleton.evolution.threads import draw_seeds, in_threads

# Couples, or poses, that are worked on at once. On a CPU what one operation writes is then in the cache for the next;
# with fewer, threads wait for one another's turn in Python.
_CHUNK, _CPU_CHUNK = 1 << 18, 8192

_AT_ONCE = 1 << 14
Difficulty = Callable[[Tensor, Tensor], Tensor]


class Population:
    """Poses, the first of them captured, the others evolved; each is seen by the camera that saw its torso.

    A row of ``joints`` or of ``genes`` lies together in memory, as parents are drawn at random.

    Attributes:
        joints: [C, 3, J] coordinates in the camera frame, metres; C poses at most.
        genes: [C, 4 B], see ``Genes``.
        ancestor: [C] int32, the captured pose whose torso it has.
        starts: where each generation begins; the captured poses are the first.
        count: how many poses there are.
        candidates, fit: how many children there have been, and how many were fit to live.
    """

    def __init__(self, captured: Tensor, ground: Ground, limbs: Limbs, most: int) -> None:
        """Begin with captured poses [N, 3, J] and the ground under each; at most ``most`` poses in all."""
        n, device = len(captured), captured.device
        self.limbs, self.ground = limbs, ground
        self.joints = captured.new_empty(most, *captured.shape[1:])
        self.genes = captured.new_empty(most, 4 * len(limbs.bones))
        self.ancestor = torch.empty(most, dtype=torch.int32, device=device)
        self.starts: list[int] = []
        self.count = self.candidates = self.fit = 0
        self.begin_generation()

        def measured(rows: Tensor) -> tuple[Tensor, Genes, Tensor]:
            coordinates = columns(captured.index_select(0, rows))
            return coordinates, genes_of(coordinates, limbs), rows

        for poses in in_threads(device, measured, torch.split(torch.arange(n, device=device), self.chunk)):
            self.add(*poses)

    @property
    def chunk(self) -> int:
        """How many couples are worked on at once."""
        return _CPU_CHUNK if self.joints.device.type == "cpu" else _CHUNK

    @property
    def most(self) -> int:
        """How many poses there is room for."""
        return len(self.joints)

    def rows(self, generation: int) -> slice:
        """Return where the poses of a generation are."""
        return slice(self.starts[generation], [*self.starts[1:], self.count][generation])

    def begin_generation(self) -> None:
        """Note that what is added from now on is a further generation."""
        self.starts.append(self.count)

    def add(self, coordinates: Tensor, genes: Genes, ancestor: Tensor) -> int:
        """Add poses [3, J, N] as long as there is room; return how many were added."""
        added = min(len(ancestor), self.most - self.count)
        rows = slice(self.count, self.count + added)
        self.joints[rows].flatten(1).copy_(coordinates.flatten(0, 1).t()[:added])
        self.genes[rows] = genes.table.t()[:added]
        self.ancestor[rows] = ancestor[:added]
        self.count += added
        return added

    def grow(
        self, breeding: Breeding, share: float, generator: torch.Generator, difficulty: Difficulty | None = None
    ) -> int:
        """Add a generation: the valid children of couples drawn from all poses; return how many were added.

        Args:
            breeding: how children are made.
            share: couples as a share of the poses; both children of a couple are candidates.
            generator: of all draws of this generation.
            difficulty: says how hard poses are, from joints [M, 3, J] and ancestors [M]; the harder half is kept.
        """
        pairs = draw_pairs(self.count, share, generator)
        chunks = torch.split(pairs, self.chunk, 1)
        seeds = draw_seeds(len(chunks), generator)
        self.begin_generation()
        self.candidates += pairs.numel()
        first = self.count
        for coordinates, genes, ancestor in in_threads(pairs.device, partial(self._breed, breeding), chunks, seeds):
            self.fit += len(ancestor)
            self.add(coordinates, genes, ancestor)
        if difficulty is not None:
            self._keep_harder(first, difficulty)
        return self.count - first

    def _keep_harder(self, first: int, difficulty: Difficulty) -> None:
        """Keep the half of the youngest generation, from row ``first`` on, that is hardest."""
        rows = slice(first, self.count)
        errors = [
            difficulty(*part)
            for part in zip(*(torch.split(t[rows], _AT_ONCE) for t in (self.joints, self.ancestor)), strict=True)
        ]
        if self.count == first:
            return
        kept = first + active_selection(torch.cat(errors)).nonzero()[:, 0]
        self.count = first + len(kept)
        for table in (self.joints, self.genes, self.ancestor):
            table[first : self.count] = table.index_select(0, kept)

    def _breed(self, breeding: Breeding, pairs: Tensor, seed: int) -> tuple[Tensor, Genes, Tensor]:
        """Return the valid children of couples [2, n]: coordinates [3, J, M], genes and ancestors [M]."""
        generator = torch.Generator(pairs.device).manual_seed(seed)
        parents = pairs.flatten()
        first, second = self.genes.index_select(0, parents).t().contiguous().chunk(2, 1)
        genes, exchanged = breeding.exchange(Genes(first), Genes(second), generator)
        genes = breeding.mutate(genes, exchanged, generator)
        kept = breeding.fit(genes).nonzero()[:, 0]
        if len(kept) < len(parents):
            genes, parents = genes.select(kept), parents.index_select(0, kept)
        ancestor = self.ancestor.index_select(0, parents)
        coordinates = breeding.embody(columns(self.joints.index_select(0, parents)), genes)
        coordinates = breeding.turn(coordinates, self.ground.axes, ancestor, generator)
        vertical = self.ground.vertical.index_select(0, ancestor).t().contiguous()
        coordinates = breeding.place(coordinates, vertical, generator)
        seen = in_front(coordinates)
        if not seen.all():
            seen = seen.nonzero()[:, 0]
            coordinates, genes, ancestor = coordinates[..., seen], genes.select(seen), ancestor[seen]
        return coordinates, genes, ancestor


def couples(n: int, share: float) -> int:
    """Return how many couples there are in a generation of n poses: floor(share n), or one."""
    return max(1, int(share * n))


def draw_pairs(n: int, share: float, generator: torch.Generator) -> Tensor:
    """Return the couples [2, C] of a generation of n poses; no pose is in two of them."""
    count = couples(n, share)
    return torch.randperm(n, generator=generator, device=generator.device)[: 2 * count].view(2, count)


def columns(joints: Tensor) -> Tensor:
    """Return poses [N, 3, J] as coordinates [3, J, N]."""
    table = joints.flatten(1).t().contiguous()
    return table.view(*joints.shape[1:], len(joints))


def genes_of(coordinates: Tensor, limbs: Limbs) -> Genes:
    """Return the genes of poses [3, J, N]."""
    held = measure_limbs(coordinates, limbs)
    return Genes.of(held.directions, held.lengths)
