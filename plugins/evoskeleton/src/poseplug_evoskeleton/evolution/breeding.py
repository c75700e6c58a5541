"""From parents to children: all operators in their order, for many couples at once."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_frames import limb_vectors, place_limbs, torso_frames
from poseplug.core.anatomy.limbs import Limbs
from poseplug_evoskeleton.evolution.crossover import Genes, crossover, draw_subtrees, subtree_table
from poseplug_evoskeleton.evolution.mutation import draw_bones, mutate_local, rotate_globally
from poseplug_evoskeleton.evolution.operator_settings import OperatorSettings
from poseplug_evoskeleton.evolution.placement import draw_heights, place_on_floor
from poseplug_evoskeleton.evolution.selection import Limits, natural_selection


def limits_of(settings: OperatorSettings, device: torch.device) -> JointLimits:
    """Return the joint limits that settings name, on a device."""
    limits = JointLimits.load(Path(settings.limits)) if settings.limits else JointLimits.default()
    return limits.to(device)


@attrs.frozen(eq=False)
class Breeding:
    """How children are made on one device; see ``OperatorSettings``."""

    settings: OperatorSettings
    limbs: Limbs
    limits: Limits
    table: Tensor

    @classmethod
    def of(cls, settings: OperatorSettings, limbs: Limbs, limits: Limits, device: torch.device) -> Breeding:
        """Return it with the table of what may be exchanged."""
        return cls(settings, limbs, limits, subtree_table(limbs, settings.subtrees, device))

    def exchange(self, first: Genes, second: Genes, generator: torch.Generator) -> tuple[Genes, Tensor]:
        """Return the 2 n children of n couples, and which bones [B, 2 n] were exchanged.

        The first n have the torsos of the first parents, the others those of the second.
        """
        exchanged = draw_subtrees(self.table, first.table.shape[1], generator)
        children = [
            crossover(own, other, exchanged, self.settings.lengths) for own, other in ((first, second), (second, first))
        ]
        return Genes(torch.cat([child.table for child in children], 1)), torch.cat([exchanged, exchanged], 1)

    def mutate(self, genes: Genes, exchanged: Tensor, generator: torch.Generator) -> Genes:
        """Return children after local mutation."""
        settings = self.settings
        if settings.mutation == "none":
            return genes
        mutated = draw_bones(exchanged, settings.mutation, settings.mutation_rate, generator)
        return mutate_local(genes, mutated, settings.mutation, settings.mutation_angle, generator)

    def fit(self, genes: Genes) -> Tensor:
        """Return [N] bool: which children are valid."""
        return natural_selection(genes.directions, self.limbs, self.limits, self.settings.selection)

    def embody(self, torsos: Tensor, genes: Genes) -> Tensor:
        """Return poses [3, J, N] with the torsos of poses [3, J, N], and limbs by their genes."""
        vectors = limb_vectors(torso_frames(torsos, self.limbs), genes.directions, genes.lengths, self.limbs)
        return place_limbs(torsos, vectors, self.limbs)

    def turn(self, coordinates: Tensor, axes: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return poses [3, J, N] some of which are turned about an axis of the world.

        Args:
            coordinates: in the camera frame.
            axes: [M, 3, 3] the world's axes in the camera frames of M poses; see ``Ground``.
            rows: [N] numbers of those whose axes are meant.
            generator: of the draws.
        """
        settings = self.settings
        if not settings.turn_rate or not settings.turn_std:
            return coordinates
        turned = torch.rand(len(rows), generator=generator, device=generator.device) < settings.turn_rate
        if coordinates.device.type == "cpu":
            # Few are turned; elsewhere to count them would take longer than to turn them all.
            at = turned.nonzero()[:, 0]
            flat = coordinates.flatten(0, 1)
            few = flat.index_select(1, at).view(*coordinates.shape[:2], len(at))
            rotated = self._turned(few, axes, rows.index_select(0, at), generator)
            return flat.index_copy(1, at, rotated.flatten(0, 1)).view_as(coordinates)
        return torch.where(turned, self._turned(coordinates, axes, rows, generator), coordinates)

    def _turned(self, coordinates: Tensor, axes: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        n, device = len(rows), generator.device
        drawn = torch.randint(3, (n,), generator=generator, device=device)
        angle = torch.randn(n, generator=generator, device=device) * self.settings.turn_angle
        about = axes.flatten(0, 1).index_select(0, 3 * rows + drawn).t()
        return rotate_globally(coordinates, self.limbs.skeleton.root, about, angle.to(coordinates.dtype))

    def place(self, coordinates: Tensor, vertical: Tensor, generator: torch.Generator) -> Tensor:
        """Return poses [3, J, N] put on the floor; see ``place_on_floor``."""
        if not self.settings.floor:
            return coordinates
        return place_on_floor(coordinates, vertical, draw_heights(coordinates.shape[2], generator))
