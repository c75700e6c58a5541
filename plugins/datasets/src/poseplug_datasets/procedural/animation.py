"""From actions to poses: angle curves of clips, and the body that follows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from poseplug.core.geometry.kinematics import forward_kinematics
from poseplug.core.geometry.rotations import euler_to_rotmat, rotvec_to_rotmat
from poseplug.core.geometry.skeleton import Skeleton
from poseplug_datasets.procedural.actions import ANGLES, LIMITS, WANDER, Action, angle_kind
from poseplug_datasets.procedural.anthropometry import ANKLE_HEIGHT

FRAME_RATE = 10.0
_COLUMN = {angle: column for column, angle in enumerate(ANGLES)}
_LIMIT = torch.tensor([LIMITS[angle_kind(angle)] for angle in ANGLES])
_WANDER = torch.tensor([WANDER[angle_kind(angle)] for angle in ANGLES])
# A mirrored clip exchanges the sides and turns roll and yaw round.
_MIRROR = [_COLUMN[{"r_": "l_", "l_": "r_"}.get(angle[:2], angle[:2]) + angle[2:]] for angle in ANGLES]
_MIRROR_SIGN = torch.tensor([-1.0 if angle.endswith(("_roll", "_yaw")) else 1.0 for angle in ANGLES])
# How high the joints that may rest on the ground lie above it, as shares of the stature: ankles as in anthropometry, a
# seated pelvis, kneeling knees, supporting wrists.
_CLEARANCE = {"Foot": ANKLE_HEIGHT, "Hip": 0.06, "Knee": 0.03, "Wrist": 0.02}
# When the thigh is lifted beyond 90 degrees, the knee bends at least this many times the rest: seated people do not
# kick the air.
_FEET_DOWN = 1.8
# Above this elevation of the arm, the shoulder girdle rises by this share of the rest.
_SHRUG_FROM, _SHRUG_SHARE = 50.0, 0.2


class _Uniform(Protocol):
    """Draws from a uniform distribution: bounds, then the shape."""

    def __call__(self, low: float, high: float, *shape: int) -> Tensor: ...


def angle_curves(action: Action, clips: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return joint angles [clips, frames, len(ANGLES)] within LIMITS and headings [clips, frames], degrees.

    Every clip has its own posture, tempo, phases, sizes of movement and handedness.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    seconds = torch.arange(frames) / FRAME_RATE
    rate = uniform(*action.rate, clips, 1, 1)
    cycle = rate * seconds[None, :, None] + uniform(0, 1, clips, 1, 1)
    posture = torch.tensor([action.posture.get(angle, (0.0, 0.0)) for angle in ANGLES])
    # Beyond two standard deviations lie postures nobody takes.
    spread = torch.randn(clips, 1, len(ANGLES), generator=generator).clamp(-2, 2)
    angles = posture[:, 0] + posture[:, 1] * spread + _waves(action, cycle, uniform)
    angles = angles + action.wander * _WANDER * _noise(seconds, clips, len(ANGLES), uniform)
    angles = _within_limits(angles)
    mirrored = uniform(0, 1, clips, 1, 1) < 0.5
    angles = torch.where(mirrored, angles[..., _MIRROR] * _MIRROR_SIGN, angles)
    heading = uniform(0, 360, clips, 1) + action.turning * _noise(seconds, clips, 1, uniform)[..., 0]
    return angles, heading


def _within_limits(angles: Tensor) -> Tensor:
    angles = torch.minimum(torch.maximum(angles, _LIMIT[:, 0]), _LIMIT[:, 1])
    for side in "rl":
        flexion, abduction, knee = (_COLUMN[f"{side}_{name}"] for name in ("hip_flex", "hip_abd", "knee"))
        lifted = torch.hypot(angles[..., flexion], angles[..., abduction])
        angles[..., knee] = torch.maximum(angles[..., knee], _FEET_DOWN * (lifted - 90))
    return angles


def _waves(action: Action, cycle: Tensor, uniform: _Uniform) -> Tensor:
    """Return the sum of an action's movements [clips, frames, angles] at cycle positions [clips, frames, 1]."""
    clips, waves = len(cycle), action.waves
    anywhere = torch.tensor([wave.centre is None for wave in waves])
    centre = torch.tensor([wave.centre or 0.0 for wave in waves]) + anywhere * uniform(0, 1, clips, 1, len(waves))
    sharpness = torch.tensor([wave.sharpness for wave in waves])
    times = torch.tensor([wave.times for wave in waves])
    cosine = (2 * math.pi * (times * cycle - centre)).cos()
    shape = torch.where(sharpness > 0, (sharpness * (cosine - 1)).exp(), cosine)
    size = torch.tensor([wave.size for wave in waves]) * uniform(0.75, 1.25, clips, 1, len(waves))
    columns = torch.tensor([_COLUMN[wave.angle] for wave in waves])
    total = torch.zeros(*cycle.shape[:2], len(ANGLES))
    return total.index_add(2, columns, shape * size)


def _noise(seconds: Tensor, clips: int, channels: int, uniform: _Uniform) -> Tensor:
    """Return smooth noise [clips, frames, channels] of about unit size: three slow sines each."""
    frequency = uniform(0.05, 0.35, clips, 1, channels, 3)
    phase = uniform(0, 2 * math.pi, clips, 1, channels, 3)
    sines = (2 * math.pi * frequency * seconds[None, :, None, None] + phase).sin()
    return sines.sum(-1) * math.sqrt(2 / 3)


