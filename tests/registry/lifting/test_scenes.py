"""Frames as scenes: models that see everybody in a frame at once, and models that find people there."""

import json

import attrs
import numpy as np
import pytest
import torch
from finders import Beside, BesideConfig, Brightness, Shape, camera
from toys import STAR, LinearLifter

from poseplug.core.data.found import Found
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.letterbox import Letterbox
from poseplug.core.interfaces import RootEstimator
from poseplug.core.models.inputs import standard_inputs
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.lifting.arrays import Arrays
from poseplug.registry.lifting.lift import lifting
from poseplug.registry.lifting.opened_run import OpenedRun
from poseplug.registry.lifting.outputs import write
from poseplug.registry.lifting.scenes import frames as frames_module
from poseplug.registry.lifting.scenes.photos import Photos, letterboxed
from poseplug.registry.lifting.settings import LiftSettings

SIZE = (1000, 1000)


class Crowd(RootEstimator):
    """Puts people as far away as there are people in their scene."""

    reads = frozenset({"scene", "scenes", "joints_2d"})

    def __init__(self, config=None, context=None):
        torch.nn.Module.__init__(self)

    def forward(self, *, scene, scenes, joints_2d):
        assert len(scenes) <= frames_module.FRAMES
        together = torch.zeros(len(scenes)).index_add_(0, scene, torch.ones(len(scene)))[scene]
        return torch.stack([scene * 0.0, joints_2d[:, 2, 0] / 1000, together], 1)

    def loss(self, roots, batch, **inputs):
        return {}


class Glimpse(RootEstimator):
    """Finds one person in each bright picture, as far away as it is bright."""

    reads = frozenset({"brightness"})
    finds = True

    def __init__(self, config=None, context=None):
        torch.nn.Module.__init__(self)

    def forward(self, *, brightness):
        ahead = torch.stack([brightness * 0, brightness * 0, brightness / 10], 1)
        return Found(torch.arange(len(ahead)), ahead, (brightness > 30) * 0.8)

    def loss(self, roots, batch, **inputs):
        return {}


class Upright(Crowd):
    """Puts people as far away as their camera looks down, degrees."""

    reads = frozenset({"scene", "scenes"})

    def forward(self, *, scene, scenes):
        rotation = scenes.camera.rotation
        up = torch.zeros(len(scenes), 3) if rotation is None else rotation[:, :, 1]
        return torch.stack([scene * 0.0, scene * 0.0, -up[:, 2].asin().rad2deg()[scene]], 1)


class UprightFound(Upright):
    reads = frozenset({"scenes", "brightness"})
    finds = True

    def forward(self, *, scenes, brightness):
        scene = torch.arange(len(scenes))
        roots = super().forward(scene=scene, scenes=scenes)
        return Found(scene, roots + torch.tensor([0.0, 0.0, 5.0]), torch.ones(len(scene)))


@pytest.fixture
def lifted(monkeypatch):
    """Lifts with a model of toys; returns the poses, and what else there is to know."""

    def lift(model, file, then=lambda found: found.rows(slice(0, len(found))), **said):
        opened = OpenedRun(model.eval(), None, 0.3)
        monkeypatch.setattr(OpenedRun, "named", lambda *_: opened)
        with lifting("toys", file, LiftSettings(device="cpu", **{"size": SIZE, **said}), load_catalogue()) as found:
            return then(found)

    return lift


def crowd(frames, people):
    """Key points of so many people in frames, frame by frame, walking apart; with tracks."""
    frame, track = np.repeat(np.arange(frames), people), np.tile(np.arange(people), frames)
    shape = torch.tensor([[0.0, -60], [10, -30], [0, 0], [20, 40], [-20, 40]])
    where = torch.tensor(np.stack([100.0 + 150 * track + frame, 400.0 + 0 * frame], 1)).float()
    return shape + where[:, None], frame, track


def file_of(joints, frame, track, confidence=None):
    return Arrays.of(joints, confidence, STAR, frame=frame, track=track, size=SIZE)


@pytest.mark.parametrize("frames_at_a_time", [1, 3, 32])
def test_people_of_a_frame_are_seen_together(lifted, monkeypatch, frames_at_a_time):
    monkeypatch.setattr(frames_module, "FRAMES", frames_at_a_time)
    joints, frame, track = crowd(7, 4)
    some = np.flatnonzero((track < 3) | (frame % 2 == 0))
    confidence = torch.ones(len(some), 5)
    confidence[5, :3] = 0  # somebody of whom too little is known
    model = LiftingModel(LinearLifter(), STAR, Crowd())
    poses = lifted(model, file_of(joints[some], frame[some], track[some], confidence), max_gap=0)
    assert len(poses) == len(some)
    lost = np.flatnonzero(np.isnan(poses.joints_3d).any((1, 2)))
    assert [(poses.frame[i], poses.track[i]) for i in lost] == [(frame[some][5], track[some][5])]
    counts = np.bincount(frame[some]) - np.bincount(frame[some][[5]], minlength=7)
    fine = np.setdiff1d(np.arange(len(poses)), lost)
    assert np.array_equal(poses.root[fine, 2], counts[poses.frame[fine]])
    assert np.allclose(poses.root[fine, 1], poses.joints_2d[fine, 2, 0] / 1000)
    alone = lifted(LiftingModel(LinearLifter(), STAR), file_of(joints[:1], frame[:1], track[:1]))
    assert not poses.root_estimated
    assert alone.root_estimated
    assert "view: whole frames, which this run reads" in poses.notes


