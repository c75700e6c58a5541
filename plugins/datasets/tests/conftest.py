"""A little person in BVH, written under any joint names and in any unit, and where real motion capture is."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

# Parent, and place in metres relative to it, of each H36M-17 joint of a person who faces +z with the left at +x.
BODY = {
    "Hip": ("", (0.0, 0.0, 0.0)),
    "RHip": ("Hip", (-0.13, -0.02, 0.0)),
    "RKnee": ("RHip", (0.0, -0.44, 0.0)),
    "RFoot": ("RKnee", (0.0, -0.42, -0.02)),
    "LHip": ("Hip", (0.13, -0.02, 0.0)),
    "LKnee": ("LHip", (0.0, -0.44, 0.0)),
    "LFoot": ("LKnee", (0.0, -0.42, -0.02)),
    "Spine": ("Hip", (0.0, 0.25, 0.0)),
    "Thorax": ("Spine", (0.0, 0.26, -0.01)),
    "Neck": ("Thorax", (0.0, 0.08, 0.03)),
    "Head": ("Neck", (0.0, 0.12, 0.0)),
    "LShoulder": ("Thorax", (0.16, -0.02, 0.0)),
    "LElbow": ("LShoulder", (0.03, -0.28, 0.0)),
    "LWrist": ("LElbow", (0.0, -0.25, 0.02)),
    "RShoulder": ("Thorax", (-0.16, -0.02, 0.0)),
    "RElbow": ("RShoulder", (-0.03, -0.28, 0.0)),
    "RWrist": ("RElbow", (0.0, -0.25, 0.02)),
}
HEIGHT = 0.95


def body_position(joint: str) -> tuple[float, float, float]:
    """Where a joint of the unturned person is, with the root HEIGHT above the origin."""
    parent, (x, y, z) = BODY[joint]
    px, py, pz = body_position(parent) if parent else (0.0, HEIGHT, 0.0)
    return (x + px, y + py, z + pz)


def person_bvh(names: Mapping[str, str], frames: int = 4, unit: float = 0.01, z_up: bool = False) -> str:
    """Return a BVH of the person standing still; joints without a name are left out and bridged.

    The root's z position counts the frames, in tenths of a metre.
    """

    def turned(offset: tuple[float, float, float]) -> str:
        x, y, z = (value / unit for value in offset)
        return f"{x:.9g} {-z:.9g} {y:.9g}" if z_up else f"{x:.9g} {y:.9g} {z:.9g}"

    def nearest(joint: str) -> str:
        parent = BODY[joint][0]
        return parent if not parent or parent in names else nearest(parent)

    def block(joint: str) -> str:
        parent = nearest(joint)
        x, y, z = body_position(joint)
        px, py, pz = body_position(parent) if parent else (x, y, z)
        children = [child for child in BODY if child in names and nearest(child) == joint]
        inner = "".join(block(child) for child in children) or "End Site\n{\nOFFSET 0 0 0\n}\n"
        kind = "JOINT" if parent else "ROOT"
        channels = "3 Zrotation Xrotation Yrotation" if parent else "3 Xposition Yposition Zposition"
        offset = turned((x - px, y - py, z - pz))
        return f"{kind} {names[joint]}\n{{\nOFFSET {offset}\nCHANNELS {channels}\n{inner}}}\n"

    rows = [turned((0.0, HEIGHT, 0.1 * frame)) + " 0" * 3 * (len(names) - 1) for frame in range(frames)]
    return f"HIERARCHY\n{block('Hip')}MOTION\nFrames: {frames}\nFrame Time: 0.04\n" + "\n".join(rows) + "\n"


BANDAI = {
    "Hip": "Hips",
    **{
        f"{s}{joint}": f"{name}_{s}"
        for s in "LR"
        for joint, name in {
            "Hip": "UpperLeg",
            "Knee": "LowerLeg",
            "Foot": "Foot",
            "Shoulder": "UpperArm",
            "Elbow": "LowerArm",
            "Wrist": "Hand",
        }.items()
    },
    "Spine": "Spine",
    "Thorax": "Neck",
    "Head": "Head",
}


@pytest.fixture
def body() -> Callable[[str], tuple[float, float, float]]:
    return body_position


@pytest.fixture
def person() -> Callable[..., str]:
    """Return the text of a person's BVH; Bandai Namco's names by default."""
    return lambda names=BANDAI, **options: person_bvh(names, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write n clips of a person, clip i with i + 1 frames, and return their folder."""

    def write(stems: list[str], **options: object) -> Path:
        where = tmp_path / "capture"
        where.mkdir(exist_ok=True)
        for number, stem in enumerate(stems):
            (where / f"{stem}.bvh").write_text(person_bvh(BANDAI, frames=number + 1, **options))
        return where

    return write


@pytest.fixture(scope="session")
def mocap() -> Path:
    """The folder with the Bandai Namco motion capture (folders lab and wild), or skip."""
    default = Path(__file__).resolve().parents[4] / "shared/data/bandai-namco"
    found = Path(os.environ.get("POSEPLUG_MOCAP", default))
    if not (found / "lab").is_dir():
        pytest.skip(f"no motion capture in {found}; set POSEPLUG_MOCAP to its folder")
    return found
