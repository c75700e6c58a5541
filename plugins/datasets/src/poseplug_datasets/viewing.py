"""World-space poses seen by cameras: what every three-dimensional data set here shares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16, H36M_LAYOUTS, layout
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.geometry.viewpoints import ViewRange, around_origin, fixed_cameras
from poseplug.core.interfaces import BuildContext, FiniteSource
from poseplug.core.settings import ordered, setting
from poseplug_datasets.thinning import ShareSettings

# The views of `batches` are drawn from this seed and never from the run's, so that every evaluation asks the same.
_VIEW_SEED = 20210
_PI = math.pi


@attrs.frozen(kw_only=True)
class LayoutSettings(ShareSettings):
    """Which of the poses, and their layout, which sources choose by the run's."""

    skeleton: str = setting(
        "auto", "layout of the poses; auto: the run's, or h36m16", choices=("auto", *sorted(H36M_LAYOUTS))
    )

    def layout(self, context: BuildContext) -> Skeleton:
        """Return the layout that ``skeleton`` means in a run; a run on another than Human3.6M's gets h36m16."""
        if self.skeleton != "auto":
            return layout(self.skeleton)
        run = context.skeleton
        return run if run is not None and run in H36M_LAYOUTS.values() else H36M_16


@attrs.frozen(kw_only=True)
class ViewSettings(LayoutSettings):
    """How poses are looked at: the settings that all world-space sources share.

    The person's root is put about 0.4 m (standard deviation, each horizontal axis) from the origin, and the cameras
    look at a point 0.9 m above it.
    """

    cameras: str = setting(
        "h36m", "four fixed cameras like Human3.6M's, or random ones in the ranges below", choices=("h36m", "random")
    )
    azimuth: tuple[float, float] = setting(
        (0.0, 2 * _PI), "range of the direction that random cameras look from", unit="rad", check=ordered
    )
    elevation: tuple[float, float] = setting(
        (-0.17, 0.78),
        "range of the height of random cameras, as the angle above the horizon",
        unit="rad",
        minimum=-1.5,
        maximum=1.5,
        check=ordered,
    )
    distance: tuple[float, float] = setting(
        (2.8, 6.8), "range of the distance of random cameras", unit="m", minimum=2.5, check=ordered
    )
    noise: float = setting(
        0.0, "standard deviation of the Gaussian detector noise added to joints_2d", unit="pixels", minimum=0.0
    )


@attrs.frozen(eq=False)
class WorldPoses:
    """N poses in a world with y up, and what is known of them.

    Attributes:
        skeleton: the layout of the J joints.
        joints: [N, J, 3] metres, on the source's device.
        labels: per-pose class numbers [N], int64.
        label_names: for each label the names of its classes.
    """

    skeleton: Skeleton
    joints: Tensor
    labels: Mapping[str, Tensor]
    label_names: Mapping[str, tuple[str, ...]]

    def share(self, settings: ShareSettings, context: BuildContext) -> WorldPoses:
        """Return the poses that settings keep."""
        rows = settings.kept(len(self.joints), context)
        if rows is None:
            return self
        rows = rows.to(self.joints.device)
        labels = {name: classes[rows] for name, classes in self.labels.items()}
        return attrs.evolve(self, joints=self.joints[rows], labels=labels)


class ViewedPoses(FiniteSource):
    """World-space poses, looked at by fixed or random cameras.

    ``sample`` draws the pose, the place where the person stands and the camera from the generator it is given.
    ``batches`` gives every pose in order: with ``cameras=h36m`` under the first camera, then all of them under the
    second, and so on, hence four times as many; with ``cameras=random`` each under one camera. Where the people stand,
    the random cameras and the noise of ``batches`` are drawn on the CPU from a seed that is part of poseplug, so that
    every run, on any device, is evaluated on equal poses.

    Args:
        poses: what to look at.
        settings: how to look at it.
        fixed: the cameras of ``cameras=h36m``; by default those of the lab-to-wild benchmark, without distortion.
    """

    def __init__(self, poses: WorldPoses, settings: ViewSettings, fixed: Camera | None = None) -> None:
        self.skeleton = poses.skeleton
        self.label_names = dict(poses.label_names)
        self._world = poses.joints
        self._labels = dict(poses.labels)
        self._noise = settings.noise
        self._fixed: Camera | None = None
        if settings.cameras == "h36m":
            self._fixed = (fixed or fixed_cameras()).to(poses.joints.device)
        self._range = ViewRange(settings.azimuth, settings.elevation, settings.distance)

    def __len__(self) -> int:
        return len(self._world) * (1 if self._fixed is None else len(self._fixed))

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        device = self._world.device
        index = torch.randint(len(self._world), (n,), generator=generator, device=device)
        world = around_origin(self._world.index_select(0, index), self.skeleton.root, generator)
        if self._fixed is None:
            camera = self._range.sample(n, generator)
        else:
            camera = self._fixed.select(torch.randint(len(self._fixed), (n,), generator=generator, device=device))
        noise = torch.randn(n, world.shape[1], 2, generator=generator, device=device) if self._noise else None
        return self._seen(world, index, camera, noise)

    def batches(self, size: int) -> Iterator[PoseBatch]:
        world, cameras, noise = self._evaluation
        for start in range(0, len(self), size):
            row = torch.arange(start, min(start + size, len(self)), device=world.device)
            index = row % len(world)
            camera = cameras.select(row if self._fixed is None else row // len(world))
            yield self._seen(world[index], index, camera, None if noise is None else noise[row])

    @cached_property
    def _evaluation(self) -> tuple[Tensor, Camera, Tensor | None]:
        """What ``batches`` shows: people put in place [P, J, 3], the cameras, and the noise of every view."""
        generator = torch.Generator().manual_seed(_VIEW_SEED)
        device = self._world.device
        world = around_origin(self._world.cpu(), self.skeleton.root, generator).to(device)
        cameras = self._fixed or self._range.sample(len(world), generator).to(device)
        noise = None
        if self._noise:
            noise = torch.randn(len(self), world.shape[1], 2, generator=generator).to(device)
        return world, cameras, noise

    def _seen(self, world: Tensor, index: Tensor, camera: Camera, noise: Tensor | None) -> PoseBatch:
        labels = {name: classes.index_select(0, index) for name, classes in self._labels.items()}
        joints = camera.world_to_camera(world)
        batch = PoseBatch.seen(self.skeleton, joints, camera, origin=Origin.CAPTURED, labels=labels)
        if noise is None:
            return batch
        return attrs.evolve(batch, joints_2d=batch.joints_2d + self._noise * noise)
