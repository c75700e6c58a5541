"""The source ``builtin``: an embedded procedural reference, made on the fly, for runs without any data.

Seven bodies (see ``anthropometry``) perform fifteen everyday actions (see ``repertoire``) under four cameras placed
like Human3.6M's and with its intrinsics. It is synthetic: numbers measured on it compare only with each other.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.geometry.viewpoints import fixed_cameras
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting
from poseplug_datasets.procedural.animation import angle_curves, clip_labels, pose
from poseplug_datasets.procedural.anthropometry import SUBJECTS, TEST_SUBJECTS, bone_lengths, statures
from poseplug_datasets.procedural.repertoire import ACTIONS
from poseplug_datasets.viewing import ViewedPoses, ViewSettings, WorldPoses

# The poses are part of the program: they come from this seed and not from the run's.
_POSE_SEED = 1966

# Human3.6M's intrinsics (cameras 54138969, 55011271, 58860488, 60457274) as the PoseAug code base uses them: focal
# lengths, principal point, image size, k1 k2 k3 p1 p2.
_H36M_INTRINSICS = (
    (
        (1145.0494, 1143.7811),
        (512.5415, 515.4515),
        (1000, 1002),
        (-0.207099, 0.247775, -0.003075, -0.000976, -0.001424),
    ),
    ((1149.6757, 1147.5917), (508.8486, 508.0649), (1000, 1000), (-0.194214, 0.240409, 0.006820, -0.001619, -0.002741)),
    ((1149.1407, 1148.7990), (519.8159, 501.4026), (1000, 1000), (-0.208338, 0.255488, -0.002460, 0.001484, -0.000760)),
    (
        (1145.5114, 1144.7739),
        (514.9682, 501.8820),
        (1000, 1002),
        (-0.198384, 0.218324, -0.008948, -0.000587, -0.001813),
    ),
)


@attrs.frozen(kw_only=True)
class BuiltinSettings(ViewSettings):
    """Which poses are made, and how they are looked at."""

    split: str = setting(
        "train",
        f"which subjects: {' and '.join(TEST_SUBJECTS)} are test, the other five train",
        choices=("train", "test", "all"),
    )
    takes: int = setting(4, "clips of each action and subject", minimum=1)
    frames: int = setting(64, "poses in a clip, a tenth of a second apart", minimum=1)


class Builtin(ViewedPoses):
    """Procedural poses of everyday actions: equal in every run, made in well under a second."""

    Config = BuiltinSettings

    def __init__(self, config: BuiltinSettings, context: BuildContext) -> None:
        poses = world_poses(config.layout(context), config.split, config.takes, config.frames, context.device)
        super().__init__(poses.share(config, context), config, h36m_cameras())


def h36m_cameras() -> Camera:
    """Return the four fixed placements of ``viewpoints`` with Human3.6M's intrinsics and distortion."""
    focal, centre, size, distortion = (torch.tensor(rows) for rows in zip(*_H36M_INTRINSICS, strict=True))
    return attrs.evolve(fixed_cameras(), focal=focal, centre=centre, size=size.float(), distortion=distortion)


def world_poses(skeleton: Skeleton, split: str, takes: int, frames: int, device: torch.device) -> WorldPoses:
    """Return the poses of the subjects of a split, in the order action, subject, take, frame."""
    action, subject = clip_labels(ACTIONS, len(SUBJECTS), takes, frames)
    angles, heading = _all_curves(len(SUBJECTS) * takes, frames)
    tests = torch.tensor([person.name in TEST_SUBJECTS for person in SUBJECTS])
    wanted = {"train": ~tests, "test": tests, "all": torch.ones_like(tests)}[split][subject]
    action, subject, angles, heading = (values[wanted] for values in (action, subject, angles, heading))
    joints = pose(angles, heading, bone_lengths(skeleton)[subject], statures()[subject], skeleton)
    return WorldPoses(
        skeleton,
        joints.to(device),
        {"action": action.to(device), "subject": subject.to(device)},
        {"action": tuple(a.name for a in ACTIONS), "subject": tuple(person.name for person in SUBJECTS)},
    )


def _all_curves(clips: int, frames: int) -> tuple[Tensor, Tensor]:
    """Return the angles [N, A] and headings [N] of all clips of all actions, whatever the split asks for."""
    generator = torch.Generator().manual_seed(_POSE_SEED)
    curves = [angle_curves(action, clips, frames, generator) for action in ACTIONS]
    return torch.cat([angles.flatten(0, 1) for angles, _ in curves]), torch.cat([h.flatten() for _, h in curves])
