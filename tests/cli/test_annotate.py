"""``poseplug data annotate``: what cannot be begins nothing; Ctrl-C ends with everything written."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from annotating import ask, draw, figures, message, person

from poseplug.core.data.pose_file_reader import PoseFile


@pytest.fixture
def images(walking, tmp_path):
    return draw(tmp_path / "images", figures(walking, 2)[1])


def refused(poseplug, *words):
    done = poseplug("data", "annotate", *words, "--no-browser")
    assert (done.exit_code, done.stdout) == (2, ""), done.stdout
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_images_that_are_none(poseplug, images, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    assert "There are no images in 'empty'" in refused(poseplug, "empty")
    assert "There is no file or folder 'nowhere'" in refused(poseplug, "nowhere")
    (images / "broken.png").write_bytes((images / "figure-0.png").read_bytes()[:20])
    assert "Cannot read the image 'images/broken.png'" in refused(poseplug, "images")
    assert "are both called 'figure-0.png'" in refused(poseplug, "images/figure-0.png", "images/figure-0.png")
    assert not list(tmp_path.glob("annotated*"))


def test_other_things_that_cannot_be(poseplug, images, tmp_path):
    assert "'nobody' holds no run" in refused(poseplug, "images", "--lifter", "nobody")
    assert "No skeleton is called 'h36m18'" in refused(poseplug, "images", "--skeleton", "h36m18")
    assert "--focal and --fov say the same thing twice" in refused(poseplug, "images", "--focal", "500", "--fov", "60")
    assert "--fov must be between 0 and 180" in refused(poseplug, "images", "--fov", "200")
    assert "must end with .safetensors" in refused(poseplug, "images", "--out", "poses.npz")
    (tmp_path / "no.limits").write_text("none")
    assert "no.limits" in refused(poseplug, "images", "--limits", "no.limits")
    assert "There is no file or folder 'none.json'" in refused(poseplug, "images", "--keypoints", "none.json")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Cannot use port {port}" in refused(poseplug, "images", "--port", str(port))
    assert not list(tmp_path.glob("annotated*"))
    (tmp_path / "annotated.safetensors").write_bytes(b"mine")
    assert "'annotated.safetensors' is there already" in refused(poseplug, "images")
    assert (tmp_path / "annotated.safetensors").read_bytes() == b"mine"


def test_ctrl_c_writes_the_posefile(poseplug, images, walking, tmp_path):
    words = ["data", "annotate", "images", "--no-browser", "--fov", "60", "--out", "mine.safetensors"]
    with running(words, tmp_path) as (process, address):
        image = ask(address, "about")[1]["images"][0]
        assert image["focal"] == pytest.approx(320 / 3**-0.5, abs=0.01)
        somebody = person(figures(walking, 2)[1][0])
        fitted = ask(address, "fit/0", {"person": somebody, "focal": image["focal"], "anew": True})[1]
        assert ask(address, "states/0", message([somebody | {"pose": fitted["pose"]}]))[0] == 200
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == 0, said
    assert "1 person in 1 image (2D and 3D) written to mine.safetensors." in said
    assert len(PoseFile(tmp_path / "mine.safetensors")) == 1
    looked_at = poseplug("data", "inspect", "posefile:path=mine.safetensors,split=all", "--json")
    assert looked_at.exit_code == 0, looked_at.stderr
    facts = json.loads(looked_at.stdout)
    assert (facts["poses"], facts["labels"]["image"]) == (1, {"figure-0.png": 1})


def test_the_browser_is_opened_unless_told_not_to(poseplug, images, tmp_path, monkeypatch):
    import typer

    from poseplug.registry.annotation.server import AnnotationServer

    def stopped(server):
        raise KeyboardInterrupt

    opened = []
    monkeypatch.setattr(typer, "launch", opened.append)
    monkeypatch.setattr(AnnotationServer, "serve_forever", stopped)
    for flags in ([], ["--no-browser"]):
        done = poseplug("data", "annotate", "images", *flags)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith("http://127.0.0.1:")
        assert done.stderr.endswith("Nobody is annotated yet, so no posefile was written.\n")
    assert len(opened) == 1
    assert not list(tmp_path.glob("annotated*"))


def test_frames_that_no_image_has(poseplug, images, tmp_path):
    people = [{"image_id": 77, "category_id": 1, "keypoints": [1.0] * 51, "score": 1}]
    (tmp_path / "found.json").write_text(json.dumps(people))
    shown = refused(poseplug, "images", "--keypoints", "found.json")
    assert "'found.json' has people in frame 77" in shown


@contextlib.contextmanager
def running(words, folder):
    """Give a process that serves the page, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "poseplug", *words], cwd=folder, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr.read()
        yield process, address
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