def pose(angles: Tensor, heading: Tensor, lengths: Tensor, stature: Tensor, skeleton: Skeleton) -> Tensor:
    """Return world poses [N, J, 3] (metres, y up, the lowest joint on the ground, the root above the origin).

    Args:
        angles: [N, len(ANGLES)] degrees, as ``actions`` defines them.
        heading: [N] degrees; at 0 the person faces +z and has their left at +x.
        lengths: [N, M] bone lengths, metres.
        stature: [N] metres.
        skeleton: h36m16 or h36m17.
    """
    angle = {name: angles[:, column] for name, column in _COLUMN.items()}
    facing = _turn("Y", heading)
    pelvis = _turn("YXZ", angle["pelvis_yaw"], angle["pelvis_pitch"], angle["pelvis_roll"])
    local = _trunk(angle) | _limb(angle, "r", pelvis) | _limb(angle, "l", pelvis)
    if "Neck" in skeleton.joints:
        local["Neck"] = local.pop("Head")
    still = torch.eye(3).expand(len(angles), 3, 3)
    rotations = torch.stack([local.get(skeleton.joints[child], still) for _, child in skeleton.bones], dim=1)
    # The skeleton's rest is in camera axes (y down, z away from the viewer whom the person faces).
    rest = torch.tensor(skeleton.rest_directions) * torch.tensor([1.0, -1.0, -1.0])
    joints = forward_kinematics(
        rotations,
        lengths,
        skeleton,
        root_position=torch.zeros(len(angles), 3),
        root_rotation=facing @ pelvis,
        rest=rest,
    )
    return _on_ground(joints, stature, skeleton)


def _turn(axes: str, *degrees: Tensor) -> Tensor:
    """Return the rotations [N, 3, 3] by angles [N] about the body's own axes, one after the other."""
    return euler_to_rotmat(axes, torch.deg2rad(torch.stack(degrees, dim=-1)))


def _swing(flexion: Tensor, abduction: Tensor, turn: Tensor, side: float) -> Tensor:
    """Return the rotations of a hanging limb: lifted in the plane between forwards and sideways, and turned inwards.

    ``side`` is 1 for the left, -1 for the right.
    """
    lift = torch.stack([-flexion, torch.zeros_like(flexion), side * abduction], dim=-1)
    return rotvec_to_rotmat(torch.deg2rad(lift)) @ _turn("Y", -side * turn)


def _trunk(angle: dict[str, Tensor]) -> dict[str, Tensor]:
    # Both joints of the back share its bending.
    back = _turn("YXZ", angle["spine_yaw"] / 2, angle["spine_pitch"] / 2, angle["spine_roll"] / 2)
    return {
        "Spine": back,
        "Thorax": back,
        "Head": _turn("YXZ", angle["head_yaw"], angle["head_pitch"], angle["head_roll"]),
    }


def _limb(angle: dict[str, Tensor], prefix: str, pelvis: Tensor) -> dict[str, Tensor]:
    """Return the local rotations of one side's leg and arm."""
    name, side = prefix.upper(), 1.0 if prefix == "l" else -1.0
    leg = _swing(angle[f"{prefix}_hip_flex"], angle[f"{prefix}_hip_abd"], angle[f"{prefix}_hip_turn"], side)
    flexion, abduction = angle[f"{prefix}_arm_flex"], angle[f"{prefix}_arm_abd"]
    elevation = torch.hypot(flexion, abduction)
    shrug = side * (angle[f"{prefix}_shrug"] + _SHRUG_SHARE * (elevation - _SHRUG_FROM).clamp(min=0))
    arm = _swing(flexion, abduction, angle[f"{prefix}_arm_turn"], side)
    return {
        name + "Knee": pelvis.mT @ leg,
        name + "Foot": _turn("X", angle[f"{prefix}_knee"]),
        name + "Shoulder": _turn("Z", shrug),
        name + "Elbow": _turn("Z", -shrug) @ arm,
        name + "Wrist": _turn("X", -angle[f"{prefix}_elbow"]),
    }


def _on_ground(joints: Tensor, stature: Tensor, skeleton: Skeleton) -> Tensor:
    """Lift the poses until the first joint of those that may rest on the ground does."""
    resting = [(i, _clearance(joint)) for i, joint in enumerate(skeleton.joints) if _clearance(joint) > 0]
    index, clearance = [i for i, _ in resting], torch.tensor([share for _, share in resting])
    lift = (clearance * stature[:, None] - joints[:, index, 1]).amax(dim=1)
    return joints + torch.stack([torch.zeros_like(lift), lift, torch.zeros_like(lift)], dim=-1)[:, None]


def _clearance(joint: str) -> float:
    return _CLEARANCE.get(joint, _CLEARANCE.get(joint[1:], 0.0))


def clip_labels(actions: Sequence[Action], subjects: int, takes: int, frames: int) -> tuple[Tensor, Tensor]:
    """Return the action and subject numbers [N] of poses that follow action, subject, take and frame in this order."""
    action = torch.arange(len(actions)).repeat_interleave(subjects * takes * frames)
    subject = torch.arange(subjects).repeat_interleave(takes * frames).repeat(len(actions))
    return action, subject
