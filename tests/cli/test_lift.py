"""``poseplug lift`` as a user meets it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from poseplug.core.geometry.layouts import layout

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def detections(tmp_path_factory, walking):
    """A file of COCO key points, made of poses: the face lies about the head, ankles are feet, a wrist gets lost."""
    face = dict.fromkeys(("Nose", "LEye", "REye", "LEar", "REar"), "Head")
    made = {**face, "LAnkle": "LFoot", "RAnkle": "RFoot"}
    places = [walking.skeleton.index(made.get(name, name)) for name in layout("coco17").joints]
    people = []
    for number, joints in enumerate(walking.joints_2d[:120, places]):
        sure = torch.full((17, 1), 0.9)
        sure[9] = 0.01 if number % 20 < 5 else 0.9
        points = torch.cat([joints, sure], 1).flatten()
        people.append({"image_id": number, "category_id": 1, "keypoints": points.tolist(), "score": 0.9})
    path = tmp_path_factory.mktemp("detections") / "walk.json"
    path.write_text(json.dumps(people))
    return path


def refused(result, message):
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("error:") == 1
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert not list(result.folder.iterdir())


def test_the_short_way(poseplug, lifting_run, detections):
    done = poseplug("lift", lifting_run.path, detections)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert [path.name for path in done.folder.iterdir()] == ["walk-3d.npz"]
    said = done.stderr.splitlines()
    assert said[0].startswith(f"{detections} (coco) lifted by")
    assert "  120 people in 120 frames, 1 track" in said
    assert any("Head of LEar+REar" in line and "LFoot = LAnkle" in line for line in said)
    assert any("a guess, since the key points do not say; --size WxH" in line for line in said)
    assert "  30 joints were missing: 25 interpolated over at most 10 frames, 5 put on the nearest found" in said
    assert said[-1] == "Written: walk-3d.npz"
    with np.load(done.folder / "walk-3d.npz") as stored:
        assert stored["joints_3d"].shape == (120, 16, 3)
        assert np.isfinite(stored["joints_3d"]).all()
        assert ((stored["confidence"][:, 12] > 0).sum()) == 90
    again = poseplug("lift", lifting_run.path, detections)
    assert again.exit_code == 2
    assert "'walk-3d.npz' is there already" in again.stderr
    assert poseplug("lift", lifting_run.path, detections, "--force").exit_code == 0


def test_every_output_and_a_summary(poseplug, lifting_run, detections):
    done = poseplug(
        *(
            "lift",
            lifting_run.path,
            detections,
            "--size",
            "1000x1002",
            "--focal",
            1145,
            "--smooth",
            "0.2s",
            "--fps",
            30,
        ),
        *("--out", "a.npz", "--out", "a.json", "--out", "a.bvh", "--picture", "a.png", "--page", "a.html", "--json"),
    )
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["files"] == ["a.npz", "a.json", "a.bvh", "a.png", "a.html"]
    assert told["people"], told["view"] == (120, "given")
    assert told["missing_joints"] == 30
    assert told["image"] == [1000, 1002]
    assert (done.folder / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "Frame Time: 0.0333333" in (done.folder / "a.bvh").read_text()
    page = (done.folder / "a.html").read_text()
    shown = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
    assert len(shown["frames"]) == 120
    with np.load(done.folder / "a.npz") as stored:
        (person,) = shown["people"]
        assert np.allclose(person["pose"], stored["joints_3d"], atol=6e-4)
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", page)


def test_an_animation(poseplug, lifting_run, detections, tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "short.json").write_text(json.dumps(json.loads(detections.read_text())[:20]))
    done = poseplug("lift", lifting_run.path, "short.json", "--picture", "a.gif", "--fps", "60")
    assert done.exit_code == 0, done.stderr
    with image.open(done.folder / "a.gif") as picture:
        assert picture.n_frames == 20
        assert picture.info["duration"] == 20


def test_warnings_stand_first_and_are_in_the_summary(poseplug, lifting_run, walking, tmp_path):
    np.save(tmp_path / "points.npy", 1000 - walking.joints_2d.numpy())
    done = poseplug("lift", lifting_run.path, "points.npy", "--skeleton", "h36m16", "--size", "1000x1002", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("warning: people stand upside down")
    assert json.loads(done.stdout)["warnings"][0].startswith("people stand upside down")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.fbx"], r"--out 'a.fbx': the suffix must be one of .npz, .json, .bvh, .safetensors"),
        (["--picture", "a.mp4"], "--picture 'a.mp4': the suffix must be .png or .gif"),
        (["--page", "a.pdf"], "--page 'a.pdf': the suffix must be .html"),
        (["--size", "big"], "--size must be WIDTHxHEIGHT in pixels, such as 1920x1080; got 'big'"),
        (["--camera", "1,2,3"], "--camera must be fx,fy,cx,cy"),
        (["--focal", "1000", "--fov", "60"], "--focal and --fov say the same thing twice"),
        (["--fov", "200"], "--fov must be between 0 and 180"),
        (["--focal", "inf"], "--focal must be a number of pixels above 0"),
        (["--camera", "1000,1000,nan,500"], "--camera must be fx,fy,cx,cy"),
        (["--fps", "0"], "--fps must be a number of frames a second above 0, got 0"),
        (["--fps", "nan", "--smooth", "0.3s"], "--fps must be a number of frames a second above 0, got nan"),
        (["--smooth", "1e9"], "--smooth must be from 0 to 10000 frames, got 1000000000"),
        (["--out", "a.npz", "--out", "./a.npz"], "'a.npz' is asked for twice"),
        (["--view", "behind"], "--view must be one of auto, given, centred; got 'behind'"),
        (["--person", "me"], "--person must be all, best or the number of a track; got 'me'"),
        (["--person", "7"], "--person 7: there is no such track; there are 0"),
        (["--smooth", "long"], "--smooth must be a number of frames"),
        (["--smooth", "0.5s"], "--smooth in seconds needs the frames a second"),
        (["--map", "Head"], "--map 'Head' is not JOINT=NAME"),
        (["--map", "Head=LEra"], "no joint 'LEra' among .* Did you mean 'LEar'"),
        (["--map", "Haed=LEar"], "no joint 'Haed' among .* Did you mean 'Head'"),
        (["--map", "Haed=none"], "no joint 'Haed'.* Did you mean 'Head'"),
        (["--skeleton", "openpose25"], "25"),
        (["--format", "cocoo"], "No format of key points is called 'cocoo'. Did you mean 'coco'"),
        (["--min-confidence", "2"], "--min-confidence must be from 0 to 1"),
        (["--min-confidence", "0.95"], "Of nobody were half of the joints found"),
        (["--max-gap", "-1"], "--max-gap must be at least 0"),
        (["--device", "gpu"], "--device 'gpu' is not known"),
    ],
)
def test_refused(poseplug, lifting_run, detections, arguments, message):
    refused(poseplug("lift", lifting_run.path, detections, *arguments), message)


def test_no_run_and_no_key_points(poseplug, lifting_run, detections):
    refused(poseplug("lift", "nowhere", detections), "'nowhere' holds no run")
    refused(poseplug("lift", lifting_run.path, "nowhere.json"), "no file or folder 'nowhere.json'")


def test_key_points_are_not_replaced(poseplug, lifting_run, detections):
    before = detections.read_bytes()
    done = poseplug("lift", lifting_run.path, detections, "--out", detections, "--force")
    refused(done, "walk.json' holds the key points, which are not replaced")
    assert detections.read_bytes() == before


def test_a_damaged_file_leaves_nothing(poseplug, lifting_run, detections, tmp_path_factory):
    cut = tmp_path_factory.mktemp("cut") / "cut.json"
    cut.write_text(detections.read_text()[:20_000])
    refused(poseplug("lift", lifting_run.path, cut), "cut.json")


def test_control_c_leaves_nothing(lifting_run, walking, tmp_path):
    (tmp_path / "temporary").mkdir()
    np.save(tmp_path / "points.npy", walking.joints_2d.repeat(500, 1, 1).numpy())
    command = [sys.executable, "-m", "poseplug", "lift", str(lifting_run.path), "points.npy"]
    command += ["--skeleton", "h36m16", "--size", "1000x1002", "--out", "out/a.json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "temporary").glob("poseplug-lift-*/poses")):
        assert running.poll() is None, running.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.strip().endswith("Stopped.")
    assert "Traceback" not in said
    assert not list((tmp_path / "temporary").iterdir())
    assert not list(tmp_path.glob("out/*"))
