"""People found in voxels: targets, the geometry with maps and depths that are true, and that networks learn it."""

import attrs
import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from voxel_kit import CONTEXT, ROOT, camera_of, standing, true_maps

from poseplug.core.data.found import match
from poseplug_virtualpose.pen import PEN, PENConfig
from poseplug_virtualpose.roots.depth_network import DepthNetwork, depth_joints
from poseplug_virtualpose.roots.ren import REN, RENConfig
from poseplug_virtualpose.voxels.projection import HeatTable
from poseplug_virtualpose.voxels.space import Boxes3D, Grid
from poseplug_virtualpose.voxels.targets import root_volumes

PLACES = [[(-1.0, 0.0), (1.0, 0.5)], [(0.0, -1.0)]]
SMALL = {"size": (5.4, 2.1, 5.4), "nodes": (28, 8, 28), "channels": 2, "kernel": 3, "depth_channels": 2}


def ren(**settings):
    torch.manual_seed(0)
    return REN(RENConfig(**{**SMALL, **settings}), CONTEXT)


class SeesTheRoot(torch.nn.Module):
    """In the place of the network: the score of a voxel is the heat of the root."""

    def forward(self, volume):
        return volume[:, ROOT : ROOT + 1]


def knowing(batch, part):
    """Let an estimator know the true depth of each person's root, in the cells about it."""
    _, height, width = 2, 128, 240

    def depth(maps):
        cells = maps.letterbox.place(batch.joints_2d[:, ROOT : ROOT + 1], batch.scene_rows)[:, 0]
        deep = torch.zeros(len(batch.places), height, width)
        for (x, y), scene, true in zip(cells.tolist(), batch.scene_rows.tolist(), batch.root[:, 2], strict=True):
            deep[scene, int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4] = true
        return deep

    part.depth, part.network = torch.nn.Module(), SeesTheRoot()
    part.depth.forward = depth
    return part


@pytest.mark.parametrize("world", ["known", "unknown", "estimated"])
def test_true_maps_boxes_and_depths_find_everybody_within_a_voxel(world):
    batch = standing(PLACES)
    if world == "unknown":
        camera = attrs.evolve(camera_of(2, elevation=0.0), rotation=None, position=None)
        scenes = attrs.evolve(batch.places, camera=camera)
        level = standing(PLACES, camera=camera_of(2, elevation=0.0))
        batch = attrs.evolve(level, camera=camera.select(level.scene), scenes=scenes)
    settings = {
        "nodes": (80, 24, 80),
        "size": (8.0, 2.4, 8.0),
        "about": "estimated" if world == "estimated" else "world",
    }
    part = knowing(batch, ren(**settings)).eval()
    found = part(maps=true_maps(batch), scenes=batch.places)
    matching = match(found, batch, 0.5, score=0.3)
    assert matching.matched.all()
    off = (found.root[matching.of_people] - batch.root).norm(dim=-1)
    assert (off < torch.tensor(part.grid.pitch).norm()).all()
    # Whoever was found has their own key points.
    assert (found.joints_2d[matching.of_people] - batch.joints_2d).abs().median() < 4
    assert len(found) == 20
    assert found.most == 10
    assert found.scene.tolist() == [0] * 10 + [1] * 10


@pytest.mark.parametrize("turned", [True, False])
def test_an_estimated_space_has_people_where_they_are_in_the_world(turned):
    batch = standing(PLACES, camera=camera_of(2, elevation=0.3 if turned else 0.0))
    camera = batch.places.camera
    unknown = attrs.evolve(camera, position=None, rotation=camera.rotation if turned else None)
    batch = attrs.evolve(batch, scenes=attrs.evolve(batch.places, camera=unknown))
    part = knowing(batch, ren(size=(8.0, 2.4, 8.0), root_height=0.7)).eval()
    found = part(maps=true_maps(batch), scenes=batch.places)
    roots = torch.stack([batch.root[batch.scene == scene].mean(0) for scene in (0, 1)])
    up = camera.rotation[:, :, 1]
    # Roots are known as well as the cells that they are seen in.
    assert ((found.evidence.boxes.middle - roots - (1.1 - 0.7) * up).norm(dim=-1) < 0.05).all()


def test_who_is_found_is_not_who_is_there_only():
    """Peaks of the volume beside people score, and nobody takes them away by looking at the truth."""
    batch = standing(PLACES)
    part = ren().eval()
    found = part(maps=true_maps(batch, 32, 64), scenes=batch.places)
    with_nobody = part(maps=true_maps(batch, 32, 64), scenes=attrs.evolve(batch.places, most=1))
    torch.testing.assert_close(found.root, with_nobody.root)
    assert ((found.score >= 0) & (found.score <= 1)).all()


