"""What is kept from one sitting to the next, and the posefile that is written."""

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from http.client import HTTPException

import numpy as np
import pytest
import torch
from annotating import FOCAL, ask, camera, message, person, serving

from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_17, LAYOUTS


def told_poses(pose):
    return [[round(value, 5) for value in row] for row in pose.tolist()]


def test_the_posefile(images, known, tmp_path):
    poses, pixels = known
    out = tmp_path / "out.safetensors"
    hidden = [2] * 17
    hidden[3], hidden[6] = 1, 0
    with serving(images, out) as server:
        one = person(pixels[0], pose=told_poses(poses[0]), seen=hidden)
        one["joints"][6] = [0, 0]
        two = [person(pixels[1], pose=told_poses(poses[1])), person(pixels[2], pose=told_poses(poses[2]))]
        assert ask(server.address, "states/0", message([one]))[0] == 200
        assert ask(server.address, "states/2", message(two, focal=900))[0] == 200
        status, told = ask(server.address, "save", {})
        assert (status, told["people"]) == (200, 3)
        assert told["said"] == f"3 people in 2 images (2D and 3D) written to {out}."
        # Somebody without a pose is left out, and it is said.
        assert ask(server.address, "states/1", message([person(pixels[1])]))[0] == 200
        assert "1 without a pose left out" in ask(server.address, "save", {})[1]["said"]
    file = PoseFile(out)
    stored = file.rows(np.arange(3))
    torch.testing.assert_close(stored.poses.joints_3d, poses, atol=1e-5, rtol=0)
    torch.testing.assert_close(stored.poses.joints_2d[1:], pixels[1:], atol=0.006, rtol=0)
    # Of a missing joint: where the pose is seen.
    torch.testing.assert_close(stored.poses.joints_2d[0], camera(1).project(poses[:1])[0], atol=0.01, rtol=0)
    assert stored.confidence[0].tolist() == [{2: 1.0, 1: 0.5, 0: 0.0}[seen] for seen in hidden]
    assert stored.poses.camera.focal[:, 0].tolist() == [FOCAL, 900, 900]
    assert stored.poses.camera.centre.tolist() == [[320, 240]] * 3
    assert file.about.label_names == {"image": ("figure-0.png", "figure-2.png"), "person": ("0", "1")}
    assert stored.poses.labels["image"].tolist() == [0, 1, 1]
    assert stored.poses.labels["person"].tolist() == [0, 0, 1]
    assert stored.poses.scene.tolist() == [0, 1, 1]
    assert [file.path for file in file.about.inputs] == ["figure-0.png", "figure-1.png", "figure-2.png"]
    assert file.about.skeleton.name == "h36m17"


def test_marks_alone(images, known, tmp_path):
    out = tmp_path / "out.safetensors"
    with serving(images, out) as server:
        assert ask(server.address, "save", {})[1] == {
            "people": 0, "said": "Nobody is annotated yet, so no posefile was written."
        }  # fmt: skip
        assert not out.exists()
        ask(server.address, "states/0", message([person(known[1][0]), person(known[1][1], seen=[0] * 17)]))
        assert ask(server.address, "save", {})[1]["said"] == f"1 person in 1 image (2D only) written to {out}."
    assert "joints_3d" not in PoseFile(out).columns


def test_a_second_sitting_goes_on(images, known, tmp_path):
    out = tmp_path / "out.safetensors"
    with serving(images, out) as server:
        ask(server.address, "states/1", message([person(known[1][1])], done=True))
        ask(server.address, "save", {})
    with serving(images, out, focal=1234) as server:
        state = ask(server.address, "states/1")[1]
        assert state["people"] == [person(known[1][1])]
        assert (state["done"], state["focal"], state["version"]) == (True, FOCAL, 1)
        assert ask(server.address, "states/0")[1]["focal"] == 1234
        # Also of an image that is not shown this time.
    with serving(images / "figure-0.png", out) as server:
        assert ask(server.address, "save", {})[1]["people"] == 1


