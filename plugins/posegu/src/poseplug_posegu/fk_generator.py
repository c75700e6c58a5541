"""PoseGU's pose generator: random angles within the ranges of a few seed poses, posed by forward kinematics.

Guan et al., "PoseGU: 3D Human Pose Estimation with Novel Human Pose Generator and Unbiased Learning",
arXiv 2207.03618, section 4.1-4.2, equations 3-7. Written from the paper; its authors published no code. What the paper
leaves open, and how it is decided here, is in the README of this plugin.
"""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import BuildContext, PoseSource
from poseplug.core.settings import setting
from poseplug.core.sources.pose_table import PoseTable
from poseplug_posegu.forward_kinematics import Poser
from poseplug_posegu.inverse_kinematics import inverse_kinematics
from poseplug_posegu.joint_angles import READINGS, Frame, spun
from poseplug_posegu.keyframes import Gaps, KeyFrames, inter_frame_weights
from poseplug_posegu.placement import Sights
from poseplug_posegu.seed_poses import body_templates, draw_seed_poses, upright_frames

# Up to so many poses at once, each comes from a gap between key frames of its own.
_VARIED_POSES = 4096
# Poses worked on at once on a CPU, so that what one operation writes is still in the cache for the next.
_CPU_CHUNK = 16384
_SEED_STREAM = 0x5EED


@attrs.frozen(kw_only=True)
class FKGeneratorConfig:
    """Settings of the generator."""

    reading: str = setting(
        "swing",
        "what the three angles of a bone are: 'swing' keeps eqs. 3-5 (rotations Rx Ry Rz), 'cosine' keeps eq. 6 "
        "(angles between bone and axes)",
        choices=tuple(READINGS),
    )
    seed_poses: int = setting(20, "seed poses per action, drawn at random from the reference", minimum=1)
    inter_frames: int = setting(10, "frames from one key frame to the next (N of eq. 7)", minimum=1)
    key_frames: int = setting(
        1,
        "steps between key frames in a sequence (T). A sequence has one action, body, camera and place, so a large T "
        "makes a batch less varied; the distribution of single poses does not depend on it",
        minimum=1,
    )
    poses: int = setting(
        0, "size of a fixed set made once (the paper's 200000 for 3DPW); 0 generates afresh forever", minimum=0
    )
    rotation: str = setting(
        "sequence",
        "rotation of the whole body: one for each 'sequence', or 'interpolated' between key frames by eq. 7",
        choices=("sequence", "interpolated"),
    )
    tilt: float | None = setting(
        None,
        "pitch and roll of the whole body lie within plus or minus this; if not given, in the range of the action's "
        "seed poses",
        unit="degrees",
        minimum=0,
        maximum=90,
    )
    min_depth: float = setting(0.5, "least depth of a joint in front of the camera", unit="m", above=0)


