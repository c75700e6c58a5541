"""``poseplug data``: inspect, convert, plot."""

import builtins
import json
import re
import signal

import pytest

FEW = "builtin:split=all,takes=1,frames=4"


def test_a_data_set_is_looked_at(poseplug):
    shown = poseplug("data", "inspect", FEW)
    assert shown.exit_code == 0, shown.stderr
    lines = dict(re.split("  +", line, maxsplit=1) for line in shown.stdout.splitlines() if "  " in line)
    assert lines["poses"] == str(7 * 15 * 4 * 4)
    assert lines["subjects"].startswith("7: S1 240, ")
    assert lines["cameras"].startswith("4; 4 intrinsics, focal length 11")
    assert shown.stdout.endswith("Nothing looks wrong.\n")
    facts = json.loads(poseplug("data", "inspect", FEW, "--json").stdout)
    assert facts["poses"] == 1680
    assert facts["problems"] == []
    assert facts["labels"]["subject"]["S11"] == 240
    few = json.loads(poseplug("data", "inspect", "fk_generator", "--poses", 300, "--json").stdout)
    assert (few["poses"], few["looked_at"]) == (None, 300)


def test_what_looks_wrong_is_told(poseplug, tmp_path):
    """A sway in BVH that says inches are metres."""
    from poseplug_datasets.bvh import BVH

    BVH.example_settings(tmp_path)
    shown = poseplug("data", "inspect", "bvh:path=sway.bvh,split=all,units=0.1")
    assert shown.exit_code == 0, shown.stderr
    assert "What looks wrong:" in shown.stdout
    assert re.search(r"^- People are 1\d(\.\d)? m tall", shown.stdout, re.M)


def test_a_set_is_converted_looked_at_and_trained_on(poseplug, tmp_path):
    done = poseplug("data", "convert", FEW, "few.safetensors")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert "1680 poses in 0.6 MB, from 0 files. Use them: --source posefile:path=few.safetensors" in done.stderr
    sharded = poseplug("data", "convert", FEW, "set", "--shard-size", 500, "--json")
    assert json.loads(sharded.stdout)["poses"] == 1680
    assert len(list((tmp_path / "set").iterdir())) == 4
    said = [poseplug("data", "inspect", spec, "--json").stdout for spec in (FEW, "posefile:path=set")]
    one, other = (json.loads(text) | {"source": ""} for text in said)
    assert one == other
    small = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "2", "--batch-size", "8", "--json"]
    on = ["--source", "posefile:path=set,test_subjects=[S9,S11]"]
    run = poseplug("run", *small, *on, "--out", "here")
    assert run.exit_code == 0, run.stderr
    assert json.loads(run.stdout)["poses"] == {"posefile": 480}
    unsaid = poseplug("run", *small, "--source", "posefile:path=set")
    assert unsaid.exit_code == 2
    assert "Nothing says which poses of" in unsaid.stderr


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_is_drawn(poseplug, tmp_path, suffix):
    done = poseplug("data", "plot", "builtin:takes=1,frames=2", f"made/poses.{suffix}", "--rows", 1)
    assert done.exit_code == 0, done.stderr
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert (tmp_path / "made" / f"poses.{suffix}").read_bytes().startswith(begins)


def size_of(picture):
    return int.from_bytes(picture.read_bytes()[16:20], "big"), int.from_bytes(picture.read_bytes()[20:24], "big")


