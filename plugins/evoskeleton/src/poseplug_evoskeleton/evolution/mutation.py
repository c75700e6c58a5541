"""Mutation: bones are turned a little against their torso, and bodies against the world (Sec. 3.2, eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.anatomy.limb_frames import from_spherical, to_spherical
from poseplug_evoskeleton.evolution.crossover import Genes

MUTATIONS = ("axes", "angles", "none")


def draw_bones(exchanged: Tensor, mutation: str, rate: float, generator: torch.Generator) -> Tensor:
    """Return which bones of N children are mutated, [B, N] bool.

    Args:
        exchanged: [B, N] bool, the bones that crossover exchanged.
        mutation: "axes", as in the released code: of these bones each with probability ``rate``. "angles", as in the
            paper: one bone of each child, any.
        rate: probability; not read for "angles".
        generator: of the draws.
    """
    if mutation == "axes":
        return (torch.rand(exchanged.shape, generator=generator, device=exchanged.device) < rate) & exchanged
    bones, n = exchanged.shape
    drawn = torch.randint(bones, (n,), generator=generator, device=exchanged.device)
    return torch.arange(bones, device=drawn.device)[:, None] == drawn


def mutate_local(genes: Genes, mutated: Tensor, mutation: str, std: float, generator: torch.Generator) -> Genes:
    """Return genes in which the directions of ``mutated`` bones are turned at random.

    Args:
        genes: of N poses.
        mutated: [B, N] bool.
        mutation: "axes": by an angle about one axis of the frame, drawn among the three. "angles": azimuth and
            elevation have an angle added each (eq. 5).
        std: standard deviation of the angles, radians.
        generator: of the draws.
    """
    if genes.table.device.type == "cpu" and not genes.table.requires_grad:
        # Few bones are mutated; elsewhere to count them would take longer than to turn them all.
        at = mutated.flatten().nonzero()[:, 0]
        table = genes.table.clone()
        flat = table.view(4, -1)[:3]
        flat[:, at] = _noised(flat.index_select(1, at), mutation, std, generator)
        return Genes(table)
    directions = genes.directions
    turned = _noised(directions, mutation, std, generator)
    return Genes.of(torch.where(mutated, turned, directions), genes.lengths)


def _noised(vectors: Tensor, mutation: str, std: float, generator: torch.Generator) -> Tensor:
    """Return vectors [3, ...] turned by angles with standard deviation ``std``."""
    shape = vectors.shape[1:]
    if mutation == "axes":
        axis = torch.randint(3, shape, generator=generator, device=vectors.device)
        return turn_about_axes(vectors, axis, _normal(shape, std, vectors, generator))
    azimuth, elevation = to_spherical(vectors)
    azimuth = azimuth + _normal(shape, std, vectors, generator)
    return from_spherical(azimuth, elevation + _normal(shape, std, vectors, generator))


def _normal(shape: torch.Size, std: float, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=like.device).to(like.dtype) * std


def turn_about_axes(vectors: Tensor, axis: Tensor, angle: Tensor) -> Tensor:
    """Return vectors [3, ...] turned about the first, second or third axis (0, 1, 2) by an angle in radians."""
    x, y, z = vectors.unbind(0)
    about = [axis == i for i in range(3)]
    cos, sin = angle.cos(), angle.sin()
    # The axis' own component stays, and the other two turn in their plane.
    return torch.stack(
        [
            torch.where(about[0], x, x * cos + torch.where(about[1], z, -y) * sin),
            torch.where(about[1], y, y * cos + torch.where(about[2], x, -z) * sin),
            torch.where(about[2], z, z * cos + torch.where(about[0], y, -x) * sin),
        ]
    )


def rotate_globally(coordinates: Tensor, root: int, axes: Tensor, angle: Tensor) -> Tensor:
    """Return poses turned about an axis through their roots.

    Args:
        coordinates: [3, J, N] of joints.
        root: the joint that stays where it is.
        axes: [3, N] unit vectors.
        angle: [N] radians.
    """
    (x, y, z), cos, sin = axes.unbind(0), angle.cos(), angle.sin()
    rest = 1 - cos
    rows = (
        (cos + x * x * rest, x * y * rest - z * sin, x * z * rest + y * sin),
        (x * y * rest + z * sin, cos + y * y * rest, y * z * rest - x * sin),
        (x * z * rest - y * sin, y * z * rest + x * sin, cos + z * z * rest),
    )
    centre = coordinates[:, root, None]
    u, v, w = (coordinates - centre).unbind(0)
    return torch.stack([torch.addcmul(torch.addcmul(u * a, v, b), w, c) for a, b, c in rows]) + centre
