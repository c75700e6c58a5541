"""Key points through a trained run: what comes out is what its model says, whatever way they took."""

import json
import tracemalloc

import attrs
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.interfaces import RootEstimator
from poseplug.core.keypoints.detections import Detections
from poseplug.registry.api import lift_file, load_run
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.lifting import lift as lift_module
from poseplug.registry.lifting import lifted as lifted_module
from poseplug.registry.lifting.lift import lifting
from poseplug.registry.lifting.settings import LiftSettings

SIZE = (1000, 1002)


def predicted(run, pixels, size=SIZE):
    """What the run's model says of people in images of a size, [N, J, 3]."""
    camera = Camera.shared(len(pixels), (1.145 * max(size),) * 2, (size[0] / 2, size[1] / 2), size)
    with torch.inference_mode():
        return run.model.predict(PoseBatch(run.model.skeleton, pixels, camera)).numpy()


def distance(a, b):
    return float(np.nanmax(np.linalg.norm(np.asarray(a) - np.asarray(b), axis=-1)))


def test_arrays_become_poses(lifting_run, walking):
    lifted = lifting_run.lift(walking.joints_2d, size=SIZE)
    assert lifted.joints_3d.shape == (300, 16, 3)
    assert distance(lifted.joints_3d, predicted(lifting_run, walking.joints_2d)) < 1e-5
    assert lifted.frame.tolist() == list(range(300))
    assert set(lifted.track.tolist()) == {0}
    assert lifted.warnings == ()
    assert "view: as given, like in training" in lifted.notes
    assert "every joint was found" in lifted.notes
    same = lifting_run.lift(walking.joints_2d.double().numpy(), np.ones((300, 16)), size=SIZE, skeleton="h36m16")
    assert np.array_equal(same.joints_3d, lifted.joints_3d)
    flipped = lifting_run.lift(walking.joints_2d, size=SIZE, flip=True)
    assert distance(flipped.joints_3d, lifted.joints_3d) > 1e-3


def test_roots_are_where_the_hips_are_seen(lifting_run, walking):
    lifted = lifting_run.lift(walking.joints_2d, size=SIZE, focal=1145)
    assert lifted.root_estimated
    assert (lifted.root[:, 2] > 0.5).all()
    camera = Camera.shared(300, (1145, 1145), (SIZE[0] / 2, SIZE[1] / 2), SIZE)
    seen = camera.project(torch.from_numpy(lifted.root)[:, None])[:, 0]
    assert (seen - walking.joints_2d[:, 0]).norm(dim=-1).median() < 150
    # Twice the focal length, twice the distance, or nearly: bodies have depth.
    far = lifting_run.lift(walking.joints_2d, size=SIZE, focal=2290)
    assert 1.9 < np.median(far.root[:, 2] / lifted.root[:, 2]) < 2.1


@pytest.mark.parametrize("block", [37, 4096])
def test_missing_joints(lifting_run, walking, monkeypatch, block):
    for module in (lift_module, lifted_module):
        monkeypatch.setattr(module, "BLOCK", block)
    pixels, confidence = walking.joints_2d.clone(), torch.ones(300, 16)
    pixels[:20] = pixels[0] + torch.arange(20.0)[:, None, None] * torch.tensor([2.0, 1.0])
    whole = pixels.clone()
    confidence[5:14, 3] = 0.05  # a short gap, filled exactly since everything moves straight
    confidence[100:150, [3, 6]] = 0  # a long one
    pixels[confidence < 0.1] = torch.nan
    few = [0, 1, 2, 3, 4, 5, 6, 7, 9]  # all but the thorax, which would be made of the shoulders
    confidence[200, few] = 0
    lifted = lifting_run.lift(pixels, confidence, size=SIZE, view="given", max_gap=9)
    found = confidence > 0.1
    found[5:14, 3] = True
    # Of the frame with seven joints, the others are between those of its neighbours.
    whole[200, few] = (whole[199, few] + whole[201, few]) / 2
    found[200, few] = True
    want = predicted(lifting_run, put_missing(whole, found, walking.skeleton))
    assert distance(lifted.joints_3d, want) < 1e-4
    assert np.isfinite(lifted.joints_3d).all()
    assert (
        "118 joints were missing: 18 interpolated over at most 9 frames, 100 put on the nearest found" in lifted.notes
    )
    lost = lifting_run.lift(pixels, confidence, size=SIZE, view="given", max_gap=0)
    assert np.flatnonzero(np.isnan(lost.joints_3d).any((1, 2))).tolist() == [200]
    assert np.isnan(lost.joints_3d[200]).all()
    assert any("1 people with less than half of their joints are NaN" in note for note in lost.notes)


