"""Joint limits that can be worked out by hand, people to ask them about, and a watch for what waits for a GPU."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.kinematics import joints_from_bones
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.geometry.viewpoints import ViewRange
from poseplug_evoskeleton.limited_body import LimitedBody

_KNEES = [(H36M_16.index(f"{side}Hip"), H36M_16.index(f"{side}Knee")) for side in "LR"]


class StraightThighs:
    """Thighs point down the image's y axis to within an angle (of cosine ``least``), whatever the torso does."""

    bones = ()

    def __init__(self, least: float = 0.8) -> None:
        self.least = least

    def _cosines(self, joints: Tensor) -> Tensor:
        thighs = torch.stack([joints[:, knee] - joints[:, hip] for hip, knee in _KNEES], 1)
        return thighs[..., 1] / torch.linalg.vector_norm(thighs, dim=-1)

    def accepts(self, joints: Tensor, skeleton: Skeleton) -> Tensor:
        return self._cosines(joints) >= self.least

    def violation(self, joints: Tensor, skeleton: Skeleton) -> Tensor:
        return (self.least - self._cosines(joints)).clamp_min(0)


def straight_thighs(least: float = 0.8) -> LimitedBody:
    return LimitedBody(StraightThighs(least), H36M_16, 2)


def slowly(batch: PoseBatch, least: float = 0.8) -> list[bool]:
    """Which poses have straight thighs, one by one."""
    fine = []
    for joints in batch.absolute.tolist():
        cosines = []
        for hip, knee in _KNEES:
            thigh = [b - a for a, b in zip(joints[hip], joints[knee], strict=True)]
            cosines.append(thigh[1] / sum(x * x for x in thigh) ** 0.5)
        fine.append(min(cosines) >= least)
    return fine


def people(n: int, seed: int = 0) -> PoseBatch:
    """People who stand loosely, each before a camera of their own."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, H36M_16.num_bones, 3, generator=generator) * 0.4
    directions = torch.nn.functional.normalize(torch.tensor(H36M_16.rest_directions) + noise, dim=-1)
    lengths = 0.15 + 0.3 * torch.rand(n, H36M_16.num_bones, 1, generator=generator)
    joints = joints_from_bones(directions * lengths, torch.zeros(n, 3), H36M_16)
    camera = ViewRange().sample(n, generator)
    labels = {"action": torch.arange(n) % 3}
    return PoseBatch.seen(
        H36M_16, joints + torch.tensor([0.0, 0.0, 5.0]), camera, origin=Origin.CAPTURED, labels=labels
    )


class NoWaiting(TorchDispatchMode):
    """Refuses operations for whose result the host would wait for a GPU."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.overloadpacket.__name__
        waits = name in ("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2")
        waits |= name == "index" and any(i is not None and i.dtype == torch.bool for i in arguments[1])
        assert not waits, f"{name} waits for the device"
        return function(*arguments, **(keywords or {}))


def same(one: PoseBatch, other: PoseBatch) -> bool:
    """Whether two batches are equal to the last bit."""
    pairs = [
        (one.joints_2d, other.joints_2d),
        (one.absolute, other.absolute),
        (one.labels["action"], other.labels["action"]),
    ]
    pairs += [(getattr(one.camera, f.name), getattr(other.camera, f.name)) for f in attrs.fields(type(one.camera))]
    return all((a is None and b is None) or torch.equal(a, b) for a, b in pairs)
