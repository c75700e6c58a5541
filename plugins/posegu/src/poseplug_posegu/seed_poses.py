"""Seed poses: a few real poses per action, and the angle ranges and body sizes that they give (section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.core.sources.pose_table import PoseTable

_CHUNK = 65536


@attrs.frozen
class SeedPoses:
    """Real poses to generate from, those of one action next to each other.

    Attributes:
        poses: the seed poses.
        actions: [A] class number of each action, as in the reference.
        start, count: [A] where the seed poses of each action begin, and how many there are.
        action, subject: [S] class number of each seed pose.
    """

    poses: PoseBatch
    actions: Tensor
    start: Tensor
    count: Tensor
    action: Tensor
    subject: Tensor


def draw_seed_poses(reference: PoseSource, per_action: int, generator: torch.Generator) -> SeedPoses:
    """Draw up to ``per_action`` poses of every action at random, without repetition.

    A reference without the label "action" counts as one action, one without "subject" as one person. A reference
    without end is represented by a sample.

    Raises:
        PoseplugError: the reference has 2D poses only.
    """
    if not reference.has_3d:
        raise PoseplugError(
            "fk_generator takes its seed poses from 3D poses, and the reference has 2D only; give one with 3D."
        )
    if not isinstance(reference, FiniteSource):
        reference = PoseTable(reference.sample(_CHUNK, generator))
    labels = torch.cat([_label(batch, "action") for batch in reference.batches(_CHUNK)])
    shuffled = torch.randperm(len(labels), generator=generator, device=labels.device)
    by_action = shuffled[labels[shuffled].argsort(stable=True)]
    actions, available = torch.unique(labels, return_counts=True)
    first = available.cumsum(0) - available
    rank = torch.arange(len(labels), device=labels.device) - first.repeat_interleave(available)
    chosen = by_action[rank < per_action]
    poses = _gather(reference.batches(_CHUNK), chosen)
    count = available.clamp_max(per_action)
    return SeedPoses(
        poses=poses,
        actions=actions,
        start=count.cumsum(0) - count,
        count=count,
        action=_label(poses, "action"),
        subject=_label(poses, "subject"),
    )


def _label(batch: PoseBatch, name: str) -> Tensor:
    label = batch.labels.get(name)
    return torch.zeros(len(batch), dtype=torch.int64, device=batch.device) if label is None else label


def _gather(batches: Iterator[PoseBatch], index: Tensor) -> PoseBatch:
    """Return the poses with the given numbers, in that order, holding one chunk at a time."""
    ascending, order = index.sort()
    parts, start = [], 0
    for batch in batches:
        inside = ascending[(ascending >= start) & (ascending < start + len(batch))]
        parts.append(batch.alone().select(inside - start))
        start += len(batch)
    return PoseBatch.join(parts).select(order.argsort())


def upright_frames(camera: Camera) -> Tensor:
    """Return for each camera the rotation [N, 3, 3] from an upright frame (y down, plumb) to the camera's.

    Without extrinsics the camera itself counts as upright.
    """
    if camera.rotation is None:
        return torch.eye(3, device=camera.focal.device).expand(len(camera), 3, 3)
    # The world has y up; turning it by 180 degrees about x makes y point down.
    return camera.rotation * torch.tensor([1.0, -1.0, -1.0], device=camera.rotation.device)


@attrs.frozen
class Ranges:
    """Closed intervals [low, low + span] of K angles for each of A actions, both [A, K], radians."""

    low: Tensor
    span: Tensor


def angle_ranges(angles: Tensor, seeds: SeedPoses) -> Ranges:
    """Return the range of each angle [S, K] over the seed poses of each action.

    A range wider than half a turn may only look wide because it crosses +-180 degrees: it is measured anew around the
    circular mean, and its ends may then lie outside (-pi, pi].
    """
    lows, spans = [], []
    for start, count in zip(seeds.start.tolist(), seeds.count.tolist(), strict=True):
        own = angles[start : start + count]
        mean = torch.atan2(own.sin().mean(0), own.cos().mean(0))
        unwrapped = mean + torch.remainder(own - mean + math.pi, 2 * math.pi) - math.pi
        own = torch.where(own.amax(0) - own.amin(0) > math.pi, unwrapped, own)
        lows.append(own.amin(0))
        spans.append(own.amax(0) - own.amin(0))
    return Ranges(torch.stack(lows), torch.stack(spans))


@attrs.frozen
class Bodies:
    """Body sizes: bone lengths [B, M] in metres, and the subject [B] each belongs to."""

    lengths: Tensor
    subject: Tensor


def body_templates(seeds: SeedPoses, skeleton: Skeleton) -> Bodies:
    """Return one body per subject: the median of its seed poses' bone lengths, left and right averaged."""
    lengths = bone_lengths(seeds.poses.absolute, skeleton)
    ends_at = {child: bone for bone, (_, child) in enumerate(skeleton.bones)}
    # A mirror partner may be the root in an odd skeleton; such a bone is its own partner.
    mirrored = [ends_at.get(skeleton.flip_index[child], bone) for bone, (_, child) in enumerate(skeleton.bones)]
    lengths = (lengths + lengths[:, mirrored]) / 2
    subjects = torch.unique(seeds.subject)
    bodies = [lengths[seeds.subject == subject].quantile(0.5, dim=0) for subject in subjects]
    return Bodies(torch.stack(bodies), subjects)
