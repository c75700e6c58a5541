"""The recipe of the backbone in small: trained on images, kept, and taken by another run."""

import json

import pytest
from labelled_images import write_labelled
from safetensors.torch import save_file

from poseplug_virtualpose.backbone.pose_resnet import PoseResNet

SMALL = ["input.depth=18", "input.height=8", "input.width=16", "input.deconv_channels=8"]
SOURCE = ["source.path=images/people.json", "source.images=images", "source.canvas=[32,64]", "source.min_size=1"]
SHORT = ["--steps", "3", "--batch-size", "2", "--set", "log_every=1", "--eval", "builtin:takes=1"]


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    joints = write_labelled(tmp_path / "images", 4, size=(120, 160))
    path = tmp_path / "images/people.json"
    document = json.loads(path.read_text())
    document["annotations"][0]["keypoints"][27:30] = [0, 0, 0]
    path.write_text(json.dumps(document))
    return joints


def arguments(*settings):
    return [part for setting in settings for part in ("--set", setting)]


def test_a_backbone_is_trained_and_taken_by_another_run(images, poseplug, tmp_path):
    recipe = ["run", "--recipe", "virtualpose-backbone", *SHORT]
    first = poseplug(*recipe, *arguments(*SMALL, *SOURCE), "--out", "first")
    assert first.exit_code == 0, first.output
    # Losses of the backbone, and of nothing else.
    losses = {word for word in first.output.split() if "/" in word and not word[0].isdigit()}
    assert {"input/backbone/heatmaps", "input/backbone/boxes"} <= losses
    assert not any("lifter" in word for word in losses)
    taken = ['pretrained_parts=["input:backbone"]', *SMALL, *SOURCE, "lifter.channels=32"]
    second = poseplug(*recipe, *arguments(*taken), "--from", "first", "--dry-run")
    assert second.exit_code == 0, second.output


def test_images_of_another_size_are_told(images, poseplug):
    recipe = ["run", "--recipe", "virtualpose-backbone", *SHORT]
    refused = poseplug(*recipe, *arguments(*SMALL, *SOURCE, "source.canvas=[64,64]"), "--out", "run")
    assert refused.exit_code == 2
    assert "canvas=[32,64]" in refused.output
    refused = poseplug(*recipe, *arguments(*SMALL, *SOURCE, "source.images="), "--out", "other")
    assert refused.exit_code == 2
    assert "image" in refused.output


def test_a_run_is_opened_and_goes_on_without_the_file_that_it_began_with(images, poseplug, tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(PoseResNet(18, 17, 8).state_dict(), path)
    recipe = ["run", "--recipe", "virtualpose-backbone", *SHORT, *arguments(*SMALL, *SOURCE)]
    begun = poseplug(*recipe, "--set", f"input.weights={path}", "--out", "first")
    assert begun.exit_code == 0, begun.output
    path.unlink()
    for further in (["eval", "first", "--on", "builtin:takes=1"], ["run", "--resume", "first", "--steps", "4"]):
        done = poseplug(*further)
        assert done.exit_code == 0, done.output
