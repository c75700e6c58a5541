"""Tiny files in the layouts of licensed data sets, of a person who sways, to try the readers on."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug_datasets.recorded.h36m_cameras import SUBJECTS

_ACTIONS = (
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases"),
    *("Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether"),
)
# Human3.6M's 32 markers, by the joints that they are or are near to.
_MARKERS = (
    "Pelvis RHip RKnee RFoot RToe RToe LHip LKnee LFoot LToe LToe Pelvis Spine Thorax Neck Head LCollar LShoulder "
    "LElbow LWrist LWrist LHand LHand LHand RCollar RShoulder RElbow RWrist RWrist RHand RHand RHand"
)
# Where joints of a standing person are, metres: to the left, forward, up; those of the right are mirrored.
_SIDES = {
    "Hip": (0.13, 0, 0.93),
    "Knee": (0.14, 0.05, 0.5),
    "Foot": (0.14, 0, 0.08),
    "Ankle": (0.14, 0, 0.08),
    "Toe": (0.15, 0.15, 0.03),
    "Collar": (0.05, 0, 1.44),
    "Clavicle": (0.05, 0, 1.44),
    "Shoulder": (0.17, 0, 1.42),
    "Elbow": (0.25, -0.03, 1.15),
    "Wrist": (0.27, 0.1, 0.93),
    "Hand": (0.27, 0.15, 0.86),
}
_MIDDLE = {
    "Pelvis": 0.95,
    "Spine": 1.15,
    "Spine1": 1.08,
    "Spine2": 1.2,
    "Spine3": 1.32,
    "Spine4": 1.4,
    "Thorax": 1.46,
    "Neck": 1.52,
    "Head": 1.66,
    "HeadTop": 1.76,
}
FRAMES = 3


def write_h36m(path: Path) -> None:
    """Write ``data_3d_h36m.npz``: every subject in every action, metres in a world with z up."""
    people = {
        subject: {action: _world(person(_MARKERS.split(), seed)) for seed, action in enumerate(_ACTIONS)}
        for subject in SUBJECTS
    }
    np.savez_compressed(path, positions_3d=np.array(people, dtype=object))


def write_3dhp(path: Path) -> None:
    """Write ``annot_data.mat`` of a test sequence: millimetres in the frame of a camera 4 m away."""
    joints = in_front(person(LAYOUTS["3dhp17"].joints, 1)) * 1000
    with h5py.File(path, "w") as file:
        file["annot2"] = (joints[..., :2] / joints[..., 2:] * 1500 + 1024)[:, None]
        file["annot3"] = file["univ_annot3"] = joints[:, None]
        file["valid_frame"] = np.ones((FRAMES, 1))


def write_pw3d(path: Path) -> None:
    """Write a sequence of one person: metres in a world that is the camera's frame."""
    joints = in_front(person(LAYOUTS["smpl24"].joints, 2))
    found = in_front(person(("Head", *LAYOUTS["openpose18"].joints[1:14], *["Head"] * 4), 2))
    detected = np.concatenate([found[..., :2] / found[..., 2:] * 1900 + (540, 960), np.ones((FRAMES, 18, 1))], -1)
    facts: dict[str, Any] = {
        "sequence": path.stem,
        "jointPositions": [joints.reshape(FRAMES, -1)],
        "poses2d": [detected.swapaxes(1, 2)],
        "campose_valid": [np.ones(FRAMES, int)],
        "cam_poses": np.tile(np.eye(4), (FRAMES, 1, 1)),
        "cam_intrinsics": np.array([[1900.0, 0, 540], [0, 1900.0, 960], [0, 0, 1]]),
    }
    path.write_bytes(pickle.dumps(facts, protocol=2))


def person(joints: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Return [F, J, 3] metres, to the left, forward and up, of a person who stands at the origin and sways."""
    standing = np.array([_place(joint) for joint in joints])
    sway = np.random.default_rng(seed).normal(0, 0.02, (FRAMES, len(_PLACES), 3))
    return standing + sway[:, [_PLACES.index(joint) if joint in _PLACES else 0 for joint in joints]]


_PLACES = [*(side + joint for side in "LR" for joint in _SIDES), *_MIDDLE]


def _place(joint: str) -> tuple[float, float, float]:
    if joint in _MIDDLE:
        return (0.0, 0.0, _MIDDLE[joint])
    left, forward, up = _SIDES[joint[1:]]
    return (left if joint[0] == "L" else -left, forward, up)


def _world(standing: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return a person in a right-handed world: x to their right, y forward, z up."""
    return (standing * (-1, 1, 1)).astype(np.float32)


def in_front(standing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a person as a camera at the height of a metre sees them from 4 m in front: x right, y down."""
    left, forward, up = np.moveaxis(standing, -1, 0)
    return np.stack([left, 1 - up, 4 - forward], axis=-1)
