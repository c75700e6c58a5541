"""How predicted depths answer to one 2D joint at a time (the paper's section 5), for any lifter.

A joint is moved along the ray from the root: its root-centred pixels times 1 + delta. What counts as 1 in normalised
coordinates stays that of the unmoved pose, so that a lifter of independent parts answers across parts with exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
import torch
import xarray
from torch import Tensor

from poseplug.core.data.normalise import extents
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.joint_errors import MILLIMETRES
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.lifting_model import LiftingModel
from poseplug_pose2drep.depth_head import DepthHead

Depths = Callable[[PoseBatch], Tensor]
# Factors 0.95 to 1.05, as the paper's text has it, and 0 to 2.
DELTAS = tuple(round(0.01 * step, 2) for step in range(-5, 6))
WIDE = tuple(round(0.05 * step, 2) for step in range(-20, 21))
# The change at which the matrices are taken.
AT = 0.05
# Metric lifters answer in millimetres, lifters of depth alone in the unit of the normalised pose.
METRIC, NORMALISED = "mm", "of the pose's extent"
_CHUNK, _GRADIENT_CHUNK = 4096, 1024
_PARTS = ("right_leg", "left_leg", "torso", "left_arm", "right_arm")


def depths_of(model: LiftingModel) -> tuple[Depths, str]:
    """Return what gives a model's root-relative depths [N, J] of a batch, and their unit.

    The depth of a lifter that predicts nothing else is taken before poses are brought to body size: the size depends on
    all joints at once, and would make every depth answer to every joint.
    """

    def depths(batch: PoseBatch) -> Tensor:
        lifted: Tensor = model.lifter(model.normaliser(batch), **model.inputs.read(model.lifter.reads, batch))
        depth = lifted[..., 2] - lifted[:, model.skeleton.root, None, 2]
        return depth * model.head.sign if isinstance(model.head, DepthHead) else depth * MILLIMETRES

    return depths, NORMALISED if isinstance(model.head, DepthHead) else METRIC


def moved(batch: PoseBatch, joint: int, delta: float) -> PoseBatch:
    """Return the poses with one joint at 1 + delta times its place about the root, and the extent that they had."""
    root = batch.joints_2d[:, batch.skeleton.root]
    pixels = batch.joints_2d.clone()
    pixels[:, joint] = root + (1 + delta) * (pixels[:, joint] - root)
    return attrs.evolve(batch, joints_2d=pixels, extent=extent_of(batch))


def extent_of(batch: PoseBatch) -> Tensor:
    """Return the pixels [N] that count as 1 in normalised coordinates."""
    return extents(batch.joints_2d, batch.skeleton.root) if batch.extent is None else batch.extent


def ordered(skeleton: Skeleton) -> dict[str, list[int]]:
    """Return all joints but the root by part: legs, torso, arms, and what is in none of them."""
    order = [part for part in _PARTS if part in skeleton.parts]
    order += [part for part in skeleton.parts if part not in order]
    groups: dict[str, list[int]] = {}
    left = [joint for joint in range(skeleton.num_joints) if joint != skeleton.root]
    for part in order:
        groups[part] = [j for j in left if skeleton.joints[j] in skeleton.parts[part]]
        left = [j for j in left if j not in groups[part]]
    return {part: joints for part, joints in {**groups, "other": left}.items() if joints}


def study(depths: Depths, batch: PoseBatch, deltas: Sequence[float] = DELTAS) -> xarray.Dataset:
    """Return how depths answer to every joint but the root, moved one at a time.

    Args:
        depths: batch -> root-relative depths [N, J]; poses do not influence each other.
        batch: the poses to move.
        deltas: relative changes; AT is one of them.

    Returns:
        ``signed`` and ``absolute`` (input, delta, output): mean change of depth, and mean of its absolute value;
        ``low`` and ``high``: between them lie four fifths of the changes; ``displacement`` (input, delta): mean length
        of the move, as a share of the pose's extent; ``matrix`` (input, output): ``absolute`` at AT; ``per_move``: the
        same over the displacement; ``jacobian``: mean length of d depth / d (x, y), by extent of the pose. ``input``
        and ``output`` are joint names, by part.
    """
    order = [joint for joints in ordered(batch.skeleton).values() for joint in joints]
    extent = extent_of(batch)
    centred = batch.joints_2d - batch.joints_2d[:, batch.skeleton.root, None]
    length = (centred.norm(dim=-1) / extent[:, None]).mean(0)[order]
    with torch.no_grad():
        still = _chunked(depths, moved(batch, order[0], 0.0))[:, order]
        curves = [[_summary(_chunked(depths, moved(batch, i, d))[:, order] - still) for d in deltas] for i in order]
    table = torch.stack([torch.stack(row) for row in curves]).numpy(force=True)
    names = [batch.skeleton.joints[joint] for joint in order]
    displacement = length.numpy(force=True)[:, None] * np.abs(np.array(deltas))
    axes = ("input", "delta", "output")
    found = xarray.Dataset(
        {name: (axes, table[:, :, k]) for k, name in enumerate(("signed", "absolute", "low", "high"))},
        coords={"input": names, "delta": list(deltas), "output": names},
    )
    found["displacement"] = (("input", "delta"), displacement)
    found["matrix"] = found.absolute.sel(delta=AT, drop=True)
    found["per_move"] = found.matrix / found.displacement.sel(delta=AT, drop=True)
    found["jacobian"] = (("input", "output"), jacobian(depths, batch)[order][:, order].numpy(force=True))
    return found


def _summary(change: Tensor) -> Tensor:
    """Return mean, mean absolute value, first and ninth decile [4, J] of changes [N, J]."""
    deciles = torch.quantile(change, change.new_tensor([0.1, 0.9]), dim=0)
    return torch.stack([change.mean(0), change.abs().mean(0), deciles[0], deciles[1]])


def _chunked(depths: Depths, batch: PoseBatch) -> Tensor:
    # Equal rows in equal places give equal bits, so what a joint does not touch changes by exactly 0.
    return torch.cat([depths(batch.select(slice(i, i + _CHUNK))) for i in range(0, len(batch), _CHUNK)])


def jacobian(depths: Depths, batch: PoseBatch) -> Tensor:
    """Return the mean length [J in, J out] of d depth / d (x, y), with x and y in extents of the unmoved pose."""
    joints = batch.skeleton.num_joints
    total = torch.zeros(joints, joints, device=batch.device)
    for start in range(0, len(batch), _GRADIENT_CHUNK):
        chunk = batch.select(slice(start, start + _GRADIENT_CHUNK))
        extent = extent_of(chunk)
        pixels = chunk.joints_2d.clone().requires_grad_()
        depth = depths(attrs.evolve(chunk, joints_2d=pixels, extent=extent)).sum(0)
        slopes = [torch.autograd.grad(depth[j], pixels, retain_graph=True)[0] for j in range(joints)]
        lengths = [(slope * extent[:, None, None]).norm(dim=-1).sum(0) for slope in slopes]
        total = total + torch.stack(lengths, dim=1)
    return total / len(batch)
