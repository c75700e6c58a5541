"""A tiny motion-capture clip, to try the reader on where there is no data."""

from __future__ import annotations

import math

from poseplug.core.geometry.layouts import H36M_16
from poseplug_datasets.mocap.rigs import RIGS

_NAMES = RIGS["bandai"]
_LENGTHS = {"Knee": 44.0, "Foot": 42.0, "Hip": 13.0, "Head": 20.0}
_SWING_DEGREES = 20.0


def example_bvh(frames: int = 12) -> str:
    """Return a BVH of a person who sways, in centimetres, with the joint names of the Bandai Namco motion data."""
    joints = _in_order("Hip")
    motion = ["0 90 0 " + " ".join(_angles(frame, len(joints))) for frame in range(frames)]
    return "\n".join(
        ["HIERARCHY", *_block("Hip", "ROOT"), "MOTION", f"Frames: {frames}", "Frame Time: 0.04", *motion, ""]
    )


def _children(joint: str) -> list[str]:
    return [child for child, parent in zip(H36M_16.joints, H36M_16.parents, strict=True) if parent == joint]


def _in_order(joint: str) -> list[str]:
    return [joint] + [below for child in _children(joint) for below in _in_order(child)]


def _block(joint: str, kind: str) -> list[str]:
    """Return the lines of a joint and of all that hangs from it."""
    length = _LENGTHS.get(joint.lstrip("LR"), 25.0)
    x, y, z = H36M_16.rest.get(joint, (0.0, 0.0, 0.0))
    channels = "Zrotation Xrotation Yrotation"
    inner = [line for child in _children(joint) for line in _block(child, "JOINT")]
    return [
        f"{kind} {_NAMES[joint]}",
        "{",
        # Rest directions have y down and z forward; the file has y up.
        f"OFFSET {x * length:g} {-y * length:g} {-z * length:g}",
        f"CHANNELS 6 Xposition Yposition Zposition {channels}" if kind == "ROOT" else f"CHANNELS 3 {channels}",
        *(inner or ["End Site", "{", "OFFSET 0 0 0", "}"]),
        "}",
    ]


def _angles(frame: int, joints: int) -> list[str]:
    return [f"{_SWING_DEGREES * math.sin(0.5 * frame + channel):.4f}" for channel in range(3 * joints)]
