"""Scenes in pictures: where people and cameras are drawn, and how far off a run is."""

import json
import re

import attrs
import numpy as np
import pytest
import torch
from toys import CONTEXT, STAR, MeanRoot

from poseplug.core.data.found import Found
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera, look_at
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import Lifter, PoseSource, RootEstimator
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.api import plot_data
from poseplug.registry.datasets.opening import Opened
from poseplug.registry.datasets.plot import plot
from poseplug.registry.datasets.scenes.lines import panels
from poseplug.registry.datasets.scenes.shown import Predictor, look_at_scenes


def crowd(scenes=2, image=None, world=True):
    """Three people in each scene, before cameras 3 m above the ground that look down at them."""
    generator = torch.Generator().manual_seed(1)
    azimuth, elevation = torch.tensor([0.4, 2.0])[:scenes], torch.tensor([0.3, 0.5])[:scenes]
    target = torch.stack([torch.zeros(scenes), 3 - 6 * elevation.sin(), torch.zeros(scenes)], -1)
    rotation, position = look_at(azimuth, elevation, torch.full((scenes,), 6.0), target)
    intrinsics = Camera.shared(scenes, (1000.0, 1000.0), (960.0, 540.0), (1920.0, 1080.0))
    cameras = attrs.evolve(intrinsics, rotation=rotation, position=position)
    rows = torch.arange(3 * scenes) // 3
    joints = torch.randn(len(rows), 5, 3, generator=generator) * 0.3
    joints = joints + torch.randn(len(rows), 1, 3, generator=generator) * torch.tensor([1.0, 0.0, 1.0])
    joints[..., 1] += 1.0
    batch = PoseBatch.seen(STAR, cameras.select(rows).world_to_camera(joints), cameras.select(rows), scene=rows)
    if not world:
        cameras = attrs.evolve(cameras, rotation=None, position=None)
        batch = attrs.evolve(batch, camera=cameras.select(rows))
    return attrs.evolve(batch, scenes=Scenes(cameras, image, most=3)), joints


class Same(PoseSource):
    """The same scenes whenever it is asked."""

    skeleton = STAR

    def __init__(self, batch):
        self.batch = batch

    def sample(self, n, generator):
        return self.batch.select_scenes(torch.arange(n) % self.batch.num_scenes)


class Exact(Lifter):
    """Knows the poses of those who are lifted, and puts one joint of each 0.1 m too high."""

    normalisation = None

    def __init__(self, batch, found):
        super().__init__()
        self.joints = batch.root_relative[found].clone()
        self.joints[:, 0, 1] -= 0.1

    def forward(self, joints_2d, **inputs):
        return self.joints


class Finder(RootEstimator):
    """Finds all but the third, 0.2 m further away than they are, and somebody else who is nobody."""

    reads = frozenset({"scenes"})
    finds = True

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def forward(self, **inputs):
        score = torch.full((len(self.batch) + 1,), 0.8)
        score[2] = 0.2
        roots = self.batch.root + torch.tensor([0.0, 0.0, 0.2])
        scene = torch.cat([self.batch.scene, self.batch.scene[-1:]])
        return Found(scene, torch.cat([roots, torch.tensor([[9.0, 0.0, 9.0]])]), score, most=4)

    def loss(self, roots, batch, **inputs):
        return {}


def finder(batch):
    rows = torch.tensor([0, 1, 3, 4, 5, 5])
    return Predictor("runs/finder", LiftingModel(Exact(batch, rows), STAR, Finder(batch)))


def shown(batch, predictor=None):
    return look_at_scenes(Opened("toy", Same(batch)), 2, predictor)


def test_space_is_level_with_the_camera_at_its_origin():
    batch, world = crowd()
    for number, scene in enumerate(shown(batch).scenes):
        assert scene.ground == pytest.approx(-3, abs=1e-5)
        own = world[3 * number : 3 * number + 3]
        np.testing.assert_allclose(scene.people.space[..., 1], own[..., 1].numpy() - 3, atol=1e-5)
        position = batch.scenes.camera.position[number]
        distances = (own - position).norm(dim=-1)
        np.testing.assert_allclose(np.linalg.norm(scene.people.space, axis=-1), distances, rtol=1e-5)
        # The camera looks ahead, neither to the right nor to the left, and downwards.
        middle = scene.camera.mean(0)
        assert middle[0] == pytest.approx(0, abs=1e-6)
        assert middle[1] < 0 < middle[2]


def test_a_camera_without_a_world_is_taken_to_be_level():
    batch, _ = crowd(world=False)
    scene = shown(batch).scenes[0]
    np.testing.assert_allclose(scene.people.space, (batch.joints_3d[:3] * torch.tensor([1.0, -1.0, 1.0])).numpy())
    assert scene.ground == pytest.approx(min(float(-batch.joints_3d[:3, :, 1].max()), -0.1))


