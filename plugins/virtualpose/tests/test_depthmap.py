"""Depth maps: what is seen, read and compared where; people given and people found."""

import attrs
import pytest
import torch
from voxel_kit import CONTEXT, ROOT, standing, true_maps

from poseplug.core.data.found import match
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug_virtualpose.residual import BasicBlock, Deconvs
from poseplug_virtualpose.roots.depth_network import (
    DepthNetwork,
    depth_error,
    depth_joints,
    in_picture,
    read_depth,
)
from poseplug_virtualpose.roots.depthmap import DepthMap, DepthMapConfig

PLACES = [[(-0.8, 0.3), (0.9, -0.4)], [(0.2, 0.6)]]


def estimator(*, search=False, **settings):
    torch.manual_seed(0)
    return DepthMap(DepthMapConfig(search=search, channels=2, **settings), CONTEXT)


def inputs(batch, maps):
    return {
        "maps": maps,
        "scene": batch.scene_rows,
        "scenes": batch.places,
        "joints_2d": batch.joints_2d,
        "camera": batch.camera,
    }


def truly_deep(batch, maps):
    """Return the depth maps of a network that knows: everywhere nearest to a person's root, the depth of it."""
    cells = maps.letterbox.place(batch.joints_2d[:, ROOT : ROOT + 1], batch.scene_rows)[:, 0]
    y, x = torch.meshgrid(torch.arange(maps.height) + 0.5, torch.arange(maps.width) + 0.5, indexing="ij")
    depth = torch.zeros(len(batch.places), maps.height, maps.width)
    for scene in range(len(depth)):
        of = (batch.scene_rows == scene).nonzero()[:, 0]
        apart = torch.stack([(x - cells[i, 0]) ** 2 + (y - cells[i, 1]) ** 2 for i in of])
        depth[scene] = batch.root[of, 2][apart.argmin(0)]
    return depth


def test_nine_joints_are_seen_where_a_skeleton_has_them():
    seen = {name: [LAYOUTS[name].joints[i] for i in depth_joints(LAYOUTS[name])] for name in ("h36m17", "3dhp17")}
    sides = ["LHip", "LKnee", "LShoulder", "RHip", "RKnee", "RShoulder"]
    assert sorted(seen["h36m17"]) == sorted(["Hip", "Thorax", "Head", *sides])
    assert sorted(seen["3dhp17"]) == sorted(["Pelvis", "Neck", "HeadTop", *sides])
    assert len(depth_joints(LAYOUTS["panoptic15"])) == 9


def test_the_network_is_a_resnet_18_with_three_deconvolutions():
    network = DepthNetwork(range(9))
    convolutions = 9 * 64 * 49
    for inputs_, outputs in ((64, 64), (64, 128), (128, 256), (256, 512)):
        convolutions += 9 * (inputs_ * outputs + 3 * outputs**2) + (inputs_ * outputs if inputs_ != outputs else 0)
    convolutions += 16 * (512 * 256 + 2 * 256**2) + (9 * 256 * 256 + 256) + (256 + 1)
    norms = 2 * (64 + sum(4 * c for c in (64, 128, 256, 512)) + 128 + 256 + 512 + 3 * 256)
    assert sum(p.numel() for p in network.parameters()) == convolutions + norms


def test_depth_is_in_metres_for_any_focal_length():
    """Network's unit times the focal length that an image of four times the cells has, in millimetres."""
    batch = standing(PLACES)
    maps = true_maps(batch, 32, 64)
    network = DepthNetwork(depth_joints(batch.skeleton), 2).eval()
    once = network(maps)
    torch.testing.assert_close(network(attrs.evolve(maps, focal=maps.focal * 2)), once * 2)
    assert once.shape == (2, 32, 64)
    with torch.no_grad():
        network.net[-1][-1].weight.zero_()
        network.net[-1][-1].bias.fill_(7.5)
    # An image of 960 pixels, millimetres: 7.5 d/f.
    torch.testing.assert_close(network(maps)[0, 0, 0], 7.5 * maps.focal[0] * (960 / 64) / 1000)


def test_the_flip_undoes_itself():
    """A network that sees one cell at a time says of mirrored maps the mirrored depth."""
    batch = standing(PLACES)
    maps = true_maps(batch, 32, 64)
    network = DepthNetwork(depth_joints(batch.skeleton), 2, flip=True)
    network.net = torch.nn.Conv2d(9, 1, 1)
    expected = network.eval()(maps)
    network.train()
    for seed in range(4):
        torch.manual_seed(seed)
        torch.testing.assert_close(network(maps), expected)


