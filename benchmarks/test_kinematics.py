"""Bones, joints and projection at the batch size the papers use, beside PoseAug's own code on a machine of this kind.

Run: pytest benchmarks/test_kinematics.py. PoseAug's figures (batch 1024, 2 threads, median): bone vectors to pose
0.134 ms, pose to bone vectors 0.141 ms, camera projection with distortion 0.333 ms.
"""

from functools import partial

import pytest
import torch

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import bone_vectors, forward_kinematics, joints_from_bones
from poseplug.core.geometry.layouts import H36M_16

BATCH = 1024
AUTHORS_MS = {"bones": 0.1406, "joints": 0.1339, "projection": 0.3328}
LENS = (-0.207, 0.248, -0.003, -0.001, -0.0014)


@pytest.fixture(scope="module")
def joints():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, 16, 3, generator=generator) * 0.5 + torch.tensor([0.0, 0.0, 5.0])


def report(benchmark, work):
    milliseconds = benchmark.stats.stats.median * 1e3
    benchmark.extra_info["M poses/s"] = round(BATCH / milliseconds / 1e3, 2)
    benchmark.extra_info["authors' ms"] = AUTHORS_MS[work]
    benchmark.extra_info["times as fast"] = round(AUTHORS_MS[work] / milliseconds, 2)


def timed(benchmark, function, *arguments):
    """Time as PoseAug's functions were: 30 repeats of 20 calls in a row."""
    return benchmark.pedantic(function, args=arguments, rounds=30, iterations=20, warmup_rounds=3)


def test_bones(benchmark, joints):
    timed(benchmark, bone_vectors, joints, H36M_16)
    report(benchmark, "bones")


def test_joints(benchmark, joints):
    bones, root = bone_vectors(joints, H36M_16), joints[:, 0]
    assert torch.allclose(timed(benchmark, joints_from_bones, bones, root, H36M_16), joints, atol=1e-5)
    report(benchmark, "joints")


@pytest.mark.parametrize("distorted", [False, True])
def test_projection(benchmark, joints, distorted):
    lens = LENS if distorted else None
    camera = Camera.shared(BATCH, (1145.0, 1145.0), (512.0, 515.0), (1000.0, 1002.0), lens)
    timed(benchmark, camera.project, joints)
    report(benchmark, "projection")


def test_general_forward_kinematics(benchmark, joints):
    """Any rotations, with gradients if asked for; PoseAug has no counterpart."""
    turns = torch.eye(3).expand(BATCH, 15, 3, 3).contiguous()
    lengths = torch.ones(BATCH, 15)
    timed(benchmark, partial(forward_kinematics, root_position=joints[:, 0]), turns, lengths, H36M_16)
    benchmark.extra_info["M poses/s"] = round(BATCH / benchmark.stats.stats.median / 1e6, 2)
