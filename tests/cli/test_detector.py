"""``poseplug detector`` and ``poseplug lift --detector``: from labelled images to poses."""

import json
import shutil
import signal

import numpy as np
import pytest
from labelled_images import write_labelled

SMALL = "hrnet:width=2,crop=[32,32]"
SHORT = ("--steps", 4, "--batch-size", 2, "--device", "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with labelled images, and a detector that was trained on them."""
    from typer.testing import CliRunner

    from poseplug.cli.main import app

    folder = tmp_path_factory.mktemp("detectors")
    write_labelled(folder / "images", 5)
    words = ("train", folder / "images/people.json", folder / "images", "--out", folder / "mine")
    done = CliRunner().invoke(app, ["detector", *map(str, words), "--detector", SMALL, *map(str, SHORT), "--json"])
    assert done.exit_code == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.fixture
def labelled(made, tmp_path):
    shutil.copytree(made[0] / "images", tmp_path / "images")
    return ("images/people.json", "images")


@pytest.fixture
def trained(made, tmp_path):
    shutil.copytree(made[0] / "mine", tmp_path / "mine")
    return made[1]


def test_a_detector_is_trained_measured_and_lifts(poseplug, labelled, trained, lifting_run, tmp_path):
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        "detector.toml",
        "model.safetensors",
        "result.json",
    }
    assert trained == json.loads((tmp_path / "mine/result.json").read_text())
    assert (trained["detector"], trained["layout"], trained["steps"]) == ("hrnet", "coco17", 4)
    measured = poseplug("detector", "eval", "mine", *labelled, "--json", "--device", "cpu")
    found = json.loads(measured.stdout)
    assert found["error_px"] == trained["on_training_people"]["error_px"]
    assert "PCK@0.05" in poseplug("detector", "eval", "mine", *labelled).stdout
    poses = []
    for detector in ("mine", "hrnet:width=2,crop=[32,32],weights=mine/model.safetensors"):
        lifted = poseplug(
            *("lift", lifting_run.path, "images", "--detector", detector, "--boxes", "images/people.json"),
            *("--out", "x.npz", "--json", "--force", "--min-confidence", 0, "--device", "cpu"),
        )
        assert lifted.exit_code == 0, lifted.stderr
        said = json.loads(lifted.stdout)
        assert (said["format"], said["people"], said["frames"], said["image"]) == ("hrnet", 5, 5, [50.0, 60.0])
        with np.load(tmp_path / "x.npz") as stored:
            assert stored["joints_3d"].shape == (5, 16, 3)
            poses.append(stored["joints_2d"])
    assert np.array_equal(*poses)


def test_a_picture_without_boxes_has_one_person(poseplug, labelled, trained, lifting_run):
    lifted = poseplug(
        *("lift", lifting_run.path, "images/003.png", "--detector", "mine", "--out", "x.npz", "--json"),
        *("--min-confidence", 0),
    )
    assert json.loads(lifted.stdout)["people"] == 1


def test_from_python(labelled, trained, lifting_run, tmp_path, monkeypatch):
    from poseplug.registry.api import lift_file

    monkeypatch.chdir(tmp_path)
    said = lift_file(lifting_run.path, "images", "x.npz", detector="mine", min_confidence=0.0, device="cpu")
    assert (said["format"], said["people"]) == ("hrnet", 5)


def test_a_layout_is_made_of_that_of_the_labels(poseplug, labelled, tmp_path):
    done = poseplug(
        *("detector", "train", *labelled, "--detector", SMALL, *SHORT, "--layout", "h36m16", "--out", "mine", "--json")
    )
    assert json.loads(done.stdout)["layout"] == "h36m16"
    found = json.loads(poseplug("detector", "eval", "mine", *labelled, "--json").stdout)
    assert set(found["error_px_by_joint"]) >= {"Hip", "Thorax", "LFoot"}


def test_what_was_stopped_goes_on(poseplug, labelled, made, tmp_path, monkeypatch):
    from poseplug.core.detection.training import DetectorTrainer

    take_step = DetectorTrainer.take_step

    def interrupted(self):
        if self.step == 1:
            signal.raise_signal(signal.SIGINT)
        return take_step(self)

    train = ("detector", "train", *labelled, "--detector", SMALL, *SHORT, "--json")
    monkeypatch.setattr(DetectorTrainer, "take_step", interrupted)
    stopped = poseplug(*train, "--out", "mine")
    assert stopped.exit_code == 130
    assert "Stopped after step 2; the same command with --resume goes on from there." in stopped.stderr
    assert not (tmp_path / "mine/model.safetensors").exists()
    unfinished = poseplug("detector", "eval", "mine", *labelled)
    assert "whose training is not finished" in unfinished.stderr
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    other = poseplug(*train, "--out", "mine", "--resume", "--seed", 5)
    assert "was begun with another training" in other.stderr
    resumed = poseplug(*train, "--out", "mine", "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["on_training_people"] == made[1]["on_training_people"]


def test_a_rehearsal_writes_nothing(poseplug, labelled, tmp_path):
    done = poseplug("detector", "train", *labelled, "--detector", SMALL, "--dry-run")
    assert "hrnet fits and one step works" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("lift", "{run}", "images", "--detector", "hrnt:weights=x"),
            "There is no detector 'hrnt'. Did you mean 'hrnet'?",
        ),
        (("lift", "{run}", "images", "--detector", "hrnet:width=2"), "cannot find joints yet: it has no weights"),
        (("lift", "{run}", "images", "--detector", "nowhere/mine"), "'nowhere/mine' holds no detector"),
        (("lift", "{run}", "images", "--detector", "images"), "'images' holds no detector"),
        (("lift", "{run}", "images", "--detector", "hrnet:weights=none.pth"), "Cannot read the weights"),
        (("lift", "{run}", "images", "--boxes", "b.json"), "say with --detector who finds their joints"),
        (("lift", "{run}", "images", "--detector", "mine", "--skeleton", "coco17"), "a detector knows its own"),
        (("lift", "{run}", "nowhere", "--detector", "mine"), "There is no picture or folder 'nowhere'"),
        (("lift", "{run}", "empty", "--detector", "mine"), "The folder 'empty' has no pictures"),
        (("lift", "{run}", "bad", "--detector", "mine"), "'bad/1.png' is damaged or no picture"),
        (("lift", "{run}", "bad", "--detector", "mine", "--boxes", "images/people.json"), "has no boxes of '1.png'"),
        (("detector", "train", "{labels}", "--out", "mine"), "'mine' already holds a detector"),
        (("detector", "train", "{labels}", "--out", "images"), "'images' exists and is not an empty folder"),
        (("detector", "train", "{labels}", "--out", "new", "--resume"), "'new' holds no detector"),
        (("detector", "train", "{labels}", "--map", "LHip=none"), "a detector learns every joint of its layout"),
        (("detector", "train", "{labels}", "--steps", "0"), "setting 'steps': must be at least 1, got 0"),
        (("detector", "train", "{labels}", "--detector", "hrnet:crop=[50,50]"), "multiples of 32, got [50, 50]"),
        (("detector", "train", "none.json", "images"), "There is no file or folder 'none.json'"),
    ],
)
def test_mistakes_end_in_one_message(poseplug, labelled, trained, lifting_run, tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/1.png").write_text("no picture")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    fixed = {"{run}": [lifting_run.path], "{labels}": [*labelled, "--device", "cpu"]}
    done = poseplug(*(each for word in words for each in fixed.get(word, [word])))
    assert done.exit_code == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