def test_depth_is_read_in_the_cell_of_a_place():
    depth = torch.arange(2 * 3 * 4.0).view(2, 3, 4)
    read = read_depth(depth, torch.tensor([0, 1, 1]), torch.tensor([[1.9, 0.1], [3.0, 2.99], [99.0, -5.0]]))
    assert read.tolist() == [1, 12 + 11, 12 + 3]
    assert not read_depth(-depth, torch.tensor([0]), torch.tensor([[1.0, 1.0]])).any()


def test_only_roots_in_the_picture_are_compared():
    batch = standing([[(0.0, 0.0), (30.0, 0.0)]])
    maps = true_maps(batch, 32, 64)
    place = maps.letterbox.place(batch.joints_2d[:, ROOT : ROOT + 1], batch.scene_rows)[:, 0]
    assert in_picture(maps, batch.scene_rows, place).tolist() == [True, False]
    depth = torch.full((1, 32, 64), 4.0)
    error = depth_error(depth, maps, batch.scene_rows, batch.joints_2d[:, ROOT], batch.root[:, 2])
    torch.testing.assert_close(error, (4 - batch.root[0, 2]).abs())


def test_people_given_are_where_their_root_is_seen_as_deep_as_the_map_says(monkeypatch):
    batch = standing(PLACES)
    maps = true_maps(batch)
    part = estimator()
    depth = truly_deep(batch, maps)
    monkeypatch.setattr(part.network, "forward", lambda maps: depth)
    roots = part(**inputs(batch, maps))
    torch.testing.assert_close(roots, batch.root, rtol=1e-4, atol=1e-4)
    assert part.loss(roots, batch, **inputs(batch, maps))["depth"] < 1e-4


def test_people_are_found_at_the_peaks_of_their_roots(monkeypatch):
    batch = standing(PLACES)
    maps = true_maps(batch)
    part = estimator(search=True)
    depth = truly_deep(batch, maps)
    monkeypatch.setattr(part.network, "forward", lambda maps: depth)
    found = part(**inputs(batch, maps))
    assert len(found) == 20
    assert part.finds
    assert DepthMap.finds_with(part.config)
    matching = match(found, batch, 0.1, score=0.3)
    assert matching.matched.all()
    assert int((found.score > 0.3).sum()) == 3
    torch.testing.assert_close(found.root[matching.of_people], batch.root, rtol=0, atol=0.02)
    # Key points are those of the person: within a cell, which is eight pixels.
    assert (found.joints_2d[matching.of_people] - batch.joints_2d).abs().max() < 8
    kept = found.select(found.score > 0.3)
    assert len(kept) == 3
    assert kept.evidence.depth is depth
    assert part.loss(found, batch, **inputs(batch, maps))["depth"] < 1e-4


@pytest.mark.parametrize("search", [False, True])
def test_either_use_is_trained(search):
    batch = standing(PLACES)
    maps = true_maps(batch, 32, 64)
    part = estimator(search=search)
    optimiser = torch.optim.Adam(part.parameters(), 1e-2)
    errors = []
    for _ in range(12):
        loss = part.loss(part(**inputs(batch, maps)), batch, **inputs(batch, maps))["depth"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        errors.append(float(loss.detach()))
    assert errors[-1] < 0.5 * errors[0]


def test_without_people_there_is_nobody():
    batch = standing([[(0.0, 0.0)]])
    maps = attrs.evolve(true_maps(batch, 32, 64), heatmaps=torch.zeros(1, 16, 32, 64))
    nobody = batch.select(torch.zeros(1, dtype=torch.bool))
    found = estimator(search=True)(**inputs(nobody, maps))
    assert not found.score.any()
    assert estimator()(**inputs(nobody, maps)).shape == (0, 3)


@pytest.mark.parametrize("channels", [3, 8])
def test_blocks_halve_and_double_maps(channels):
    x = torch.rand(3, channels, 64, 128).to(memory_format=torch.channels_last).requires_grad_()
    y = Deconvs(2 * channels, channels, 1)(BasicBlock(channels, 2 * channels, 2)(x))
    assert y.shape == x.shape
    y.square().mean().backward()
    assert x.grad.isfinite().all()