def test_targets_are_gaussians_about_roots_person_by_person():
    batch = standing([[(-0.3, 0.1), (0.1, 0.1), (9.0, 0.0)], [(0.5, 0.5)]])
    grid = Grid((4.0, 2.4, 4.0), (12, 8, 16))
    camera = batch.places.camera
    middle = camera.world_to_camera(torch.tensor([0.0, 1.1, 0.0]).expand(2, 1, 3))[:, 0]
    boxes = Boxes3D.about(middle, camera, true_maps(batch, 16, 32).letterbox)
    counts = torch.tensor([True, True, True, False])
    volumes = root_volumes(batch.root, batch.scene_rows, counts, boxes, grid)
    nodes = grid.offsets(torch.arange(grid.count)) + torch.tensor([0.0, 1.1, 0.0])
    expected = torch.zeros(2, grid.count)
    for person in range(3):
        root = camera.select(batch.scene_rows[person : person + 1]).camera_to_world(batch.root[person].view(1, 1, 3))
        off = nodes - root[0]
        bump = torch.exp(-off.square().sum(-1) / (2 * 0.2**2)) * (off.abs() <= 0.6).all(-1)
        expected[0] = torch.maximum(expected[0], bump)
    torch.testing.assert_close(volumes.flatten(1), expected, rtol=1e-3, atol=1e-4)
    assert expected[0].max() > 0.5
    assert not volumes[1].any()


def test_losses_have_the_papers_units_and_weights():
    batch = standing(PLACES)
    maps = true_maps(batch, 32, 64)
    part = ren()
    found = part(maps=maps, scenes=batch.places)
    plain = REN(RENConfig(**SMALL, depth_weight=0.001, volume_weight=1.0), CONTEXT)
    losses = part.loss(found, batch, maps=maps, scenes=batch.places)
    metres = plain.loss(found, batch, maps=maps, scenes=batch.places)
    torch.testing.assert_close(losses["depth"], 0.1 * 1000 * metres["depth"])
    torch.testing.assert_close(losses["volume"], 1000 * metres["volume"])


def test_the_volume_teaches_the_depth_estimator_too():
    batch = standing(PLACES)
    maps = true_maps(batch, 32, 64)
    for gated in (True, False):
        part = ren(gated=gated, depth_channels=4)
        with torch.no_grad():  # so that somebody is where the gates are open
            part.network.last.weight.mul_(100)
        part.loss(part(maps=maps, scenes=batch.places), batch, maps=maps, scenes=batch.places)["volume"].backward()
        learns = [p.grad is not None and bool(p.grad.any()) for p in part.depth.parameters()]
        assert any(learns) == gated


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nodes": (80, 24)}, "three multiples of 4"),
        ({"size": (8.0, 0.0, 8.0)}, "three lengths"),
        ({"kernel": 4}, "odd"),
    ],
)
def test_what_cannot_be_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        RENConfig(**settings)


def test_small_networks_learn_two_scenes():
    """Root and pose estimation together, as they are trained: the roots that were found are what poses are about."""
    batch = standing(PLACES)
    maps = true_maps(batch, 32, 64, sigma=1.2)
    part = ren(channels=4, depth_channels=4, flip=False, size=(4.0, 1.4, 4.0), nodes=(20, 8, 20))
    lifter = PEN(PENConfig(nodes=16, channels=4, kernel=3), CONTEXT)
    generator, steps = torch.Generator().manual_seed(0), 60
    optimisers = [torch.optim.Adam(module.parameters(), 5e-3) for module in (part, lifter)]
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps) for optimiser in optimisers]
    for _ in range(steps):
        found = part(maps=maps, scenes=batch.places)
        losses = part.loss(found, batch, maps=maps, scenes=batch.places)
        matching = match(found, batch, 0.5)
        noise = torch.randn(len(batch), 3, generator=generator) * 0.1
        given = torch.where(matching.matched[:, None], found.root[matching.of_people], batch.root + noise)
        joints = lifter(None, maps=maps, roots=given, scene=batch.scene_rows, camera=batch.camera) + given[:, None]
        both = sum(losses.values()), (joints - batch.absolute).abs().mean()
        for optimiser, schedule, loss in zip(optimisers, schedules, both, strict=True):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    part.eval()
    lifter.eval()
    with torch.no_grad():
        found = part(maps=maps, scenes=batch.places)
        matching = match(found, batch, 0.5, score=0.3)
        assert matching.matched.all()
        assert int((found.score > 0.3).sum()) == 3
        given = found.root[matching.of_people]
        joints = lifter(None, maps=maps, roots=given, scene=batch.scene_rows, camera=batch.camera) + given[:, None]
    error = (joints - batch.absolute).norm(dim=-1).mean()
    assert error < 0.2


@pytest.mark.parametrize("centre", [(1.1,), (0.0, 1.1)])
def test_places_have_three_coordinates(centre):
    with pytest.raises(ValueError, match="three numbers"):
        RENConfig(centre=centre)


def test_nothing_is_copied_from_the_host_in_a_step():
    """Copies from the host would make it wait for the device; on a device without numbers they are seen."""

    class FromHost(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            tensors = [arg for arg in pytree.tree_leaves((args, kwargs)) if isinstance(arg, torch.Tensor)]
            assert not any(tensor.device.type == "cpu" for tensor in tensors), func
            return func(*args, **(kwargs or {}))

    maps = true_maps(standing(PLACES), 16, 32).to("meta")
    network = DepthNetwork(depth_joints(CONTEXT.layout), 2).to("meta")

    def step():
        network(maps)
        HeatTable(maps)

    step()  # constants are made once
    with FromHost():
        step()