class FKGenerator(PoseSource):
    """Generates poses by forward kinematics within the angle ranges of a few seed poses per action.

    The rows of a batch come in no temporal order, and up to 4,096 of them come from as many gaps between key frames.
    Larger batches take several frames from each gap, up to all ``inter_frames``. Every pose is wholly in view of the
    camera of one of its action's seed poses: a body that would not be is moved back or sideways by the least that
    brings its bounding box into the image. Cameras keep their extrinsics, and the body is turned about their world's
    vertical.
    """

    Config = FKGeneratorConfig
    needs_reference = True

    def __init__(self, config: FKGeneratorConfig, context: BuildContext) -> None:
        if context.reference is None:
            raise PoseplugError("fk_generator is made from reference poses; name some with --reference.")
        reference, generator = context.reference, context.generator(_SEED_STREAM)
        self.config = config
        self.device = context.device
        self.skeleton = reference.skeleton
        reading = READINGS[config.reading]
        self._poser = Poser(self.skeleton, reading, self.device)

        seeds = draw_seed_poses(reference, config.seed_poses, generator)
        self.label_names = {
            "action": _class_names(reference, "action", seeds.action),
            "subject": _class_names(reference, "subject", seeds.subject),
        }
        self._camera = seeds.poses.camera
        # In float64: a float32 matrix product may be rounded to TF32.
        upright = (seeds.poses.absolute.double() @ upright_frames(self._camera).double()).float()
        self._keys = KeyFrames(
            seeds,
            inverse_kinematics(upright, self.skeleton, reading),
            body_templates(seeds, self.skeleton),
            self._poser.order,
            tilt=None if config.tilt is None else math.radians(config.tilt),
            turning=config.rotation == "interpolated",
        )
        self._sights = Sights.of(seeds.poses)
        self._kept: PoseTable | None = None
        if config.poses:
            self._kept = PoseTable(self._generate(config.poses, generator), dict(self.label_names))

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self._kept.sample(n, generator) if self._kept else self._generate(n, generator)

    def _generate(self, n: int, generator: torch.Generator) -> PoseBatch:
        # Poses of one gap look alike: a training batch draws a gap for each pose, a large set uses gaps to the full.
        frames = min(self.config.inter_frames, math.ceil(n / _VARIED_POSES))
        gaps = self._keys.draw(math.ceil(n / frames), self.config.key_frames, generator)
        count, joints = len(gaps.seed), self.skeleton.num_joints
        weights = inter_frame_weights(frames, count, self.config.inter_frames, generator)
        joints_3d = torch.empty(count * frames, joints, 3, device=self.device)
        joints_2d = torch.empty(count * frames, joints, 2, device=self.device)
        size = count if self.device.type != "cpu" else max(1, _CPU_CHUNK // frames)
        chunks = [slice(start, min(start + size, count)) for start in range(0, count, size)]
        for chunk in chunks:
            rows = slice(chunk.start * frames, chunk.stop * frames)
            self._fill(joints_3d[rows], joints_2d[rows], gaps, chunk, weights[:, chunk])

        # What belongs to a gap belongs to all its frames; rows run over the gaps of a chunk, frame by frame.
        seen = self._camera.select(gaps.seed)
        cameras = [camera for chunk in chunks for camera in [seen.select(chunk)] * frames]
        labels = torch.stack([gaps.action, gaps.subject])
        labels = torch.cat([label for chunk in chunks for label in [labels[:, chunk]] * frames], dim=1)[:, :n]
        return PoseBatch(
            skeleton=self.skeleton,
            joints_2d=joints_2d[:n],
            camera=Camera.join(cameras).select(slice(n)),
            joints_3d=joints_3d[:n],
            labels={"action": labels[0], "subject": labels[1]},
            origin=torch.full((n,), int(Origin.GENERATED), dtype=torch.uint8, device=self.device),
        )

    def _fill(self, joints_3d: Tensor, joints_2d: Tensor, gaps: Gaps, chunk: slice, weights: Tensor) -> None:
        """Pose, place and project the bodies of some gaps: frame by frame of eq. 7, all gaps in each."""
        angles = torch.lerp(gaps.start[:, None, chunk], gaps.end[:, None, chunk], weights)
        shape = angles.shape[1:]
        sights = self._sights.take(gaps.seed[chunk])
        lengths = gaps.lengths[:, None, chunk].expand(-1, *shape).flatten(1)
        frame = _root_frame(sights.upright, angles[-3:])
        posed = self._poser.pose(frame, angles[:-3].view(3, -1, shape.numel()), lengths).view(3, -1, *shape)
        posed += sights.place(posed, self.config.min_depth)[:, None]
        for planes, out in ((posed, joints_3d), (sights.project(posed), joints_2d)):
            torch.stack([plane.flatten(1).t() for plane in planes], dim=-1, out=out)


def _class_names(reference: PoseSource, label: str, classes: Tensor) -> tuple[str, ...]:
    """Return the reference's names of a label's classes; their numbers where it gives no names."""
    return reference.label_names.get(label) or tuple(str(number) for number in range(int(classes.max()) + 1))


def _root_frame(upright: Frame, angles: Tensor) -> Frame:
    """Return the columns [3, 1, F] of U Ry(yaw) Rx(pitch) Rz(roll).

    Args:
        upright: columns [3, G] of U.
        angles: [3, N, G] yaw, pitch and roll, radians.
    """
    (sin_y, sin_x, sin_z), (cos_y, cos_x, cos_z) = angles.sin(), angles.cos()
    x, y, z = (column[:, None] for column in upright)
    z, x = spun(z, x, sin_y, cos_y)
    y, z = spun(y, z, sin_x, cos_x)
    x, y = spun(x, y, sin_z, cos_z)
    return x.flatten(1)[:, None], y.flatten(1)[:, None], z.flatten(1)[:, None]