def test_an_image_lies_below_its_people():
    """A picture of 1920 x 1080 in a canvas of 64 x 64 has 14 rows above and below that are not of it."""
    image = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    left, right, bottom, top = shown(crowd(image=image)[0]).scenes[1].extent
    assert (left, right, top, bottom) == pytest.approx((0, 1920, 540 - 960, 540 + 960), abs=1e-3)


def test_it_is_said_how_far_off_a_run_is():
    batch, _ = crowd()
    found = shown(batch, finder(batch))
    assert not found.given
    assert list(found.lines()) == [
        ["1", "3", "2", "2", "200", "200", "20"],
        ["2", "3", "4", "3", "200", "200", "20"],
    ]
    assert [scene.pairs for scene in found.scenes] == [[(0, 0), (1, 1)], [(0, 0), (1, 1), (2, 2)]]
    scene = found.scenes[1]
    roots = scene.found.space[:3, STAR.root] - scene.people.space[:, STAR.root]
    np.testing.assert_allclose(np.linalg.norm(roots, axis=-1), 0.2, atol=1e-5)


def test_a_run_may_be_told_of_everybody():
    batch, _ = crowd()
    model = LiftingModel(Exact(batch, torch.arange(6)), STAR, MeanRoot())
    found = shown(batch, Predictor("runs/told", model))
    assert found.given
    for number, scene in enumerate(found.scenes):
        assert scene.pairs == [(0, 0), (1, 1), (2, 2)]
        off = (batch.root[3 * number : 3 * number + 3] - torch.tensor([0.0, 0.0, 4.0])).norm(dim=-1).mean()
        assert list(found.lines())[number][4] == f"{off * 1000:.0f}"
        assert panels(found)[number][1].title.startswith(f"scene {number + 1}: roots {off * 1000:.0f} mm off")


def test_panels_hold_everybody():
    batch, _ = crowd()
    for image, space in panels(shown(batch, finder(batch))):
        assert image.box == (0, 1920, 1080, 0)
        assert {"truth", "box", "left", "right", ""} <= {what for what, _ in image.lines}
        left, right, bottom, top = space.box
        for _, ends in space.lines:
            assert ((ends > [left, bottom]) & (ends < [right, top])).all()


def test_scenes_go_into_pictures_and_pages(tmp_path):
    batch, _ = crowd(image=torch.full((2, 3, 36, 64), 200, dtype=torch.uint8))
    opened = Opened("toy", Same(batch))
    for out in ("a.png", "a.svg"):
        plot(opened, tmp_path / out, ["scenes"], rows=2, predictor=finder(batch))
        assert (tmp_path / out).stat().st_size > 10_000
    plot(opened, tmp_path / "a.html", ["scenes"], rows=2, predictor=finder(batch))
    page = (tmp_path / "a.html").read_text()
    figures = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["figures"]
    assert [*figures] == [f"scene-{number}-{what}" for number in (1, 2) for what in ("image", "space")]
    assert figures["scene-1-image"]["layout"]["images"][0]["source"].startswith("data:image/jpeg;base64,")
    assert "How far off the run is" in page


def test_a_source_of_single_people_has_scenes_of_one(poseplug):
    done = poseplug("data", "plot", "builtin:takes=1,frames=2", "one.png", "--show", "scenes", "--rows", "2")
    assert done.exit_code == 0, done.stderr
    assert (done.folder / "one.png").stat().st_size > 10_000


def test_scenes_keep_their_numbers_when_many_are_drawn(monkeypatch):
    """Where it takes several draws, people stay with their cameras."""
    monkeypatch.setattr("poseplug.registry.datasets.opening.BATCH", 2)
    batch, _ = crowd()
    joined = PoseBatch.join([*Opened("toy", Same(batch)).drawn(12)])
    assert joined.num_scenes == 4
    torch.testing.assert_close(joined.scenes.camera.select(joined.scene).position, joined.camera.position)


def test_what_users_may_get_wrong(tmp_path):
    batch, _ = crowd()
    out = tmp_path / "a.png"
    with pytest.raises(PoseplugError, match="add --show scenes"):
        plot(Opened("toy", Same(batch)), out, ["poses"], predictor=finder(batch))
    with pytest.raises(PoseplugError, match="'toy' gives 2D only"):
        shown(attrs.evolve(batch, joints_3d=None))
    with pytest.raises(PoseplugError, match="no numbers"):
        shown(attrs.evolve(batch, joints_3d=batch.joints_3d * torch.nan))
    lifter = Exact(batch, torch.arange(6))
    with pytest.raises(PoseplugError, match="'runs/x' does not say where people are"):
        shown(batch, Predictor("runs/x", LiftingModel(lifter, STAR)))
    with pytest.raises(PoseplugError, match="'runs/x' is for skeleton 'h36m16'"):
        shown(batch, Predictor("runs/x", LiftingModel(lifter, H36M_16, MeanRoot(context=CONTEXT))))
    with pytest.raises(PoseplugError, match="'nowhere' holds no run"):
        plot_data(PoseTable(batch.alone()), out, "scenes", model="nowhere")
    assert not list(tmp_path.iterdir())
