"""Arranging people into scenes: places, turns and a camera that sees them."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera
from poseplug.core.settings import setting
from poseplug_virtualpose.scenes.cameras import CameraSettings, draw_cameras
from poseplug_virtualpose.scenes.ground import places, turned, upright

# So many arrangements are drawn for each scene, of which the first that will do is taken.
CANDIDATES = 8


@attrs.frozen(kw_only=True)
class ArrangementSettings(CameraSettings):
    """How people stand in a scene."""

    spread: float = setting(
        2.0, "half the side of the square on the ground in which people stand", unit="m", minimum=0, maximum=1000
    )
    spacing: float = setting(0.6, "how far people stand apart at least, root to root", unit="m", minimum=0)
    stand: bool = setting(
        False, "put everybody's lowest joint near the ground; otherwise people are as high as they were in their world"
    )
    nearest: float = setting(
        0.5, "no joint is nearer than this to the plane of the camera", unit="m", minimum=0.1, maximum=100
    )


def arranged(
    people: PoseBatch,
    size: int,
    settings: ArrangementSettings,
    generator: torch.Generator,
    present: Tensor | None = None,
) -> PoseBatch:
    """Return people, ``size`` to a scene one after the other, put side by side before one camera each.

    Everybody is turned about the vertical and put somewhere on the ground. Of ``CANDIDATES`` arrangements that are
    drawn for a scene, places and camera, the first counts in which all joints are in front of the camera, ``nearest``
    or further, and somebody's root is in the image. Where there is none, the one that leaves most room, and its camera
    stands back as far as it must; nobody may be in its image then. Nothing waits for the device.

    Args:
        people: N = S x size, with 3D joints; where the last scene has fewer, N is less.
        size: people in a scene.
        settings: of places and cameras.
        generator: what places, turns and cameras are drawn from.
        present: [N] who there is at all: the others are in nobody's way. None: everybody.
    """
    scenes = -(-len(people) // size)
    rows = torch.arange(scenes * size, device=people.device)
    there = rows < len(people)
    if present is not None:
        there = there & present[rows.clamp_max(len(people) - 1)]
    there = there.view(scenes, size)
    bodies = turned(upright(people, settings.stand), generator)
    bodies = bodies[rows.clamp_max(len(people) - 1)].view(scenes, size, -1, 3)
    with torch.no_grad():
        where, camera = _choose(bodies.detach(), people.skeleton.root, there, settings, generator)
    world = (bodies + where[:, :, None]).flatten(0, 1)[: len(people)]
    scene = rows[: len(people)] // size
    of_people = camera.select(scene)
    joints = of_people.world_to_camera(world)
    return attrs.evolve(
        people,
        joints_3d=joints,
        joints_2d=of_people.project(joints),
        camera=of_people,
        scene=scene,
        scenes=Scenes(camera, most=size),
        extent=None,
    )


def _choose(
    bodies: Tensor, root: int, there: Tensor, settings: ArrangementSettings, generator: torch.Generator
) -> tuple[Tensor, Camera]:
    """Return places [S, P, 3] and cameras, S rows, of bodies [S, P, J, 3] above the origin."""
    scenes, people = there.shape
    drawn = places(scenes * CANDIDATES, people, settings.spread, settings.spacing, generator)
    cameras = draw_cameras(scenes * CANDIDATES, settings, generator)
    assert cameras.rotation is not None
    assert cameras.position is not None
    roots = cameras.world_to_camera(bodies[:, :, root].repeat_interleave(CANDIDATES, dim=0) + drawn)
    seen = inside(cameras.project(roots), cameras) & (roots[..., 2] > 0)
    seen = (seen.view(scenes, CANDIDATES, people) & there[:, None]).any(-1)
    # Depths of all joints: where the root is, and how much nearer than it the nearest joint is.
    forward = cameras.rotation[:, 2].view(scenes, CANDIDATES, 1, 1, 3)
    reach = ((bodies - bodies[:, :, root, None])[:, None] * forward).sum(-1).amin(-1)
    depth = roots[..., 2].view(scenes, CANDIDATES, people) + reach
    room = depth.masked_fill(~there[:, None], torch.inf).amin(-1) - settings.nearest
    good = seen & (room >= 0)
    ahead = torch.arange(CANDIDATES, 0, -1, device=room.device) * good
    pick = torch.where(good.any(1), ahead.argmax(1), room.argmax(1))
    row = torch.arange(scenes, device=room.device)
    chosen = cameras.select(row * CANDIDATES + pick)
    assert chosen.rotation is not None
    assert chosen.position is not None
    back = room[row, pick].clamp_max(0)[:, None] * chosen.rotation[:, 2]
    return drawn.view(scenes, CANDIDATES, people, 3)[row, pick], attrs.evolve(chosen, position=chosen.position + back)


def inside(pixels: Tensor, camera: Camera) -> Tensor:
    """Say which of pixels [N, K, 2] are in the images of N cameras: [N, K]."""
    return ((pixels >= 0) & (pixels < camera.size[:, None])).all(-1)


def root_in_image(people: PoseBatch) -> Tensor:
    """Say whose root is in the image: [N]."""
    root = people.skeleton.root
    return inside(people.joints_2d[:, root, None], people.camera)[:, 0]
