"""Against forward kinematics written out with 4x4 matrices, one joint and one frame at a time."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug_datasets.mocap.bvh_file import Clip, Joint, read_bvh
from poseplug_datasets.mocap.bvh_pose import joint_positions


def product(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(4)) for j in range(4)] for i in range(4)]


def rotation(axis, degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rows = {
        "X": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "Z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }[axis]
    return [[*row, 0] for row in rows] + [[0, 0, 0, 1]]


def slow_positions(clip, frame):
    values = list(clip.motion[frame])
    frames, positions = [], []
    for joint in clip.joints:
        place, turns = list(joint.offset), []
        for channel in joint.channels:
            value = values.pop(0)
            if channel.endswith("position"):
                place["XYZ".index(channel[0])] = value
            else:
                turns.append((channel[0], value))
        matrix = [[1, 0, 0, place[0]], [0, 1, 0, place[1]], [0, 0, 1, place[2]], [0, 0, 0, 1]]
        for axis, degrees in turns:
            matrix = product(matrix, rotation(axis, degrees))
        if joint.parent >= 0:
            matrix = product(frames[joint.parent], matrix)
        frames.append(matrix)
        positions.append([row[3] for row in matrix[:3]])
    assert not values
    return positions


NUMBER = st.floats(-180, 180, width=32)
CHANNEL = st.sampled_from([f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")])


@st.composite
def clips(draw):
    count = draw(st.integers(1, 9))
    joints = tuple(
        Joint(
            str(number),
            draw(st.integers(0, number - 1)) if number else -1,
            draw(st.tuples(NUMBER, NUMBER, NUMBER)),
            tuple(draw(st.lists(CHANNEL, unique=True, max_size=6))),
        )
        for number in range(count)
    )
    channels = sum(len(joint.channels) for joint in joints)
    frames = draw(st.integers(1, 3))
    motion = draw(st.lists(NUMBER, min_size=frames * channels, max_size=frames * channels))
    return Clip(Path("random.bvh"), joints, np.array(motion, dtype=float).reshape(frames, channels), 0.1)


@settings(max_examples=60, deadline=None)
@given(clips())
def test_random_hierarchies(clip):
    expected = torch.tensor([slow_positions(clip, frame) for frame in range(len(clip.motion))], dtype=torch.float64)
    torch.testing.assert_close(joint_positions(clip), expected, rtol=1e-9, atol=1e-8)


def test_stride_keeps_the_first_of_every_so_many_frames():
    joints = (Joint("a", -1, (0, 0, 0), ("Xposition",)),)
    clip = Clip(Path("x.bvh"), joints, np.arange(7.0)[:, None], 0.1)
    assert joint_positions(clip, 3)[:, 0, 0].tolist() == [0, 3, 6]


def test_quarter_turns_in_order():
    # Turned about Z then about the own X: +y goes to -x, and +z, turned about the own X first, to +x.
    joints = (
        Joint("a", -1, (0, 0, 0), ("Zrotation", "Xrotation")),
        Joint("up", 0, (0, 1, 0), ()),
        Joint("out", 0, (0, 0, 1), ()),
    )
    clip = Clip(Path("x.bvh"), joints, np.array([[90.0, 0], [0, 90], [90, 90]]), 0.1)
    expected = [[[-1, 0, 0], [0, 0, 1]], [[0, 0, 1], [0, -1, 0]], [[0, 0, 1], [1, 0, 0]]]
    torch.testing.assert_close(joint_positions(clip)[:, 1:], torch.tensor(expected, dtype=torch.float64))


def test_the_offset_keeps_the_axes_without_a_position():
    joints = (Joint("a", -1, (1, 2, 3), ("Yposition",)),)
    clip = Clip(Path("x.bvh"), joints, np.array([[50.0]]), 0.1)
    assert joint_positions(clip)[0, 0].tolist() == [1, 50, 3]


@pytest.mark.mocap
def test_real_clips(mocap):
    for path in sorted(mocap.glob("*/*.bvh"))[::175]:
        clip = read_bvh(path)
        positions = joint_positions(clip)
        for frame in (0, len(positions) // 2, len(positions) - 1):
            expected = torch.tensor(slow_positions(clip, frame), dtype=torch.float64)
            torch.testing.assert_close(positions[frame], expected, rtol=1e-9, atol=1e-8)
