"""The pose buffer: augmented poses that one phase keeps for another to train the lifter on."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
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
        poses, accepted = augmentation.batch.detached(), augmentation.accepted
        if accepted is None:
            accepted = torch.ones(len(poses), dtype=torch.bool, device=poses.device)
        # Only what a lifter is trained with; labels and scenes would cost memory and are of no use here.
        self._batches.append(PoseBatch(self.skeleton, poses.joints_2d, poses.camera, poses.joints_3d))
        self._accepted.append(accepted)

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch | None:
        """Return n of the kept poses, or None if none was accepted."""
        if self._open and self._batches:
            poses = PoseBatch.join(self._batches).select(torch.cat(self._accepted))
            self._batches, self._accepted = [poses] if len(poses) else [], []
        self._open = False
        if not self._batches:
            return None
        (poses,) = self._batches
        return poses.select(torch.randint(len(poses), (n,), generator=generator, device=poses.device))

    def tensors(self) -> dict[str, Tensor]:
        """Return everything for a checkpoint, under flat names."""
        if not self._batches:
            return {}
        poses = PoseBatch.join(self._batches)
        named = {f"camera.{field.name}": getattr(poses.camera, field.name) for field in attrs.fields(Camera)}
        named |= {"joints_2d": poses.joints_2d, "joints_3d": poses.joints_3d}
        if self._open:
            named["accepted"] = torch.cat(self._accepted)
        return {name: value for name, value in named.items() if value is not None}

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Take up what ``tensors`` returned."""
        kept = {name: tensor.to(device) for name, tensor in tensors.items()}
        self._open = "accepted" in kept
        self._accepted = [kept.pop("accepted")] if self._open else []
        self._batches = []
        if kept:
            camera = {name.removeprefix("camera."): t for name, t in kept.items() if name.startswith("camera.")}
            self._batches = [PoseBatch(self.skeleton, kept["joints_2d"], Camera(**camera), kept.get("joints_3d"))]
