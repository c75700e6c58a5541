"""PoseBatch: what every component sees of the data."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import TensorRecord, constant


class Origin(enum.IntEnum):
    """Where a pose comes from."""

    CAPTURED = 0
    GENERATED = 1
    AUGMENTED = 2


@attrs.frozen(eq=False)
class PoseBatch(TensorRecord):
    """N people as their cameras see them; every tensor has N rows on one device.

    Attributes:
        skeleton: the layout of the J joints.
        joints_2d: [N, J, 2] pixels.
        camera: the camera of each pose.
        joints_3d: [N, J, 3] absolute position in the camera frame (x right, y down, z forward), metres; None
            where the source has 2D only.
        scene: [N] int64; people with equal numbers stand in the same image. None: every scene has one person.
        labels: per-pose int64 class numbers [N] such as "subject" and "action"; their names are the source's.
        weight: [N] how much each pose counts in the loss; None counts all alike.
        origin: [N] uint8, an Origin each; None where nobody asked.
        extent: [N] pixels, the length that counts as 1 in root-centred normalised coordinates; None: the largest
            coordinate of each pose.
    """

    skeleton: Skeleton
    joints_2d: Tensor
    camera: Camera
    joints_3d: Tensor | None = None
    scene: Tensor | None = None
    labels: Mapping[str, Tensor] = attrs.field(factory=dict)
    weight: Tensor | None = None
    origin: Tensor | None = None
    extent: Tensor | None = None

    @classmethod
    def seen(
        cls,
        skeleton: Skeleton,
        joints_3d: Tensor,
        camera: Camera,
        *,
        origin: Origin | None = None,
        labels: Mapping[str, Tensor] | None = None,
        scene: Tensor | None = None,
    ) -> Self:
        """Return camera-frame poses [N, J, 3] together with their exact projection."""
        flags = None
        if origin is not None:
            flags = torch.full((len(joints_3d),), int(origin), dtype=torch.uint8, device=joints_3d.device)
        return cls(skeleton, camera.project(joints_3d), camera, joints_3d, scene, labels or {}, None, flags)

    def __len__(self) -> int:
        return self.joints_2d.shape[0]

    @property
    def device(self) -> torch.device:
        return self.joints_2d.device

    @property
    def absolute(self) -> Tensor:
        """joints_3d, for a reader that cannot do without; PoseplugError where the source has 2D only."""
        if self.joints_3d is None:
            raise PoseplugError("This step needs 3D joints, and its source gives 2D only; use a source with 3D.")
        return self.joints_3d

    @property
    def root(self) -> Tensor:
        """[N, 3] absolute root position, metres."""
        return self.absolute[:, self.skeleton.root]

    @property
    def root_relative(self) -> Tensor:
        """[N, J, 3] joints with the root moved to the origin, metres."""
        return self.absolute - self.root[:, None]

    def moved(self, joints_3d: Tensor, origin: Origin = Origin.AUGMENTED, camera: Camera | None = None) -> Self:
        """Return the same people in other poses [N, J, 3], projected anew by their own or another camera."""
        camera = camera or self.camera
        flags = torch.full((len(self),), int(origin), dtype=torch.uint8, device=self.device)
        pixels = camera.project(joints_3d)
        return attrs.evolve(self, joints_3d=joints_3d, joints_2d=pixels, camera=camera, origin=flags, extent=None)

    def detached(self) -> Self:
        """Return the same people without gradients; the batch itself where there are none."""
        if not self.joints_2d.requires_grad and (self.joints_3d is None or not self.joints_3d.requires_grad):
            return self
        joints_3d = None if self.joints_3d is None else self.joints_3d.detach()
        return attrs.evolve(self, joints_2d=self.joints_2d.detach(), joints_3d=joints_3d)

    def mirrored(self) -> Self:
        """Return the same people as a left-right mirrored image shows them: sides exchanged, cameras mirrored too."""
        order = list(self.skeleton.flip_index)
        joints_3d = self.joints_3d
        if joints_3d is not None:
            joints_3d = joints_3d[:, order] * constant((-1.0, 1.0, 1.0), self.device)
        pixels = self.camera.mirror_pixels(self.joints_2d[:, order])
        return attrs.evolve(self, joints_2d=pixels, joints_3d=joints_3d, camera=self.camera.mirrored())

    @classmethod
    def join(cls, records: Sequence[Self]) -> Self:
        """Return all poses one after the other; scenes of different batches stay apart.

        Raises:
            PoseplugError: the batches have different skeletons.
        """
        names = {record.skeleton for record in records}
        if len(names) > 1:
            listed = ", ".join(sorted(skeleton.name for skeleton in names))
            raise PoseplugError(f"Cannot join poses of different skeletons ({listed}); load them with one 'skeleton'.")
        if len(records) == 1 or all(record.scene is None for record in records):
            return super().join(records)
        # Numbers of scenes are moved apart on the device, so that nobody waits for their largest.
        apart, offset = [], torch.zeros((), dtype=torch.int64, device=records[0].device)
        for record in records:
            scene = torch.arange(len(record), device=record.device) if record.scene is None else record.scene
            apart.append(attrs.evolve(record, scene=scene + offset))
            if len(record):
                offset = offset + scene.max() + 1
        return super().join(apart)
