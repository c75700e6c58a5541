"""Reading BVH files: pytest benchmarks/test_bvh.py. Megabytes a second count all the way to joints in metres."""

import os
from pathlib import Path

import numpy as np
import pytest

from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_datasets.bvh import BVH, BVHSettings
from poseplug_datasets.mocap.bvh_clips import read_clip
from poseplug_datasets.mocap.bvh_file import read_bvh

LAB = Path(os.environ.get("POSEPLUG_MOCAP", Path(__file__).resolve().parents[2] / "shared/data/bandai-namco")) / "lab"
CHAINS = (
    ("RightUpLeg", "RightLeg", "RightFoot"),
    ("LeftUpLeg", "LeftLeg", "LeftFoot"),
    ("Spine", "Spine1", "Neck", "Head"),
    ("LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand"),
    ("RightShoulder", "RightArm", "RightForeArm", "RightHand"),
)
FRAMES = 4000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip of a person with six channels on every joint, as Bandai Namco and others write them."""
    channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    lines = ["HIERARCHY", "ROOT Hips", "{", "OFFSET 0 0 0", channels]
    for chain in CHAINS:
        for joint in chain:
            lines += [f"JOINT {joint}", "{", "OFFSET 0 -40 0", channels]
        lines += ["End Site", "{", "OFFSET 0 0 0", "}", *["}"] * len(chain)]
    joints = 1 + sum(map(len, CHAINS))
    # Positions as the offsets say, rotations at random.
    values = np.random.default_rng(0).normal(0, 40, (FRAMES, joints, 6)).round(6)
    values[:, 1:, :3] = [0, -40, 0]
    path = tmp_path_factory.mktemp("bvh") / "person.bvh"
    with path.open("w") as file:
        file.write("\n".join([*lines, "}", "MOTION", f"Frames: {FRAMES}", "Frame Time: 0.0333333", ""]))
        np.savetxt(file, values.reshape(FRAMES, -1), fmt="%.6f")
    return path


def report(benchmark, size):
    benchmark.extra_info["MB/s"] = round(size / 1e6 / benchmark.stats.stats.median, 1)


def test_parse(benchmark, clip):
    assert len(benchmark(read_bvh, clip).motion) == FRAMES
    report(benchmark, clip.stat().st_size)


def test_parse_and_pose(benchmark, clip):
    joints, _ = benchmark(lambda: read_clip(clip, units="cm"))
    assert joints.shape == (FRAMES, 16, 3)
    report(benchmark, clip.stat().st_size)


@pytest.mark.mocap
@pytest.mark.skipif(not LAB.is_dir(), reason=f"no motion capture in {LAB}; set POSEPLUG_MOCAP")
def test_read_lab(benchmark):
    config = BVHSettings(path=str(LAB), split="all")
    source = benchmark.pedantic(lambda: BVH(config, BuildContext()), rounds=3, warmup_rounds=1)
    assert len(source) == 4 * 27_259
    report(benchmark, sum(file.stat().st_size for file in LAB.glob("*.bvh")))


def test_make_builtin(benchmark):
    source = benchmark.pedantic(lambda: Builtin(BuiltinSettings(), BuildContext()), rounds=5, warmup_rounds=1)
    assert len(source) == 4 * 15 * 5 * 4 * 64
