"""The fifteen everyday actions of the built-in reference.

Written for right-handed people; half of the clips are mirrored. The names are Human3.6M's, the movements are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from poseplug_datasets.procedural.actions import Action, Wave

Posture = Mapping[str, tuple[float, float]]


def _both(**angles: tuple[float, float]) -> Posture:
    """Give both sides the same mean and deviation."""
    return {f"{side}_{angle}": value for angle, value in angles.items() for side in "rl"}


def _posture(*bases: Posture, **angles: tuple[float, float]) -> Posture:
    """Return the bases, the later over the earlier, and some angles of its own over them."""
    return {angle: value for base in (*bases, angles) for angle, value in base.items()}


def _sway(times: float = 1.0, **sizes: float) -> tuple[Wave, ...]:
    """Swing angles as cosines, each in its own time."""
    return tuple(Wave(angle, size, times=times) for angle, size in sizes.items())


def _bump(centre: float | None, sharpness: float, times: float = 1.0, **sizes: float) -> tuple[Wave, ...]:
    """Move angles there and back, together if the centre is given."""
    return tuple(Wave(angle, size, centre, sharpness, times) for angle, size in sizes.items())


def _gait(stride: float, arms: float, right_arm: float = 1.0) -> tuple[Wave, ...]:
    """Walk: hip and knee after the usual gait curves (heel strike of the right foot at 0), arms against the legs."""
    waves = [Wave("pelvis_yaw", 4, 0), Wave("spine_yaw", -9, 0)]
    waves += [Wave("pelvis_roll", 3, 0.15), Wave("spine_roll", -3, 0.15)]
    for side, start, swing in (("r", 0.0, arms * right_arm), ("l", 0.5, arms)):
        waves += [
            Wave(f"{side}_hip_flex", 21 * stride, start),
            Wave(f"{side}_knee", 14 * stride, start + 0.14, 7),
            Wave(f"{side}_knee", 56 * stride, start + 0.73, 6),
            Wave(f"{side}_arm_flex", -20 * swing, start),
            Wave(f"{side}_elbow", -11 * swing, start),
        ]
    return tuple(waves)


STANDING = _posture(
    _both(hip_flex=(1, 4), hip_abd=(5, 2.5), hip_turn=(-6, 5), knee=(5, 4)),
    _both(arm_flex=(2, 6), arm_abd=(10, 4), arm_turn=(8, 12), elbow=(16, 9)),
    pelvis_pitch=(2, 3),
    spine_pitch=(3, 4),
    head_pitch=(4, 6),
)
_WALKING = _posture(STANDING, _both(hip_flex=(9, 2), hip_abd=(3, 1.5), knee=(4, 2), arm_flex=(0, 5), elbow=(26, 9)))
_SEATED = _posture(
    _both(hip_flex=(86, 6), hip_abd=(10, 5), hip_turn=(0, 6), knee=(86, 12)),
    _both(arm_flex=(24, 10), arm_abd=(10, 5), arm_turn=(22, 12), elbow=(62, 16)),
    pelvis_pitch=(-6, 6),
    spine_pitch=(12, 8),
    head_pitch=(6, 8),
)
_WEIGHT_SHIFT = (*_sway(pelvis_roll=3, spine_roll=-4), *_bump(0.3, 2, l_knee=14, l_hip_flex=8))
_HAND_TO_MOUTH = _bump(0.5, 2.5, r_arm_flex=34, r_arm_turn=22, r_arm_abd=4, r_elbow=84, head_pitch=6)

_DIRECTIONS = Action(
    "Directions",
    _posture(STANDING, r_arm_flex=(58, 18), r_arm_abd=(22, 18), r_elbow=(32, 18), l_elbow=(30, 22)),
    (
        *_sway(r_arm_flex=34, r_arm_abd=30, r_elbow=20, r_arm_turn=15, spine_yaw=14, head_yaw=24),
        *_bump(None, 3, l_arm_flex=60, l_arm_abd=20, l_elbow=25),
        *_WEIGHT_SHIFT,
    ),
    rate=(0.2, 0.4),
    turning=40,
)
_DISCUSSION = Action(
    "Discussion",
    _posture(STANDING, _both(arm_flex=(22, 12), arm_turn=(24, 14), elbow=(74, 22), arm_abd=(14, 7))),
    (
        *_sway(r_arm_flex=20, l_arm_flex=20, r_arm_abd=14, l_arm_abd=14, head_yaw=16),
        *_sway(times=2, r_elbow=26, l_elbow=26, r_arm_turn=22, l_arm_turn=22),
        *_WEIGHT_SHIFT,
    ),
    rate=(0.25, 0.5),
    turning=30,
)
_EATING = Action(
    "Eating",
    _posture(_SEATED, spine_pitch=(16, 6), r_arm_flex=(22, 8), r_arm_turn=(18, 6), r_elbow=(56, 12)),
    (*_HAND_TO_MOUTH, *_sway(l_elbow=16, head_yaw=14, spine_pitch=5)),
    rate=(0.2, 0.35),
)
_GREETING = Action(
    "Greeting",
    _posture(STANDING, r_arm_abd=(18, 6)),
    (
        *_bump(0.5, 1.5, r_arm_abd=68, r_arm_flex=34, r_elbow=74, r_arm_turn=-85),
        *_sway(times=5, r_elbow=16, r_arm_abd=9),
        *_bump(0.05, 6, pelvis_pitch=16, head_pitch=14, l_arm_flex=20),
    ),
    rate=(0.2, 0.35),
    turning=30,
)
_PHONING = Action(
    "Phoning",
    _posture(
        _posture(STANDING, r_arm_flex=(46, 8), r_arm_abd=(34, 8), r_arm_turn=(10, 6), r_elbow=(147, 3)),
        head_roll=(5, 5),
        l_elbow=(45, 35),
        l_arm_turn=(30, 18),
    ),
    (*_sway(head_yaw=20, spine_yaw=10, l_elbow=32), *_bump(None, 3, l_arm_flex=22), *_WEIGHT_SHIFT),
    turning=90,
)
_PHOTO = Action(
    "Photo",
    _posture(STANDING, _both(arm_flex=(62, 10), arm_abd=(14, 6), arm_turn=(34, 6), elbow=(108, 14)), head_pitch=(0, 5)),
    (
        *_bump(0.5, 3, r_knee=46, l_knee=46, r_hip_flex=26, l_hip_flex=26, pelvis_pitch=14),
        *_bump(0, 4, r_arm_flex=-42, l_arm_flex=-42, r_elbow=-40, l_elbow=-40),
        *_sway(spine_yaw=14),
    ),
    turning=60,
)
_POSING = Action(
    "Posing",
    _posture(
        _both(hip_flex=(2, 4), hip_abd=(8, 5), hip_turn=(-8, 10), knee=(6, 5)),
        _both(arm_flex=(8, 24), arm_abd=(44, 24), arm_turn=(28, 30), elbow=(82, 30)),
        _posture(pelvis_roll=(0, 4), spine_roll=(0, 7), spine_yaw=(0, 12), spine_pitch=(0, 6)),
        head_yaw=(0, 18),
        head_pitch=(2, 8),
    ),
    (
        *_sway(r_arm_abd=34, l_arm_abd=34, r_elbow=38, l_elbow=38, r_arm_flex=26, l_arm_flex=26),
        *_sway(r_arm_turn=24, l_arm_turn=24, spine_yaw=12, spine_roll=7),
        *_bump(0.5, 3, r_knee=28, r_hip_flex=17),
    ),
    rate=(0.1, 0.22),
    turning=120,
)
_PURCHASES = Action(
    "Purchases",
    _posture(STANDING, _both(arm_flex=(26, 12), elbow=(52, 18)), head_pitch=(10, 6)),
    (
        # Reach down into a low shelf, and up to a high one.
        *_bump(0.5, 2.5, pelvis_pitch=44, spine_pitch=22, head_pitch=-16, r_arm_flex=58, l_arm_flex=34, r_elbow=-30),
        *_bump(0.5, 2.5, r_knee=52, l_knee=40, r_hip_flex=46, l_hip_flex=38),
        *_bump(0.02, 6, r_arm_flex=96, r_elbow=-20),
        *_sway(spine_yaw=14, l_elbow=24),
    ),
    turning=60,
)
_SITTING = Action(
    "Sitting",
    _SEATED,
    (
        *_sway(spine_pitch=9, spine_yaw=9, head_yaw=20, pelvis_pitch=6, r_elbow=26, l_elbow=20),
        *_bump(None, 2, r_arm_flex=24, l_arm_flex=18),
        *_bump(None, 3, r_knee=-26, l_knee=18),
        *_sway(r_hip_abd=9, l_hip_abd=7),
    ),
    wander=1.4,
)
_SITTING_DOWN = Action(
    "SittingDown",
    _posture(
        _both(hip_flex=(106, 14), hip_abd=(16, 9), hip_turn=(0, 8), knee=(72, 36)),
        _both(arm_flex=(34, 26), arm_abd=(18, 8), arm_turn=(14, 14), elbow=(44, 22)),
        pelvis_pitch=(-8, 8),
        spine_pitch=(26, 8),
        head_pitch=(4, 8),
    ),
    (
        *_sway(spine_pitch=10, spine_yaw=12, r_knee=30, l_knee=30, r_hip_flex=9, l_hip_flex=9),
        *_sway(r_arm_flex=22, l_arm_flex=22, r_elbow=18, l_elbow=18, head_yaw=20),
    ),
    wander=1.4,
)
_SMOKING = Action(
    "Smoking",
    _posture(
        _posture(STANDING, r_arm_flex=(14, 6), r_arm_turn=(16, 6), r_elbow=(50, 8)),
        l_arm_turn=(48, 10),
        l_elbow=(84, 14),
        l_arm_flex=(10, 6),
    ),
    (*_HAND_TO_MOUTH, *_bump(0.8, 4, head_pitch=-12), *_sway(head_yaw=16), *_WEIGHT_SHIFT),
    rate=(0.12, 0.25),
    turning=45,
)
_WAITING = Action(
    "Waiting",
    _posture(STANDING, _both(arm_flex=(16, 8), arm_turn=(40, 20), elbow=(72, 32), arm_abd=(12, 4))),
    (
        *_sway(head_yaw=34, spine_yaw=16, r_hip_abd=6),
        *_bump(None, 5, r_arm_flex=26, r_elbow=34),
        *_bump(0.7, 3, r_knee=22, r_hip_flex=13),
        *_WEIGHT_SHIFT,
    ),
    rate=(0.12, 0.25),
    turning=70,
)
_WALK_DOG = Action(
    "WalkDog",
    _posture(_WALKING, r_arm_flex=(34, 12), r_arm_abd=(16, 6), r_elbow=(26, 10), spine_pitch=(8, 6)),
    (
        *_gait(0.9, 0.8, 0.15),
        *_bump(0.5, 8, times=0.2, pelvis_pitch=22, spine_pitch=18),
        *_bump(None, 3, times=0.3, r_arm_flex=26),
        *_sway(head_pitch=10, spine_yaw=6),
    ),
    rate=(0.7, 1.0),
    turning=90,
)
_WALKING_ALONE = Action("Walking", _WALKING, _gait(1.0, 1.0), rate=(0.8, 1.1), turning=120)
_WALK_TOGETHER = Action(
    "WalkTogether",
    _posture(_WALKING, head_yaw=(-22, 12), l_arm_abd=(14, 5), r_arm_abd=(20, 8), r_elbow=(44, 22)),
    (*_gait(0.85, 0.6, 0.5), *_bump(None, 2, times=0.3, head_yaw=20), *_sway(times=0.3, spine_yaw=-6)),
    rate=(0.7, 0.95),
    turning=100,
)

ACTIONS = (
    *(_DIRECTIONS, _DISCUSSION, _EATING, _GREETING, _PHONING),
    *(_PHOTO, _POSING, _PURCHASES, _SITTING, _SITTING_DOWN),
    *(_SMOKING, _WAITING, _WALK_DOG, _WALKING_ALONE, _WALK_TOGETHER),
)
