"""PoseBatch: what every component sees of the data."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.data.scenes import Scenes, rows_of
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
        scenes: the S scenes that ``scene`` numbers, 0 to S - 1, each person with its scene's camera; for parts that see
            all people of an image at once. None: everybody is seen alone, whatever ``scene`` tells of them.
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
    scenes: Scenes | None = None

    def __attrs_post_init__(self) -> None:
        if self.scene is None and self.scenes is not None:  # whoever parts people need not know of what they shared
            object.__setattr__(self, "scenes", None)

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
    def num_scenes(self) -> int:
        """How many scenes there are; as many as people, where everybody is seen alone."""
        return len(self) if self.scenes is None else len(self.scenes)

    @property
    def scene_rows(self) -> Tensor:
        """[N] int64, the row of each person's scene in ``places``."""
        if self.scenes is None or self.scene is None:
            return torch.arange(len(self), device=self.device)
        return self.scene

    @property
    def people_per_scene(self) -> Tensor:
        """[S] int64, how many people there are in each scene."""
        counts = torch.zeros(self.num_scenes, dtype=torch.int64, device=self.device)
        return counts.index_add_(0, self.scene_rows, torch.ones_like(self.scene_rows))

    @property
    def places(self) -> Scenes:
        """The scenes; where everybody is seen alone, one for each person."""
        return Scenes(self.camera) if self.scenes is None else self.scenes

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

    def alone(self) -> Self:
        """Return the same people, each in an image of their own."""
        return self if self.scene is None else attrs.evolve(self, scene=None, scenes=None)

    def gathered(self) -> Self:
        """Return the people with the scenes that ``scene`` numbers, whose cameras are those of the people in them.

        Scenes are in the order of their numbers, and nobody's order changes. Waits for the device.
        """
        if self.scenes is not None or self.scene is None or not len(self):
            return self
        numbers, rows, counts = torch.unique(self.scene, return_inverse=True, return_counts=True)
        first = torch.full_like(numbers, len(self)).scatter_reduce_(
            0, rows, torch.arange(len(self), device=self.device), "amin"
        )
        scenes = Scenes(self.camera.select(first), most=int(counts.max()))
        return attrs.evolve(self, scene=rows, scenes=scenes)

    def select(self, index: Tensor | slice) -> Self:
        """Return the people that an index tensor, a boolean mask or a slice picks.

        Scenes stay: one may become empty, and none loses its image. Whoever picks people twice says ``alone()`` first.
        """
        people = super().select(index) if self.scenes is None else attrs.evolve(self, scenes=None).select(index)
        return people if self.scenes is None else attrs.evolve(people, scenes=self.scenes)

    def select_scenes(self, index: Tensor) -> Self:
        """Return the scenes of an index tensor [K] with all their people, scene by scene; one may be picked twice.

        How many people these are only the device knows, so this waits for it, unless every scene has as many people
        as the fullest. Where everybody is seen alone, scenes are people.
        """
        scenes = self.scenes
        if scenes is None or self.scene is None:
            return self.select(index)
        full = len(self) == len(scenes) * scenes.most
        rows, scene = rows_of(index, self.people_per_scene, len(index) * scenes.most if full else None)
        people = attrs.evolve(self, scenes=None).select(self.scene.argsort(stable=True)[rows])
        return attrs.evolve(people, scene=scene, scenes=scenes.select(index))

    def under(self, change: Callable[[Camera], Camera]) -> Self:
        """Return the same people, and the scenes that they share, with cameras changed alike; pixels stay."""
        scenes = None if self.scenes is None else attrs.evolve(self.scenes, camera=change(self.scenes.camera))
        return attrs.evolve(self, camera=change(self.camera), scenes=scenes)

    def moved(self, joints_3d: Tensor, origin: Origin = Origin.AUGMENTED, camera: Camera | None = None) -> Self:
        """Return the same people in other poses [N, J, 3], projected anew by their own or another camera.

        Under other cameras everybody is alone; under their own they stay together, and images of them are gone.
        """
        if camera is not None:
            return attrs.evolve(self.alone(), camera=camera).moved(joints_3d, origin)
        flags = torch.full((len(self),), int(origin), dtype=torch.uint8, device=self.device)
        pixels = self.camera.project(joints_3d)
        scenes = None if self.scenes is None else attrs.evolve(self.scenes, image=None)
        moved = attrs.evolve(self, joints_3d=joints_3d, joints_2d=pixels, origin=flags, extent=None)
        return attrs.evolve(moved, scenes=scenes)

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
        scenes = None if self.scenes is None else self.scenes.mirrored()
        return attrs.evolve(self, joints_2d=pixels, joints_3d=joints_3d, camera=self.camera.mirrored(), scenes=scenes)

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
        if any(record.scenes is not None for record in records):
            return cls._join_scenes(records)
        # Numbers of scenes are moved apart on the device, so that nobody waits for their largest.
        apart, offset = [], torch.zeros((), dtype=torch.int64, device=records[0].device)
        for record in records:
            scene = torch.arange(len(record), device=record.device) if record.scene is None else record.scene
            apart.append(attrs.evolve(record, scene=scene + offset))
            if len(record):
                offset = offset + scene.max() + 1
        return super().join(apart)

    @classmethod
    def _join_scenes(cls, records: Sequence[Self]) -> Self:
        """Join batches of which some have scenes; in the others everybody gets one of their own."""
        apart, offset = [], 0
        for record in records:
            apart.append(attrs.evolve(record, scene=record.scene_rows + offset, scenes=record.places))
            offset += record.num_scenes
        return super().join(apart)