def test_poses_are_those_of_people_seen_alone(lifted):
    """A lifter that reads key points says the same of them, whoever stands beside."""
    joints, frame, track = crowd(5, 3)
    lifter = LinearLifter()
    together = lifted(LiftingModel(lifter, STAR, Crowd()), file_of(joints, frame, track), flip=True)
    alone = lifted(LiftingModel(lifter, STAR), file_of(joints, frame, track), flip=True)
    assert np.allclose(together.joints_3d, alone.joints_3d, atol=1e-6)
    assert np.array_equal(together.frame, alone.frame)


def test_found_people_become_people_of_their_frame(lifted, tmp_path):
    joints, frame, track = crowd(6, 2)
    model = LiftingModel(Shape(), STAR, Beside(BesideConfig(score=0.6)))

    def look(found):
        write(tmp_path / "found.json", found, force=False)
        write(tmp_path / "found.safetensors", found, force=False)
        return found.rows(slice(0, len(found))), found.facts, found.notes

    poses, facts, notes = lifted(model, file_of(joints, frame, track + 5), then=look)
    # Scores are 0.6 (1 + 0.8 cos i): who is at -0.8 or so is nobody.
    sure = [i for i in range(12) if 0.6 * (1 + 0.8 * np.cos(i)) > 0.3]
    assert 0 < len(sure) < 12
    assert sorted(zip(poses.frame, poses.track, strict=True)) == sorted((frame[i], track[i] + 5) for i in sure)
    assert np.allclose(poses.root[:, 2], 4.9)
    assert np.allclose(poses.joints_3d[:, 2], 0)
    seen = camera(len(poses)).project(torch.from_numpy(poses.joints_3d + poses.root[:, None])) * 1.0
    assert facts["focal"] == [1145, 1145]
    assert np.allclose(poses.joints_2d - 500, (seen.numpy() - 500) * 1.145, atol=1e-2)
    given = {(f, t): joints[i, 2].numpy() for i, (f, t) in enumerate(zip(frame, track + 5, strict=True))}
    want = np.stack([given[key] for key in zip(poses.frame, poses.track, strict=True)])
    assert np.allclose(poses.joints_2d[:, 2], want, atol=1e-2)
    assert np.allclose(poses.confidence, poses.confidence[:, :1])
    assert any("found at a score above 0.3 in frames with 12 people's key points" in note for note in notes)
    stored = json.loads((tmp_path / "found.json").read_text())
    assert stored["root_estimated"] is False
    assert {(person["frame"], person["track"]) for person in stored["people"]} == set(
        zip(poses.frame.tolist(), poses.track.tolist(), strict=True)
    )
    assert (tmp_path / "found.safetensors").exists()


@pytest.mark.parametrize("tilt", [None, 0.0, 20.0, -5.0])
def test_cameras_look_down_as_said(lifted, pictures, tilt):
    joints, frame, track = crowd(3, 2)
    people = file_of(joints, frame, track)
    down, notes = lifted(
        LiftingModel(LinearLifter(), STAR, Upright()),
        people,
        then=lambda found: (found.rows(slice(0, len(found))).root[:, 2], found.notes),
        tilt=tilt,
    )
    assert np.allclose(down, tilt or 0, atol=1e-4)
    assert any("looking down" in note for note in notes) == (tilt is not None)
    model = LiftingModel(Shape(), STAR, UprightFound(), inputs={**standard_inputs(), "brightness": Brightness()})
    assert np.allclose(lifted(model, Photos.of(pictures), tilt=tilt).root[:, 2], 5 + (tilt or 0), atol=1e-4)


def test_who_scores_less_than_is_asked_is_nobody(lifted):
    joints, frame, track = crowd(6, 2)
    model = LiftingModel(Shape(), STAR, Beside(BesideConfig(score=0.6)))
    for score in (0.0, 0.5, 0.9):
        poses, notes = lifted(
            model,
            file_of(joints, frame, track),
            then=lambda found: (found.rows(slice(0, len(found))), found.notes),
            score=score,
        )
        assert len(poses) == sum(0.6 * (1 + 0.8 * np.cos(i)) > score for i in range(12))
        assert any(f"found at a score above {score:g} " in note for note in notes)


def test_one_person_of_those_found(lifted):
    joints, frame, track = crowd(6, 2)
    model = LiftingModel(Shape(), STAR, Beside(BesideConfig(score=1.7)))
    poses = lifted(model, file_of(joints, frame, track + 5), person="6", smooth=3)
    assert set(poses.track) == {6}
    assert poses.frame.tolist() == list(range(6))


class Aside(Beside):
    """Finds them far from where they are."""

    def forward(self, **inputs):
        found = super().forward(**inputs)
        return attrs.evolve(found, root=found.root + torch.tensor([0.0, -1.2, 0.0]), joints_2d=None)


