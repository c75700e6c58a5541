"""Poses about roots: the frame that they are in, chunks, memory that is bounded, and what is counted once."""

import pytest
import torch
from voxel_kit import CONTEXT, standing, true_maps

from poseplug.core.data.step import Step, Stream
from poseplug_virtualpose.l1 import L1
from poseplug_virtualpose.pen import PEN, PENConfig

BATCH = standing([[(-0.8, 0.3), (0.9, -0.4)], [(0.2, 0.6)]])


def pen(**settings):
    torch.manual_seed(0)
    return PEN(PENConfig(**{"nodes": 16, "channels": 2, "kernel": 3, **settings}), CONTEXT)


def lifted(part, maps, batch=BATCH, roots=None):
    return part(
        None,
        maps=maps,
        roots=batch.root if roots is None else roots,
        scene=batch.scene_rows,
        camera=batch.camera,
    )


def test_the_highest_of_each_joints_heat_is_on_its_ray():
    """With heat itself for scores, joints are where their places in the image are, whatever their depth."""
    part = pen(nodes=64, beta=2000.0).eval()
    part.network = torch.nn.Identity()
    joints = lifted(part, true_maps(BATCH)) + BATCH.root[:, None]
    pixels = BATCH.camera.project(joints)
    assert (pixels - BATCH.joints_2d).norm(dim=-1).median() < 10


def test_joints_stay_in_the_cube_about_the_root_along_the_worlds_axes():
    part = pen(size=1.0).eval()
    joints = lifted(part, true_maps(BATCH, 32, 64))
    assert joints.shape == (3, 16, 3)
    world = joints @ BATCH.camera.rotation
    assert (world.abs() <= 0.5 + 1e-5).all()


def test_chunks_change_nothing_in_evaluation():
    maps = true_maps(BATCH, 32, 64)
    part = pen(chunk=8).eval()
    expected = lifted(part, maps)
    torch.testing.assert_close(lifted(pen(chunk=2).eval(), maps), expected)
    alone = BATCH.select(torch.tensor([2]))
    torch.testing.assert_close(lifted(part, maps, alone), expected[2:])


def test_gradients_are_those_of_one_pass_and_nothing_is_counted_twice():
    """Volumes that are computed again in the backward pass leave running statistics as they were."""
    maps = true_maps(BATCH, 32, 64)
    parts = [pen(chunk=1).train(), pen(chunk=1).train()]
    (lifted(parts[0], maps) - BATCH.root_relative).abs().mean().backward()
    one_by_one = [
        lifted(parts[1], maps, BATCH.select(torch.tensor([person]))) for person in range(3)
    ]  # each is one chunk, which is kept
    (torch.cat(one_by_one) - BATCH.root_relative).abs().mean().backward()
    for again, kept in zip(parts[0].parameters(), parts[1].parameters(), strict=True):
        torch.testing.assert_close(again.grad, kept.grad, rtol=1e-4, atol=1e-6)
    for (name, again), kept in zip(parts[0].named_buffers(), parts[1].buffers(), strict=True):
        torch.testing.assert_close(again, kept, msg=name)
    norm = parts[0].network.first.norm
    assert int(norm.num_batches_tracked) == 3
    assert norm.momentum == 0.1


def test_nobody_has_no_joints():
    nobody = BATCH.select(torch.zeros(3, dtype=torch.bool))
    assert lifted(pen(), true_maps(BATCH, 32, 64), nobody).shape == (0, 16, 3)


def test_sides_are_those_that_the_network_halves():
    with pytest.raises(ValueError, match="multiple of 4"):
        PENConfig(nodes=30)


def test_l1_is_the_mean_absolute_error_of_what_is_asked():
    weights = torch.tensor([1.0, 0.0, 2.0])
    off = torch.randn(3, 16, 3, generator=torch.Generator().manual_seed(0))
    streams = (Stream("training", BATCH), Stream("reference", BATCH, weights, 0.5))
    step = Step(
        streams, lambda batch: batch.root_relative + off.repeat(len(batch) // 3, 1, 1), None, torch.Generator(), 0.0
    )
    losses = L1().loss(step)
    torch.testing.assert_close(losses["l1"], off.abs().mean())
    torch.testing.assert_close(losses["counterfactual"], 0.5 * (off.abs() * weights[:, None, None]).mean())


def test_metres_stay_exact_in_bfloat16():
    part = pen().eval()
    part.network = torch.nn.Identity()  # what it says is coarse in bfloat16, where it looks is not
    maps = true_maps(BATCH, 32, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse = lifted(part, maps)
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, lifted(part, maps))