def test_a_small_person_in_a_corner_is_looked_at(lifting_run, walking):
    there = walking.joints_2d * 0.3 + torch.tensor([1500.0, 50.0])
    lifted = lifting_run.lift(there, size=(1920, 1080))
    assert any(note.startswith("view: centred on each person, since 100% of the people") for note in lifted.notes)
    plain = lifting_run.lift(walking.joints_2d, size=SIZE, view="centred")
    error = np.linalg.norm(lifted.joints_3d - walking.root_relative.numpy(), axis=-1).mean()
    # Looked at in the corner, it is another person; looked at with a turned camera, nearly the same.
    given = lifting_run.lift(there, size=(1920, 1080), view="given")
    assert error < 0.7 * np.linalg.norm(given.joints_3d - walking.root_relative.numpy(), axis=-1).mean()
    assert any("--view centred shows them" in warning for warning in given.warnings)
    assert abs(error - np.linalg.norm(plain.joints_3d - walking.root_relative.numpy(), axis=-1).mean()) < 0.03


def test_a_camera_that_is_turned_away_sees_the_same_pose(lifting_run, walking):
    angle = 0.3
    turn = torch.tensor([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]).float()
    camera = Camera.shared(300, (1145, 1145), (960, 540), (1920, 1080))
    poses = [
        lifting_run.lift(camera.project(joints), size=(1920, 1080), focal=1145, view="centred").joints_3d
        for joints in (walking.absolute, walking.absolute @ turn.T)
    ]
    assert distance(poses[1], poses[0] @ turn.numpy().T) < 1e-4


def test_smoothing_crosses_blocks(lifting_run, walking, monkeypatch):
    plain = lifting_run.lift(walking.joints_2d, size=SIZE, smooth=9)
    for module in (lift_module, lifted_module):
        monkeypatch.setattr(module, "BLOCK", 41)
    assert distance(lifting_run.lift(walking.joints_2d, size=SIZE, smooth=9).joints_3d, plain.joints_3d) < 1e-5
    assert "smoothed over 9 frames" in plain.notes
    assert distance(plain.joints_3d, lifting_run.lift(walking.joints_2d, size=SIZE).joints_3d) > 0.01


