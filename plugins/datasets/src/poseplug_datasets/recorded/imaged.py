"""People as real cameras filmed them: what the data sets with images share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, FiniteSource
from poseplug.core.settings import setting
from poseplug.core.tensors import TensorRecord
from poseplug_datasets.thinning import ShareSettings
from poseplug_datasets.viewing import LayoutSettings

# Nearer than this is the camera itself, farther than that no person is filmed: a unit mistaken or a file damaged.
NEAREST_M, FARTHEST_M = 0.1, 100.0


@attrs.frozen(kw_only=True)
class ImagedSettings(LayoutSettings):
    """How densely poses are read: the settings that all filmed sources share."""

    stride: int = setting(1, "keep every so many frames of a sequence", minimum=1)


@attrs.frozen(eq=False)
class Views(TensorRecord):
    """N times that a camera saw a pose; tensors on one device.

    Attributes:
        pose: [N] int64, which of the poses.
        camera: [N] int64, which of the cameras.
        labels: class numbers [N], int64.
        joints_2d: [N, J, 2] pixels as they were measured; None where they are the poses' projection.
        scene: [N] int64, numbers 0 to S - 1 in order, equal for people whom a camera saw together; None where that is
            not told.
    """

    pose: Tensor
    camera: Tensor
    labels: Mapping[str, Tensor]
    joints_2d: Tensor | None = None
    scene: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pose)


@attrs.frozen(eq=False)
class Recordings:
    """What a data set holds: poses, cameras, and which of them saw which; tensors on one device.

    Attributes:
        skeleton: the layout of the J joints.
        joints: [P, J, 3] metres; in the world (y up) where the cameras have a place in it, else in the camera frame.
        cameras: C cameras.
        views: which camera saw which pose.
        label_names: for each label the names of its classes.
        left_out: how many people were left out because joints were missing; None where that cannot be.
    """

    skeleton: Skeleton
    joints: Tensor
    cameras: Camera
    views: Views
    label_names: Mapping[str, tuple[str, ...]]
    left_out: int | None = None

    def share(self, settings: ShareSettings, context: BuildContext) -> Recordings:
        """Return the views of the poses that settings keep; of scenes, those with all their people."""
        if self.views.scene is not None:
            return self._share_scenes(self.views.scene, settings, context)
        poses = settings.kept(len(self.joints), context)
        if poses is None:
            return self
        keep = torch.zeros(len(self.joints), dtype=torch.bool)
        keep[poses] = True
        return attrs.evolve(self, views=self.views.select(keep.to(self.joints.device)[self.views.pose]))

    def _share_scenes(self, scene: Tensor, settings: ShareSettings, context: BuildContext) -> Recordings:
        kept = settings.kept(int(scene.max()) + 1 if len(scene) else 0, context)
        if kept is None:
            return self
        views = self.views.select(torch.isin(scene, kept))
        assert views.scene is not None
        views = attrs.evolve(views, scene=torch.unique(views.scene, return_inverse=True)[1])
        return attrs.evolve(self, views=views)

    def to(self, device: torch.device) -> Recordings:
        """Return them on another device."""
        there = self.joints.to(device), self.cameras.to(device), self.views.to(device)
        return Recordings(self.skeleton, *there, self.label_names, self.left_out)


class ImagedPoses(FiniteSource):
    """Poses under the cameras that filmed them; each pose and each camera is kept once.

    ``batches`` gives the views in the order of the recordings.

    Args:
        recordings: what to show.
        path: how messages call it.

    Raises:
        PoseplugError: there is no view.
    """

    def __init__(self, recordings: Recordings, path: str) -> None:
        if not len(recordings.views):
            raise PoseplugError(f"'{path}' holds no poses that can be used; check its split and other filters.")
        self.skeleton = recordings.skeleton
        self.label_names = dict(recordings.label_names)
        self.measured_2d = recordings.views.joints_2d is not None
        self.recordings = recordings

    def __len__(self) -> int:
        return len(self.recordings.views)

    def diagnostics(self) -> dict[str, float]:
        """Return how many people were left out, of a source that leaves any out."""
        left_out = self.recordings.left_out
        return {} if left_out is None else {"left_out": float(left_out)}

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self._seen(torch.randint(len(self), (n,), generator=generator, device=self.recordings.joints.device))

    def batches(self, size: int) -> Iterator[PoseBatch]:
        for start in range(0, len(self), size):
            yield self._seen(slice(start, start + size))

    def _seen(self, index: Tensor | slice) -> PoseBatch:
        views = self.recordings.views.select(index)
        joints, camera = self.recordings.joints[views.pose], self.recordings.cameras.select(views.camera)
        if camera.rotation is not None:
            joints = camera.world_to_camera(joints)
        batch = PoseBatch.seen(self.skeleton, joints, camera, origin=Origin.CAPTURED, labels=views.labels)
        return batch if views.joints_2d is None else attrs.evolve(batch, joints_2d=views.joints_2d)


@attrs.frozen(eq=False)
class Film:
    """One person in one video.

    Attributes:
        joints: [T, J, 3] metres, camera frame.
        camera: focal lengths, principal point, width and height, pixels.
        subject: who it is.
        action: what they do; in every frame, or for each of them.
        joints_2d: [T, J, 2] pixels as they were measured; None where they are the projection.
    """

    joints: NDArray[Any]
    camera: tuple[float, ...]
    subject: str
    action: str | NDArray[Any]
    joints_2d: NDArray[Any] | None = None


def recordings(films: Sequence[Film], skeleton: Skeleton, left_out: int | None = None) -> Recordings:
    """Return films as recordings, on the CPU; all of them have measured 2D joints, or none has."""
    lengths = np.array([len(film.joints) for film in films], int)
    actions = np.concatenate([np.broadcast_to(np.asarray(film.action, str), len(film.joints)) for film in films])
    named = {"action": actions, "subject": np.repeat([film.subject for film in films], lengths)}
    labels, label_names = {}, {}
    for label, names in named.items():
        known, numbers = np.unique(names, return_inverse=True)
        labels[label], label_names[label] = torch.from_numpy(numbers), tuple(map(str, known))
    focal, centre, size = (
        torch.tensor([film.camera[i : i + 2] for film in films], dtype=torch.float32) for i in (0, 2, 4)
    )
    measured = [film.joints_2d.astype(np.float32) for film in films if film.joints_2d is not None]
    views = Views(
        torch.arange(int(lengths.sum())),
        torch.from_numpy(np.repeat(np.arange(len(films)), lengths)),
        labels,
        torch.from_numpy(np.concatenate(measured)) if measured else None,
    )
    joints = torch.from_numpy(np.concatenate([film.joints.astype(np.float32) for film in films]))
    return Recordings(skeleton, joints, Camera(focal, centre, size), views, label_names, left_out)
