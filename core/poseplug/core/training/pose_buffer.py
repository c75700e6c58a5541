"""The pose buffer: augmented poses that one phase keeps for another to train the lifter on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.data.batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import Augmentation


class PoseBuffer:
    """Gathers the poses that augmentors accept.

    Nothing waits for the device while poses come in; they are sorted out once, when they are first drawn from.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self._batches: list[PoseBatch] = []
        self._accepted: list[Tensor] = []
        self._open = True

    def add(self, augmentation: Augmentation) -> None:
        """Keep what was accepted of a batch. The first batch after a draw begins a new collection."""
        if not self._open:
            self._batches, self._accepted, self._open = [], [], True
        batch = augmentation.batch
        accepted = augmentation.accepted
        if accepted is None:
            accepted = torch.ones(len(batch), dtype=torch.bool, device=batch.device)
        joints_3d = None if batch.joints_3d is None else batch.joints_3d.detach()
        # Only what a lifter is trained with; labels and scenes would cost memory and are of no use here.
        plain = PoseBatch(self.skeleton, batch.joints_2d.detach(), batch.camera, joints_3d)
        self._batches.append(plain)
        self._accepted.append(accepted)

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch | None:
        """Return n of the kept poses, or None if none was accepted."""
        if self._open:
            self._close()
        if not self._batches:
            return None
        (poses,) = self._batches
        return poses.select(torch.randint(len(poses), (n,), generator=generator, device=poses.device))

    def _close(self) -> None:
        self._open = False
        if self._batches:
            poses = PoseBatch.join(self._batches).select(torch.cat(self._accepted))
            self._batches = [poses] if len(poses) else []
            self._accepted = []

    def tensors(self) -> dict[str, Tensor]:
        """Return everything for a checkpoint, under flat names."""
        if not self._batches:
            return {}
        named = _flat(PoseBatch.join(self._batches))
        if self._open:
            named["accepted"] = torch.cat(self._accepted)
        return named

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Take up what ``tensors`` returned."""
        on_device = {name: tensor.to(device) for name, tensor in tensors.items()}
        accepted = on_device.pop("accepted", None)
        self._batches = [_unflat(on_device, self.skeleton)] if on_device else []
        self._accepted = [] if accepted is None else [accepted]
        self._open = accepted is not None


def _flat(batch: PoseBatch) -> dict[str, Tensor]:
    values: dict[str, Any] = {"joints_2d": batch.joints_2d, "joints_3d": batch.joints_3d}
    values |= {f"camera.{field.name}": getattr(batch.camera, field.name) for field in attrs.fields(Camera)}
    return {name: value for name, value in values.items() if value is not None}


def _unflat(tensors: Mapping[str, Tensor], skeleton: Skeleton) -> PoseBatch:
    camera = Camera(**{name.removeprefix("camera."): t for name, t in tensors.items() if name.startswith("camera.")})
    return PoseBatch(skeleton, tensors["joints_2d"], camera, tensors.get("joints_3d"))