def test_whoever_is_found_beside_the_key_points_is_linked_from_frame_to_frame(lifted):
    joints, frame, track = crowd(6, 2)
    poses = lifted(LiftingModel(Shape(), STAR, Aside(BesideConfig(score=1.7))), file_of(joints, frame, track + 5))
    assert len(poses) == 12
    assert len(set(poses.track)) == 2
    assert not set(poses.track) & {5, 6}
    for number in set(poses.track):
        moved = np.diff(poses.root[poses.track == number, 0])
        assert np.allclose(moved, moved[0], atol=1e-4), "a track is one person"


@pytest.fixture
def pictures(tmp_path):
    """Four pictures of one grey each, one of them dark, of two sizes."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (grey, size) in enumerate([(200, (40, 40)), (100, (80, 40)), (10, (40, 40)), (240, (20, 40))]):
        image.new("RGB", size, (grey, grey, grey)).save(folder / f"{number:03}.png")
    return folder


def glimpsing():
    inputs = {**standard_inputs(), "brightness": Brightness()}
    return LiftingModel(Shape(), STAR, Glimpse(), inputs=inputs)


def test_people_are_found_in_pictures(lifted, pictures):
    done = []
    photos = Photos.of(pictures)
    photos.progress = lambda at, of: done.append((at, of))
    poses = lifted(glimpsing(), photos, size=None, focal=50)
    assert done[-1] == (4, 4)
    assert poses.frame.tolist() == [0, 1, 3]
    # Of a canvas of 8 x 16 a square fills half, a tall picture a quarter.
    assert np.allclose(poses.root[:, 2], [10, 10, 6], atol=0.1)
    assert poses.camera[:, 4:].tolist() == [[40, 40], [80, 40], [20, 40]]
    assert np.allclose(poses.joints_2d[:, 2], poses.camera[:, 2:4], atol=1e-3)
    assert any(note.startswith("found at a score above 0.3 in pictures") for note in poses.notes)


def test_pictures_are_letterboxed_as_letterboxes_say():
    image = torch.zeros(3, 60, 100, dtype=torch.uint8)
    image[:, 12:18, 30:40] = 255
    for canvas in ((128, 128), (32, 80), (30, 50)):
        placed = letterboxed(image, canvas).float()[0]
        assert placed.shape == canvas
        y, x = (torch.arange(n) + 0.5 for n in canvas)
        centre = torch.stack([(placed.sum(0) * x).sum(), (placed.sum(1) * y).sum()]) / placed.sum()
        box = Letterbox.fitting(torch.tensor([[100.0, 60.0]]), *canvas)
        want = box.place(torch.tensor([[[35.0, 15.0]]]))[0, 0]
        assert torch.allclose(centre, want, atol=0.05), canvas


def test_what_cannot_be_done(lifted, pictures):
    joints, frame, track = crowd(2, 2)
    finder = LiftingModel(Shape(), STAR, Beside(BesideConfig(score=0.6)))
    refused = [
        (LiftingModel(LinearLifter(), STAR), Photos.of(pictures), {}, "holds pictures, and this run reads key points"),
        (finder, Photos.of(pictures), {}, "say with --detector who finds them"),
        (finder, file_of(joints, frame, track), {"view": "centred"}, "this run reads whole frames"),
        (finder, file_of(joints, frame, track), {"flip": True}, "--flip averages the poses of given people"),
        (glimpsing(), file_of(joints, frame, track), {}, "makes 'brightness' of images, and key points are none"),
        (glimpsing(), Photos.of(pictures), {"made": {"tip": None}}, "--map says how joints are made"),
        (
            LiftingModel(LinearLifter(), STAR),
            file_of(joints, frame, track),
            {"tilt": 5.0},
            "--tilt is for runs that see",
        ),
        (LiftingModel(LinearLifter(), STAR), file_of(joints, frame, track), {"score": 0.5}, "--score says who counts"),
        (finder, file_of(joints, frame, track), {"tilt": 90.0}, "--tilt must be between"),
        (finder, file_of(joints, frame, track), {"score": 1.0}, "--score must be from 0"),
        (LiftingModel(Shape(), STAR, Beside(BesideConfig(score=0.1))), file_of(joints, frame, track), {}, "Nobody was"),
    ]
    for model, file, said, message in refused:
        with pytest.raises(PoseplugError, match=message):
            lifted(model, file, **said)


def test_a_run_that_reads_key_points_says_so_of_pictures(poseplug, lifting_run, pictures):
    for path in (pictures, pictures / "000.png"):
        done = poseplug("lift", lifting_run.path, path)
        assert done.exit_code == 2
        assert "holds pictures, and this run reads key points; say with --detector" in " ".join(done.stderr.split())


def test_pictures_are_told_from_key_points(pictures, tmp_path):
    assert Photos.are_at(pictures)
    assert Photos.are_at(pictures / "000.png")
    assert not Photos.are_at(tmp_path / "none.png")
    (pictures / "000_keypoints.json").write_text("{}")
    assert not Photos.are_at(pictures)
    assert not Photos.are_at(tmp_path)