def test_what_is_not_gone_on_from(images, known, tmp_path):
    out = tmp_path / "out.safetensors"
    out.write_text("something else")
    with pytest.raises(PoseplugError, match="was not made by annotating; nothing is replaced"), serving(images, out):
        pass
    assert out.read_text() == "something else"
    out.unlink()
    with serving(images, out), pytest.raises(PoseplugError, match="Somebody annotates into"), serving(images, out):
        pass
    assert not out.with_suffix(".annotations").exists()  # Nothing was annotated.
    with serving(images, out) as server:
        ask(server.address, "states/1", message([person(known[1][1])]))
        ask(server.address, "save", {})
    written = out.read_bytes()
    out.write_text("something else")
    with pytest.raises(PoseplugError, match="was not made by annotating; nothing is replaced"), serving(images, out):
        pass
    out.write_bytes(written)
    aside = out.with_suffix(".annotations").rename(tmp_path / "aside")
    with pytest.raises(PoseplugError, match="from which '.*' was made, is gone"), serving(images, out):
        pass
    aside.rename(out.with_suffix(".annotations"))
    with pytest.raises(PoseplugError, match="are of skeleton 'h36m17'"), serving(images, out, skeleton="coco17"):
        pass
    about = out.with_suffix(".annotations") / "about.json"
    about.write_text(about.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(PoseplugError, match="later poseplug"), serving(images, out):
        pass
    about.write_text("{}")
    with pytest.raises(PoseplugError, match="is damaged, or not poseplug's"), serving(images, out):
        pass
    with pytest.raises(PoseplugError, match=r"must end with \.safetensors"), serving(images, tmp_path / "out.json"):
        pass


def test_what_killed_processes_left_is_cleared_away(images, known, tmp_path):
    out = tmp_path / "out.safetensors"
    with serving(images, out) as server:
        ask(server.address, "states/1", message([person(known[1][1])]))
    folder = out.with_suffix(".annotations") / "images"
    (tmp_path / "begun.annotations").mkdir()
    (tmp_path / "begun.annotations" / ".lock").touch()
    with serving(images, tmp_path / "begun.safetensors"):
        pass
    left = [folder / f".figure-{n}.png.json.{'0a' * 16}" for n in range(2)] + [tmp_path / f".{out.name}.{'b' * 32}"]
    others = [folder / ".figure-0.png.json.backup", tmp_path / f".another.safetensors.{'c' * 32}"]
    for path in (*left, *others):
        path.write_text("half")
    with serving(images, out) as server:
        assert len(ask(server.address, "states/1")[1]["people"]) == 1
    assert [path.exists() for path in (*left, *others)] == [False] * 3 + [True] * 2


@pytest.mark.parametrize("damage", ["", "{}", '{"people": 5}', "[" * 10_000, '{"name": NaN}'])
def test_a_damaged_file_is_named(images, known, tmp_path, damage):
    out = tmp_path / "out.safetensors"
    with serving(images, out) as server:
        ask(server.address, "states/1", message([person(known[1][1])]))
    path = out.with_suffix(".annotations") / "images" / "figure-1.png.json"
    path.write_text(damage)
    with pytest.raises(PoseplugError, match=r"figure-1\.png\.json"), serving(images, out):
        pass
    assert path.read_text() == damage


def test_an_image_of_another_size_is_refused(images, known, tmp_path):
    from PIL import Image

    folder, out = tmp_path / "copies", tmp_path / "out.safetensors"
    shutil.copytree(images, folder)
    with serving(folder, out) as server:
        ask(server.address, "states/0", message([person(known[1][0])]))
    Image.new("RGB", (100, 50)).save(folder / "figure-0.png")
    said = "has 100 x 50 pixels, and was annotated when it had 640 x 480"
    with pytest.raises(PoseplugError, match=said), serving(folder, out):
        pass


def test_key_points_to_begin_with(images, known, tmp_path):
    """In COCO's words: those of image 1, which its name says; the joints that COCO lacks are made, or missing."""
    pixels, numbers = known[1][1], []
    for joint in LAYOUTS["coco17"].joints:
        name = joint.replace("Ankle", "Foot")
        numbers += [*pixels[H36M_17.index(name)].tolist(), 1.0] if name in H36M_17.joints else [0, 0, 0]
    path = tmp_path / "found.json"
    path.write_text(json.dumps([{"image_id": 1, "category_id": 1, "keypoints": numbers, "score": 1}]))
    with serving(images, tmp_path / "out.safetensors", keypoints=path) as server:
        states = [ask(server.address, f"states/{number}")[1] for number in range(3)]
        assert [len(state["people"]) for state in states] == [0, 1, 0]
        somebody = states[1]["people"][0]
        marks = torch.tensor(somebody["joints"])
        knee, hip, head = (H36M_17.index(name) for name in ("LKnee", "Hip", "Head"))
        torch.testing.assert_close(marks[knee], pixels[knee], atol=0.01, rtol=0)
        torch.testing.assert_close(marks[hip], pixels[[1, 4]].mean(0), atol=0.01, rtol=0)
        assert (somebody["seen"][hip], somebody["seen"][head]) == (2, 0)
        fitted = ask(server.address, "fit/1", {"person": somebody, "focal": FOCAL, "anew": True})
        assert fitted[1]["error_px"] < 3
        ask(server.address, "states/1", message([], 1))
    with serving(images, tmp_path / "out.safetensors", keypoints=path) as server:  # Who was removed stays away.
        assert ask(server.address, "states/1")[1]["people"] == []


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_it_answered(images, known, tmp_path):
    """Killed in the middle of many changes: what is kept is the last that was answered, or the one after it, whole."""
    out = tmp_path / "out.safetensors"
    command = [sys.executable, "-m", "poseplug", "data", "annotate", str(images), "--out", str(out), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    answered = 0
    try:
        address = process.stdout.readline().strip()
        killing = threading.Timer(1.0, process.kill)
        killing.start()
        with contextlib.suppress(OSError, HTTPException):
            while ask(address, "states/0", message([person(known[1][0] + answered + 1)], 0, answered + 1))[0] == 200:
                answered += 1
        killing.join()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert answered > 3
    with serving(images, out) as server:
        state = ask(server.address, "states/0")[1]
        assert state["version"] in (answered, answered + 1)
        assert state["people"] == [person(known[1][0] + state["version"])]
        assert not list(out.with_suffix(".annotations").rglob(".figure*"))
