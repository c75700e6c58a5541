"""Poses to check components with: plausible ones, extreme ones, and skeletons that are not human-sized."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import joints_from_bones
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.geometry.viewpoints import FOCAL, IMAGE_SIZE, TARGET_HEIGHT, ViewRange
from poseplug.core.interfaces import PoseSource
from poseplug.core.sources.pose_table import PoseTable

# So many people stand in scenes.
_CROWDS = (3, 0, 1, 2, 0, 2), (1, 2, 0, 1, 4)
LABELS = {"action": ("walk", "reach", "sit", "wave"), "subject": ("ann", "ben", "cat")}

# Five joints without named parts; the root stands in the middle of the order, and a parent follows its child.
STAR = Skeleton(
    name="star",
    joints=("tip", "arm", "base", "left", "right"),
    parents=("arm", "base", "", "base", "base"),
    pairs=(("left", "right"),),
)

# A body of 21 joints with hands, toes and a nose, in an order that ends with the root.
_TIPS = {"LHand": "LWrist", "RHand": "RWrist", "LToe": "LFoot", "RToe": "RFoot", "Nose": "Head"}
BODY_21 = Skeleton(
    name="body21",
    joints=(*_TIPS, *reversed(H36M_16.joints)),
    parents=(*_TIPS.values(), *reversed(H36M_16.parents)),
    pairs=(*H36M_16.pairs, ("LHand", "RHand"), ("LToe", "RToe")),
    parts={name: (*part, *(tip for tip in _TIPS if _TIPS[tip] in part)) for name, part in H36M_16.parts.items()},
    rest={**H36M_16.rest, **dict.fromkeys(("LToe", "RToe", "Nose"), (0.0, 0.0, -1.0))},
    centre=H36M_16.centre,
)


@attrs.frozen
class Occasion:
    """What a component is used on.

    Attributes:
        poses: the poses it is handed first: drawn, real, to lift, ...
        others: those it is handed besides, where it takes two kinds: reference, fake, ...
        generator: for what it draws.
    """

    poses: PoseBatch
    others: PoseBatch
    generator: torch.Generator

    def select(self, rows: Tensor | slice) -> Occasion:
        """Return an occasion with some of the poses, or scenes."""

        def some(batch: PoseBatch) -> PoseBatch:
            return batch.select_scenes(torch.arange(batch.num_scenes, device=batch.device)[rows])

        return attrs.evolve(self, poses=some(self.poses), others=some(self.others))


def ordinary(n: int, device: torch.device, skeleton: Skeleton = H36M_16, seed: int = 0) -> Occasion:
    """Return an occasion with n plausible poses, and n others."""
    poses, others = (plausible_poses(n, skeleton, device, 2 * seed + i) for i in range(2))
    return Occasion(poses, others, torch.Generator(device).manual_seed(seed))


def crowded(device: torch.device, skeleton: Skeleton = H36M_16) -> Occasion:
    """Return an occasion with people who share scenes, of which some are empty."""
    poses, others = (people_in_scenes(sizes, skeleton, device, i) for i, sizes in enumerate(_CROWDS))
    return Occasion(poses, others, torch.Generator(device).manual_seed(0))


def extreme(device: torch.device) -> Occasion:
    """Return an occasion with extreme poses only."""
    poses = extreme_poses(H36M_16, device)
    return Occasion(poses, poses.select(torch.arange(len(poses) - 1, -1, -1, device=device)), torch.Generator(device))


def plausible_poses(n: int, skeleton: Skeleton, device: torch.device, seed: int = 0) -> PoseBatch:
    """Return n people who stand loosely, before cameras with extrinsics; every label has every class."""
    generator = torch.Generator().manual_seed(seed)
    world = _standing(n, skeleton, generator)
    camera = ViewRange().sample(n, generator)
    return _captured(skeleton, camera.world_to_camera(world), camera).to(device)


def people_in_scenes(sizes: Sequence[int], skeleton: Skeleton, device: torch.device, seed: int = 0) -> PoseBatch:
    """Return people who stand loosely in scenes of so many, in any order; a scene may be empty."""
    generator = torch.Generator().manual_seed(seed)
    scene = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    scene = scene[torch.randperm(len(scene), generator=generator)]
    world = _standing(len(scene), skeleton, generator)
    cameras = ViewRange().sample(len(sizes), generator)
    camera = cameras.select(scene)
    people = _captured(skeleton, camera.world_to_camera(world), camera)
    return attrs.evolve(people, scene=scene, scenes=Scenes(cameras, most=max(sizes))).to(device)


def pictured(batch: PoseBatch, canvas: tuple[int, int] = (64, 64)) -> PoseBatch:
    """Return the batch with an image of noise, H x W, for each of its scenes, or people, where they are alone."""
    shape = (batch.num_scenes, 3, *canvas)
    image = torch.randint(256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8).to(batch.device)
    return attrs.evolve(batch, scene=batch.scene_rows, scenes=attrs.evolve(batch.places, image=image))


def pose_table(n: int, skeleton: Skeleton, device: torch.device, seed: int) -> PoseTable:
    """Return a source of n plausible poses."""
    return PoseTable(plausible_poses(n, skeleton, device, seed), dict(LABELS))


def _captured(skeleton: Skeleton, joints: Tensor, camera: Camera) -> PoseBatch:
    labels = {name: torch.arange(len(joints)) % len(classes) for name, classes in LABELS.items()}
    return PoseBatch.seen(skeleton, joints, camera, origin=Origin.CAPTURED, labels=labels)


def _standing(n: int, skeleton: Skeleton, generator: torch.Generator) -> Tensor:
    """Return n poses [N, J, 3] about the origin of a world with y up, metres."""
    world = _bodies(n, skeleton, generator) * torch.tensor([1.0, -1.0, -1.0])
    place = torch.randn(n, 3, generator=generator).clamp(-2, 2) * 0.3
    place[:, 1] = TARGET_HEIGHT
    return world + place[:, None]


def _bodies(n: int, skeleton: Skeleton, generator: torch.Generator) -> Tensor:
    """Return n poses [N, J, 3] about the rest pose in camera axes (y down), the root at the origin, metres."""
    noise = torch.randn(n, skeleton.num_bones, 3, generator=generator) * 0.4
    directions = functional.normalize(torch.tensor(skeleton.rest_directions) + noise, dim=-1)
    lengths = 0.15 + 0.25 * torch.rand(n, skeleton.num_bones, 1, generator=generator)
    return joints_from_bones(directions * lengths, torch.zeros(n, 3), skeleton)


def extreme_poses(skeleton: Skeleton, device: torch.device) -> PoseBatch:
    """Return one pose of each extreme kind that is legal: every joint is finite and in front of its camera.

    Near and far, at the corners of the image, upside down, in tiny and huge and in wide and tall images, two joints in
    one place, all joints in one place.
    """
    depths = [1.2, 100.0, *[5.0] * 12]
    bodies = _bodies(len(depths), skeleton, torch.Generator().manual_seed(7))
    bodies = bodies / bodies.norm(dim=-1).amax(1)[:, None, None]
    bodies[6] *= -1
    parent, child = skeleton.bones[0]
    bodies[11, child] = bodies[11, parent]
    bodies[12] = 0
    sizes = [(IMAGE_SIZE, IMAGE_SIZE)] * len(depths)
    sizes[7:11] = [(32, 24), (16384, 8192), (1920, 80), (80, 1920)]
    size = torch.tensor(sizes, dtype=torch.float32)
    focal = size.amax(-1, keepdim=True).expand(-1, 2) * (FOCAL / IMAGE_SIZE)
    plane = torch.zeros(len(depths), 2)
    plane[2:6] = (torch.tensor([(0, 0), (1, 0), (0, 1), (1, 1)]) - 0.5) * size[2:6] / focal[2:6]
    depth = torch.tensor(depths)[:, None]
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(len(depths), 3, 3)
    camera = Camera(focal, size / 2, size, rotation=upright, position=torch.zeros(len(depths), 3))
    return _captured(skeleton, bodies + torch.cat([plane * depth, depth], dim=-1)[:, None], camera).to(device)


class WithoutEnd(PoseSource):
    """A table's poses without end, as the training poses of a run are to those who fit themselves to them."""

    def __init__(self, table: PoseTable) -> None:
        self.table = table
        self.skeleton, self.has_3d, self.label_names = table.skeleton, table.has_3d, table.label_names
        self.has_images = table.has_images

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self.table.sample(n, generator)