def test_what_is_shown_is_chosen(poseplug, tmp_path):
    from poseplug_datasets.coco import Coco

    for topic in ("poses", "cameras", "people", "bones"):
        done = poseplug("data", "plot", FEW, f"{topic}.png", "--show", topic, "--rows", 2, "--columns", 5)
        assert done.exit_code == 0, done.stderr
    width, height = size_of(tmp_path / "poses.png")
    assert (width, height) == (pytest.approx(5 * 1.35 * 130, abs=2), pytest.approx(2 * 1.85 * 130, abs=2))
    Coco.example_settings(tmp_path)
    flat = poseplug("data", "plot", "coco:path=person_keypoints.json", "flat.png")
    assert flat.exit_code == 0, flat.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--source", "{people}"], "learns from 3D joints, and source 'coco' gives 2D only; choose another"),
        (["run", "--source", "{stored}"], "learns from 3D joints, and source 'posefile' gives 2D only"),
        (["run", "--eval", "wild={people}"], "Evaluation 'wild' is on a source that gives 2D only"),
    ],
)
def test_poses_without_3d_are_refused_before_there_is_a_folder(poseplug, tmp_path, arguments, message):
    from poseplug_datasets.coco import Coco

    Coco.example_settings(tmp_path)
    people = "coco:path=person_keypoints.json,skeleton=h36m16"
    assert poseplug("data", "convert", people, "flat.safetensors").exit_code == 0
    words = [word.format(people=people, stored="posefile:path=flat.safetensors") for word in arguments]
    done = poseplug(*words, "--eval", FEW, "--steps", 1, "--out", "runs/flat")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_page_needs_nothing_else(poseplug, tmp_path):
    done = poseplug("data", "plot", FEW, "few.html")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "few.html").read_text()
    assert "<title>builtin:split=all,takes=1,frames=4</title>" in page
    assert "Nothing." in page
    assert "How often bones are at an angle" in page
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="http', page)
    figures = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["figures"]
    assert {"poses", "places", "height", "bones"} <= figures.keys()
    lines = [trace["x"] for trace in figures["poses"]["data"]]
    assert sum(x is None for line in lines for x in line) == 24 * 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "builtni"], "no source 'builtni'. Did you mean 'builtin'"),
        (["inspect", "bvh"], "source 'bvh' needs the setting 'path'"),
        (["inspect", "bvh:path=nowhere"], "no file or folder .*nowhere"),
        (["inspect", "posefile:path=nowhere"], "There is no file or folder .*nowhere"),
        (["convert", "fk_generator", "out"], "'fk_generator' has no end; say how many poses to write with --poses N"),
        (["convert", "bvh:path=nowhere", "out"], "nowhere"),
        (["plot", "builtin", "poses.jpg"], "'poses.jpg' is neither a picture nor a page"),
        (["plot", "builtin", "poses.png", "--show", "pose"], "nothing called 'pose' to show; choose of poses, cameras"),
    ],
)
def test_what_cannot_be_is_refused(poseplug, tmp_path, arguments, message):
    refused = poseplug("data", *arguments)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert refused.stderr.count("error:") == 1
    assert re.search(message, refused.stderr), refused.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_replaced(poseplug, tmp_path):
    (tmp_path / "out").write_text("thesis")
    refused = poseplug("data", "convert", FEW, "out")
    assert refused.exit_code == 2
    assert "'out' is there already, and nothing is replaced" in refused.stderr
    assert (tmp_path / "out").read_text() == "thesis"


@pytest.mark.parametrize("shards", [[], ["--shard-size", "500"]])
def test_ctrl_c_leaves_nothing(poseplug, tmp_path, monkeypatch, shards):
    from poseplug_posegu.fk_generator import FKGenerator

    sample, calls = FKGenerator.sample, []

    def interrupted(self, n, generator):
        calls.append(n)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return sample(self, n, generator)

    monkeypatch.setattr(FKGenerator, "sample", interrupted)
    done = poseplug("data", "convert", "fk_generator", "out", "--poses", "20000", *shards)
    assert done.exit_code == 130
    assert "Stopped; nothing was written." in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("package", "out"), [("matplotlib", "poses.png"), ("plotly", "poses.html")])
def test_a_package_that_is_not_there_is_named(poseplug, tmp_path, monkeypatch, package, out):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    refused = poseplug("data", "plot", FEW, out)
    assert refused.exit_code == 2
    assert f"This needs '{package}', which is not installed: pip install 'poseplug[report]'" in refused.stderr
    assert not list(tmp_path.iterdir())
