"""``poseplug data limits``: learn, check, import."""

import json
import re

import numpy as np
import pytest

FEW = "builtin:split=train,takes=1,frames=8"


@pytest.fixture
def learned(poseplug, tmp_path):
    done = poseplug("data", "limits", "learn", FEW, "--no-ranges", "--out", "limits.safetensors")
    assert done.exit_code == 0, done.stderr
    return done


def test_limits_are_learned_and_data_are_held_against_them(poseplug, tmp_path, learned):
    assert "Limits are in limits.safetensors" in learned.stderr
    rows = dict(re.split("  +", line, maxsplit=1) for line in learned.stdout.splitlines())
    assert set(rows) == {"bone", "head", "upper_arm", "forearm", "thigh", "shin"}
    own = json.loads(poseplug("data", "limits", "check", FEW, "--limits", "limits.safetensors", "--json").stdout)
    assert own["poses"] == 5 * 15 * 8 * 4
    assert own["accepted"] >= 0.995
    shown = poseplug("data", "limits", "check", "builtin:split=test", "--limits", "limits.safetensors")
    table = dict(re.split("  +", line, maxsplit=1) for line in shown.stdout.splitlines())
    assert set(table) >= {"poses", "accepted", "Thorax-Head", "LElbow-LWrist"}
    default = json.loads(poseplug("data", "limits", "check", "builtin:split=test", "--json").stdout)
    assert float(table["accepted"].rstrip("%")) / 100 < default["accepted"] == 1


def test_wider_margins_and_several_sources(poseplug, learned):
    said = ("data", "limits", "learn", FEW, "fk_generator", "--poses", 2000, "--margin", 15, "--no-ranges", "--json")
    facts = json.loads(poseplug(*said, "--out", "wide.safetensors").stdout)
    assert facts["poses"] == 4000
    assert facts["sources"] == [FEW, "fk_generator"]
    assert facts["settings"]["margin"] == 15
    accepted = [
        json.loads(poseplug("data", "limits", "check", "builtin:split=test", "--limits", file, "--json").stdout)
        for file in ("limits.safetensors", "wide.safetensors")
    ]
    assert accepted[0]["accepted"] < accepted[1]["accepted"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("learn", FEW, "--out", "limits.safetensors"), "is there already"),
        (("learn", "fk_generator", "--out", "new.safetensors"), "--poses N"),
        (("learn", "coco", "--out", "new.safetensors"), "path"),
        (("learn", FEW, "--margin", "-1", "--out", "new.safetensors"), "--margin"),
        (("check", FEW, "--limits", "none.safetensors"), "no file 'none.safetensors'"),
        (("check", FEW, "--limits", "other.safetensors"), "holds no joint limits"),
        (("import", "none.mat", "--out", "new.safetensors"), "no file 'none.mat'"),
        (("import", "some.npy", "--out", "new.safetensors"), "no dictionary"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(poseplug, tmp_path, learned, arguments, message):
    poseplug("data", "convert", "builtin:takes=1,frames=1", "other.safetensors")
    np.save(tmp_path / "some.npy", np.ones(3))
    before = (tmp_path / "limits.safetensors").read_bytes()
    failed = poseplug("data", "limits", *arguments)
    assert failed.exit_code == 2
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "new.safetensors").exists()
    assert (tmp_path / "limits.safetensors").read_bytes() == before


def test_published_tables_are_imported(poseplug, tmp_path):
    """A half of each sphere for everybody; the details stand in tests/core/anatomy."""
    half = np.zeros((121, 61))
    half[:, :30] = 1

    def cells(array):
        found = np.empty((1, 10), object)
        for i in range(10):
            found[0, i] = array
        return found

    model = {
        "angleSprd": cells(half),
        "sepPlane": cells(np.broadcast_to([0.0, 0, 1, 0], (121, 61, 4)).copy()),
        "E2": cells(np.broadcast_to([1.0, 0, 0], (121, 61, 3)).copy()),
        "bounds": cells(np.broadcast_to([-1.0, 1, -1, 1], (121, 61, 4)).copy()),
    }
    np.save(tmp_path / "model.npy", np.array(model, object))
    np.save(tmp_path / "pose.npy", np.array({"a": np.array([0.0, 0, 1]), "di": np.ones((3, 16))}, object))
    said = ("data", "limits", "import", "model.npy", "pose.npy")
    facts = json.loads(poseplug(*said, "--out", "all.safetensors", "--json").stdout)
    assert facts["allowed"]["head"] == pytest.approx(0.5, abs=0.05)
    # A left bone may do what the right one's table allows, so of halves more than one half is left.
    assert 0.5 <= facts["allowed"]["forearm"] <= 1
    lower = poseplug(*said, "--out", "lower.safetensors", "--bones", "lower", "--json")
    assert set(json.loads(lower.stdout)["allowed"]) == {"forearm", "shin"}
    found = poseplug("data", "limits", "check", FEW, "--limits", "lower.safetensors", "--json")
    bones = json.loads(found.stdout)["bones"]
    assert bones["LShoulder-LElbow"] == 1
