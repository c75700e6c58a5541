"""Random cameras: the plain augmentation that a learned or generated method has to beat to be worth its cost."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.viewpoints import TARGET_HEIGHT, ViewRange, around_origin
from poseplug.core.interfaces import Augmentation, Augmentor, BuildContext
from poseplug.core.settings import setting
from poseplug_baselines.mixing import MIXING, MIXINGS, choose, keep_others

_ANYWHERE = ViewRange()


@attrs.frozen(kw_only=True)
class RigidConfig:
    """Settings of the random cameras; the ranges are those of the lab-to-wild benchmark."""

    share: float = setting(0.5, "probability that a pose is seen from another camera", minimum=0, maximum=1)
    mixing: str = setting("pose", MIXING, choices=MIXINGS)
    azimuth: tuple[float, float] = setting(_ANYWHERE.azimuth, "range of the direction around the person", unit="rad")
    elevation: tuple[float, float] = setting(
        _ANYWHERE.elevation, "range of the angle above the horizon", unit="rad", minimum=-1.5, maximum=1.5
    )
    distance: tuple[float, float] = setting(
        _ANYWHERE.distance, "range of the distance from the person", unit="m", above=0
    )


class Rigid(Augmentor):
    """Sees poses from cameras drawn at random; the poses themselves stay as they are.

    A person is moved to the middle of the ground and seen by their own camera (its focal length, image and distortion)
    from another place. Where cameras have no extrinsics, the image's up is taken to be vertical, with the root at the
    height the cameras look at, and the result has no extrinsics either. Every person is moved on their own, so people
    no longer share a scene.
    """

    Config = RigidConfig

    half_turn: Tensor

    def __init__(self, config: RigidConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.views = ViewRange(config.azimuth, config.elevation, config.distance)
        # Half a turn about the x axis: down becomes up, and forward becomes towards the viewer.
        self.register_buffer("half_turn", torch.tensor([1.0, -1.0, -1.0], device=context.device), persistent=False)

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        changed = choose(len(batch), self.config.share, self.config.mixing, generator)
        world = around_origin(self._upright(batch), batch.skeleton.root, generator)
        view = self.views.sample(len(batch), generator)
        camera = attrs.evolve(batch.camera, rotation=view.rotation, position=view.position)
        joints = camera.world_to_camera(world)
        if batch.camera.rotation is None:
            camera = batch.camera
        return Augmentation(batch=keep_others(batch, batch.moved(joints, Origin.AUGMENTED, camera), changed))

    def _upright(self, batch: PoseBatch) -> Tensor:
        """Return the joints in a world with y up."""
        if batch.camera.rotation is not None:
            return batch.camera.camera_to_world(batch.absolute)
        world = batch.absolute * self.half_turn
        height = world[:, batch.skeleton.root, 1]
        lift = torch.stack([torch.zeros_like(height), TARGET_HEIGHT - height, torch.zeros_like(height)], dim=-1)
        return world + lift[:, None]