def test_an_older_run_has_noted_nothing_and_lifts_all_the_same(lifting_run, walking, tmp_path):
    import shutil

    old = tmp_path / "old"
    shutil.copytree(lifting_run.path, old)
    with safe_open(old / "model.safetensors", framework="pt") as file:
        facts = json.loads(file.metadata()["poseplug"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert facts.pop("seen")["poses"] == 4096
    save_file(tensors, old / "model.safetensors", {"poseplug": json.dumps(facts)})
    lifted = load_run(old, "cpu").lift(walking.joints_2d * 0.3, size=(1920, 1080))
    # Its data are there, so what it saw is found out.
    assert any(note.startswith("view: centred") for note in lifted.notes)


def test_of_data_that_are_gone_nothing_can_be_found_out(lifting_run, walking, monkeypatch):
    from poseplug.registry.lifting import opened_run

    def gone(*_):
        raise PoseplugError("no data")

    monkeypatch.setattr(opened_run, "stored_range", lambda _: None)
    monkeypatch.setattr(opened_run, "build", gone)
    lifted = lifting_run.lift(walking.joints_2d, size=SIZE)
    assert distance(lifted.joints_3d, predicted(lifting_run, walking.joints_2d)) < 1e-5
    assert any("has not noted what its lifter saw" in note for note in lifted.notes)
    with pytest.raises(PoseplugError, match="use --view given"):
        lifting_run.lift(walking.joints_2d, size=SIZE, view="centred")


@attrs.define(eq=False)
class Endless:
    """A file of the same people again and again."""

    people: torch.Tensor
    chunks_left: int
    skeleton: object
    format: str = "test"
    fps: float | None = None

    def chunks(self):
        n = len(self.people)
        for number in range(self.chunks_left):
            frame = torch.arange(n) + number * n
            everything = torch.ones(n, 16), frame, torch.full((n,), -1), torch.tensor([SIZE]).float().expand(n, 2)
            yield Detections(self.people, *everything)


def test_memory_does_not_grow_with_the_file(lifting_run, walking):
    def peak(chunks):
        file = Endless(walking.joints_2d.repeat(10, 1, 1), chunks, walking.skeleton)
        settings = LiftSettings(device="cpu", smooth=5)
        tracemalloc.start()
        with lifting(str(lifting_run.path), file, settings, load_catalogue()) as lifted:
            most, count = tracemalloc.get_traced_memory()[1], len(lifted)
            assert sum(len(block) for block in lifted.blocks()) == count
        tracemalloc.stop()
        return most, count

    peak(1)
    (small, few), (large, many) = peak(4), peak(24)
    assert (large - small) / (many - few) < 150  # bytes a person; their joints alone are 448


class Hips(RootEstimator):
    """Sees people four metres away."""

    def forward(self, joints_2d, camera):
        return camera.unproject(joints_2d[:, :1], torch.full_like(joints_2d[:, :1, 0], 4.0))[:, 0]

    def loss(self, roots, batch, **inputs):
        return {}


def test_a_root_estimator_says_where_people_are(lifting_run, walking, monkeypatch):
    from poseplug.core.models.lifting_model import LiftingModel
    from poseplug.registry.lifting.opened_run import OpenedRun

    opened = OpenedRun.named(str(lifting_run.path), load_catalogue(), torch.device("cpu"))
    model = LiftingModel(opened.model.lifter, walking.skeleton, Hips()).eval()
    monkeypatch.setattr(OpenedRun, "named", lambda *_: attrs.evolve(opened, model=model))
    given = lifting_run.lift(walking.joints_2d, size=SIZE, view="given")
    assert not given.root_estimated
    assert np.allclose(given.root[:, 2], 4)
    # From a camera that is turned towards a person, four metres lie along another axis, through the same pixel.
    centred = lifting_run.lift(walking.joints_2d, size=SIZE, view="centred")
    assert np.allclose(centred.root[:, :2] / centred.root[:, 2:], given.root[:, :2] / 4, atol=1e-5)
    assert not np.allclose(centred.root[:, 2], 4, atol=1e-3)


def test_without_room_for_temporary_files(lifting_run, walking, monkeypatch):
    def full(*_, **__):
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("poseplug.registry.lifting.lift.TemporaryDirectory", full)
    with pytest.raises(PoseplugError, match="No usable temporary directory found. Free some space, or say with TMPDIR"):
        lifting_run.lift(walking.joints_2d, size=SIZE)


def test_a_file_from_python(lifting_run, walking, tmp_path):
    np.save(tmp_path / "points.npy", walking.joints_2d.numpy())
    told = lift_file(
        lifting_run.path,
        tmp_path / "points.npy",
        [tmp_path / "a.npz", tmp_path / "a.json"],
        skeleton="h36m16",
        size=SIZE,
        fps=30,
    )
    assert told["files"] == [str(tmp_path / "a.npz"), str(tmp_path / "a.json")]
    assert told["people"] == 300
    with np.load(tmp_path / "a.npz") as stored:
        assert distance(stored["joints_3d"], predicted(lifting_run, walking.joints_2d)) < 1e-5
        assert stored["fps"] == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keypoints": torch.zeros(3, 17, 2)}, r"shape \[3, 16, 2\] for the skeleton 'h36m16'"),
        ({"confidence": torch.ones(3)}, r"confidence must have the shape \[300, 16\]"),
        ({"frame": [1]}, r"frame must have the shape \[300\]"),
        ({"frame": [0.5] * 300}, "frame must be whole numbers"),
        ({"frame": [float("nan")] * 300}, "frame must be whole numbers"),
        ({"track": ["me"] * 300}, "track must be an array of numbers; got list"),
        ({"keypoints": None}, "key points must be an array of numbers; got NoneType"),
        ({"size": "1000x1000"}, "'size' must be 2 numbers; got '1000x1000'"),
        ({"size": 1000}, "'size' must be 2 numbers; got 1000"),
        ({"camera": (1, 2)}, r"'camera' must be 4 numbers; got \(1, 2\)"),
        ({"focal": "long"}, "'focal' must be a number; got 'long'"),
        ({"smooth": "9"}, "'smooth' must be a whole number of frames; got '9'"),
        ({"person": 3}, "there is no such track; there are 0"),
        ({"skeleton": "coco71"}, "coco71"),
        ({"view": "side"}, "--view must be one of auto, given, centred; got 'side'"),
        ({"focal": 3, "fov": 3}, "--focal and --fov say the same thing twice"),
        ({"confidence": torch.zeros(300, 16)}, "Of nobody were half of the joints found"),
        ({"keypoints": torch.zeros(0, 16, 2)}, "nobody in these key points"),
        ({"person": "3"}, "there is no such track; there are 0"),
    ],
)
def test_mistakes(lifting_run, walking, arguments, message):
    with pytest.raises(PoseplugError, match=message):
        lifting_run.lift(**{"keypoints": walking.joints_2d, "size": SIZE, **arguments})
