"""Limb bones in frames of their own: which way a bone points, whichever way the person does.

Tensors have the poses last: coordinates [3, J, N], bones [3, B, N]. Only then is elementwise arithmetic fast, and
nothing here is a matrix product. B bones are those of ``Limbs.bones``.

The torso has two frames, one at the shoulders and one at the hips, with the axes right, down and forward (of the
person): EvoSkeleton's Algorithm 2. A bone that hangs from the torso is measured in one of them. One that hangs from
another limb bone is measured in that frame turned along with this other bone, by the smallest turn from a direction of
rest; a straight limb points in the direction of rest. Where that turn is not defined, opposite to rest (inwards, up and
backwards at once), no bone comes near. A mirror image changes the sign of the first coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.limbs import Limbs
from poseplug.core.tensors import constant

_GIRDLES = ("shoulders", "hips")
_TINY = 1e-12


@attrs.frozen(eq=False)
class LimbPose:
    """How the limbs of N people are held.

    Attributes:
        frames: [2, 3, 3, N], of shoulders and hips: component, axis (right, down, forward).
        directions: [3, B, N] unit vectors, each in the frame of its bone.
        lengths: [B, N] of the bones, in the unit of the joints.
    """

    frames: Tensor
    directions: Tensor
    lengths: Tensor


def poses_last(joints: Tensor) -> Tensor:
    """Return joints [N, J, 3] as coordinates [3, J, N]."""
    return joints.permute(2, 1, 0).contiguous()


def poses_first(coordinates: Tensor) -> Tensor:
    """Return coordinates [3, J, N] as joints [N, J, 3]."""
    return coordinates.permute(2, 1, 0).contiguous()


def torso_frames(coordinates: Tensor, limbs: Limbs) -> Tensor:
    """Return the frames [2, 3, 3, N] of shoulders and hips; that of a girdle which is not there is the other's."""
    below, above = (_middle(coordinates, joints) for joints in limbs.spine)
    frames = []
    for pair in (limbs.shoulders or limbs.hips, limbs.hips or limbs.shoulders):
        right = _unit(coordinates[:, pair[1]] - coordinates[:, pair[0]])
        down = below - above
        down = _unit(down - right * _dot(down, right))
        frames.append(torch.stack([right, down, torch.linalg.cross(right, down, dim=0)], 1))
    return torch.stack(frames)


def measure_limbs(coordinates: Tensor, limbs: Limbs) -> LimbPose:
    """Return how the limbs of poses [3, J, N] are held."""
    tables = _tables(limbs, coordinates.device)
    vectors = coordinates.index_select(1, tables.ends) - coordinates.index_select(1, tables.starts)
    lengths = torch.linalg.vector_norm(vectors, dim=0)
    units = vectors / lengths.clamp_min(_TINY)
    frames = torso_frames(coordinates, limbs)
    local = torch.cat([_into(frames[g], units[:, part]) for g, part in tables.girdles], 1)
    rest = rest_directions(limbs, local)
    for bones, parents in tables.rounds:
        # Each round takes away the turn of one more bone on the way up from a bone to the torso.
        along = local.index_select(1, parents)
        local = local.index_copy(1, bones, turn(along, rest[:, bones], local.index_select(1, bones)))
    return LimbPose(frames, local, lengths)


def limb_vectors(frames: Tensor, directions: Tensor, lengths: Tensor, limbs: Limbs) -> Tensor:
    """Return the vectors [3, B, N] of limb bones held as ``directions`` on torsos with these frames."""
    tables, rest = _tables(limbs, directions.device), rest_directions(limbs, directions)
    turned = directions
    for bones, parents in reversed(tables.rounds):
        along = directions.index_select(1, parents)
        turned = turned.index_copy(1, bones, turn(rest[:, bones], along, turned.index_select(1, bones)))
    turned = turned * lengths
    return torch.cat([_out_of(frames[g], turned[:, part]) for g, part in tables.girdles], 1)


def place_limbs(coordinates: Tensor, vectors: Tensor, limbs: Limbs) -> Tensor:
    """Return poses [3, J, N] whose torsos are as in ``coordinates`` and whose limb bones are ``vectors`` [3, B, N]."""
    joints = list(coordinates.unbind(1))
    for i, bone in enumerate(limbs.bones):  # parents come first
        joints[bone.end] = joints[bone.start] + vectors[:, i]
    return torch.stack(joints, 1)


