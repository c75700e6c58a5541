"""What real maps have and drawn ones lack: peaks beside the place, dim or missing ones, boxes that are a little off.

Jitter and dim peaks are those of VirtualPose's released code; the rest is not in the paper: maps of people who stand
behind others or at the edge of the image lack joints, and boxes of networks are never exact.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.settings import setting
from poseplug.core.tensors import constant
from poseplug_virtualpose.agr.people import People2D, in_turn

# Released code: most peaks are a little too low.
_LOW, _LOW_MEAN, _LOW_DEVIATION = 0.8, 0.9, 0.03
# ... and some much: how often, and what is left of them. By what the names of joints end with, without their side.
_DIM = {"elbow": (0.35, 0.7), "wrist": (0.35, 0.5), "spine": (0.35, 0.7), "head": (0.35, 0.7)}
_DIM_OTHERS = (0.25, 0.7)


@attrs.frozen(kw_only=True)
class NoiseSettings:
    """How much noise there is in maps."""

    jitter: float = setting(0.25, "deviation of a peak along x and y, of its Gaussian's", minimum=0)
    dim_peaks: bool = setting(True, "peaks are lower, as the paper's code makes them: those of elbows and wrists often")
    joint_drop: float = setting(0.05, "share of joints that have no peak", minimum=0, maximum=1)
    covered_drop: float = setting(
        0.25, "share of the joints in the box of a nearer person that have no peak", minimum=0, maximum=1
    )
    person_drop: float = setting(0.02, "share of people who are not in the maps at all", minimum=0, maximum=1)
    box_noise: float = setting(0.03, "deviation of the edges of boxes, of their width and height", minimum=0)


def noisy(
    people: People2D,
    skeleton: Skeleton,
    settings: NoiseSettings,
    generator: torch.Generator,
    *,
    scenes: int,
    most: int,
) -> People2D:
    """Return the people as a network might see them.

    Args:
        people: as they are.
        skeleton: the layout of their joints, whose names say which are dim.
        settings: how much noise there is.
        generator: what is drawn from.
        scenes: how many there are.
        most: people in the fullest of them.
    """
    places, boxes = people.places, people.boxes
    count, joints = people.peak.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=places.device, dtype=places.dtype)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=places.device, dtype=places.dtype)

    moved = places + normal(count, joints, 2) * (settings.jitter * people.sigma)[:, None, None]
    peak = people.peak
    if settings.dim_peaks:
        low = torch.where(uniform(count, joints) < _LOW, _LOW_MEAN + _LOW_DEVIATION * normal(count, joints), 1.0)
        often, left = constant(_dim_joints(skeleton), places.device, places.dtype).unbind(-1)
        peak = peak * (low * torch.where(uniform(count, joints) < often, left, 1.0)).clamp(0, 1)
    lost = (uniform(count, joints) < settings.joint_drop) | (uniform(count, 1) < settings.person_drop)
    if settings.covered_drop and most > 1:
        lost |= covered(people, scenes, most) & (uniform(count, joints) < settings.covered_drop)
    peak = torch.where(lost, 0.0, peak)
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    boxes = boxes + settings.box_noise * sides * normal(count, 4)
    return attrs.evolve(people, places=moved, peak=peak, boxes=boxes)


def covered(people: People2D, scenes: int, most: int) -> Tensor:
    """Return which joints [N, J] lie in the box of somebody nearer in the same scene."""
    others = in_turn(people.scene, scenes, most)[people.scene]
    box, nearness = people.boxes[others], people.nearness[others]
    nearer = (others >= 0) & (nearness > people.nearness[:, None])
    place = people.places[:, None]
    inside = ((place >= box[:, :, None, :2]) & (place <= box[:, :, None, 2:])).all(-1)
    return (inside & nearer[..., None]).any(1)


def _dim_joints(skeleton: Skeleton) -> tuple[tuple[float, float], ...]:
    """Return for each joint how often its peak is dim, and what is left of it then."""
    names = (joint.lower().rstrip("0123456789") for joint in skeleton.joints)
    return tuple(next((dim for kind, dim in _DIM.items() if name.endswith(kind)), _DIM_OTHERS) for name in names)