def rest_directions(limbs: Limbs, like: Tensor) -> Tensor:
    """Return where each bone points when it is straight on from its parent, [3, B, 1], in the frame of its bone."""
    outwards = {"left": -1.0, "right": 1.0, "": 0.0}
    vectors = [(outwards[bone.side], 1.0, 1.0) for bone in limbs.bones]
    units = [tuple(x / math.hypot(*vector) for x in vector) for vector in vectors]
    rest = constant(tuple(units), like.device, like.dtype)
    return rest.T[..., None]


def to_spherical(directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return azimuth in (-pi, pi] and elevation in [-pi/2, pi/2] of vectors [3, ...], radians (Sec. 3.1)."""
    x, y, z = directions.unbind(0)
    return torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y))


def from_spherical(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Return the unit vectors [3, ...] of azimuths and elevations in radians."""
    level = elevation.cos()
    return torch.stack([azimuth.cos() * level, azimuth.sin() * level, elevation.sin()])


@attrs.frozen(eq=False)
class _Tables:
    """Which joints and bones go with which, on one device.

    Attributes:
        starts, ends: the joints of the B bones.
        girdles: runs of bones that share a frame, each with its number.
        rounds: (bones, those along with which they turn), in the order in which turns are taken away.
    """

    starts: Tensor
    ends: Tensor
    girdles: tuple[tuple[int, slice], ...]
    rounds: tuple[tuple[Tensor, Tensor], ...]


@lru_cache(maxsize=64)
def _tables(limbs: Limbs, device: torch.device) -> _Tables:
    def index(numbers: Iterable[int]) -> Tensor:
        return torch.tensor(list(numbers), dtype=torch.int64, device=device)

    girdles: list[tuple[int, slice]] = []
    for i, bone in enumerate(limbs.bones):
        number = _GIRDLES.index(bone.girdle)
        if girdles and girdles[-1][0] == number:
            girdles[-1] = number, slice(girdles[-1][1].start, i + 1)
        else:
            girdles.append((number, slice(i, i + 1)))
    rounds = []
    # Cached tensors serve training as well, so they must not be inference tensors.
    with torch.inference_mode(False):
        for order in range(1, max(bone.order for bone in limbs.bones)):
            pairs = [(i, _above(limbs, i, order)) for i, bone in enumerate(limbs.bones) if bone.order > order]
            rounds.append((index(i for i, _ in pairs), index(above for _, above in pairs)))
        starts, ends = index(bone.start for bone in limbs.bones), index(bone.end for bone in limbs.bones)
        return _Tables(starts, ends, tuple(girdles), tuple(rounds))


def _above(limbs: Limbs, bone: int, order: int) -> int:
    """Return the bone of an order that a bone hangs from."""
    while limbs.bones[bone].order > order:
        bone = limbs.bones[bone].parent
    return bone


def _middle(coordinates: Tensor, joints: tuple[int, ...]) -> Tensor:
    total = coordinates[:, joints[0]]
    for joint in joints[1:]:
        total = total + coordinates[:, joint]
    return total / len(joints)


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(0)


def _unit(vectors: Tensor) -> Tensor:
    # vector_norm is slow along the first dimension; clamped like this, gradients at zero are finite, too.
    return vectors / _dot(vectors, vectors).clamp_min(_TINY**2).sqrt()


def _into(frame: Tensor, vectors: Tensor) -> Tensor:
    """Return global vectors [3, B, N] in a frame [3, 3, N]."""
    total = frame[0][:, None] * vectors[0]
    for i in (1, 2):
        total = torch.addcmul(total, frame[i][:, None], vectors[i])
    return total


def _out_of(frame: Tensor, vectors: Tensor) -> Tensor:
    """Return vectors [3, B, N] of a frame [3, 3, N] as global ones."""
    total = frame[:, 0, None] * vectors[0]
    for k in (1, 2):
        total = torch.addcmul(total, frame[:, k, None], vectors[k])
    return total


def turn(start: Tensor, stop: Tensor, vectors: Tensor) -> Tensor:
    """Return vectors after the smallest turn that takes ``start`` to ``stop``: two reflections."""
    middle = start + stop
    share = _dot(middle, vectors) / (1 + _dot(start, stop)).clamp_min(_TINY)
    return vectors - middle * share + stop * (2 * _dot(start, vectors))
