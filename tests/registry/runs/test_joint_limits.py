"""Joint limits in whole runs, beside other parts, and around sources that need something of the run."""

import json

import pytest

from poseplug.registry.api import inspect_data
from poseplug.registry.config.resolve import find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.plan import make_plan

SMALL = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "3", "--batch-size", "16"]
FEW = ["--eval", "builtin:takes=1,frames=2", "--metric", "plausible"]


@pytest.mark.parametrize(
    "parts",
    [
        "--augment poseaug --discriminate joint_limits --discriminate kcs_part",
        "--augment poseaug --discriminate joint_limits",
        "--augment jitter --augment joint_limits",
        "--augment joint_limits:then=weigh --seeds 2",
        "--augment poseaug --augment joint_limits:then=report --discriminate kcs_part",
        "--source within_limits:of=fk_generator --objective anatomical:unlabelled=fk_generator",
        "--source within_limits:of=builtin --reference builtin --reweight cips --objective anatomical",
        "--objective anatomical:unlabelled=builtin --seeds 2",
    ],
)
def test_they_go_with_other_parts(poseplug, parts):
    done = poseplug("run", *parts.split(), *SMALL, *FEW, "--out", "here", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert 0 <= result["metrics"]["builtin"]["plausible"] <= 100
    said = {part: found for part, found in result["diagnostics"].items() if "plausible" in found}
    assert len(said) == ("augment joint_limits" in parts or "within_limits" in parts)
    for found in said.values():
        assert 0 < found["plausible"] <= 1


def test_a_source_is_made_from_what_its_inner_source_is_made_from():
    """Outside a run, and however deep it lies."""
    catalogue = load_catalogue()
    for text, needs in {
        "within_limits:of=fk_generator": True,
        "within_limits:of='within_limits:of=fk_generator'": True,
        "within_limits:of=builtin": False,
        "fk_generator": True,
    }.items():
        assert find_part(catalogue, "source", parse_spec(text)).needs_reference == needs
    assert inspect_data("within_limits:of=fk_generator", poses=100).facts["looked_at"] == 100


def test_an_evaluation_on_the_inner_source_sees_what_was_not_trained_on():
    """By default its test split, and wherever it is named; other data is seen whole."""
    catalogue = load_catalogue()
    source = {"name": "within_limits", "of": "builtin:cameras=random"}
    (default,) = make_plan({"source": [source]}, catalogue).parts.several("eval").values()
    assert (default.name, default.config.cameras, default.config.split) == ("builtin", "random", "test")
    evals = {"own": {"name": "builtin"}, "deep": {"name": "builtin", "noise": 3.0}}
    deeper = {"name": "within_limits", "of": "within_limits:of=builtin"}
    for part in make_plan({"source": [deeper], "eval": evals}, catalogue).parts.several("eval").values():
        assert part.config.split == "test"


def test_the_share_of_plausible_poses_is_in_the_history(poseplug):
    from poseplug.registry.api import load_run

    parts = ["--augment", "jitter", "--augment", "joint_limits", "--augment", "poseaug", "--discriminate", "kcs_part"]
    done = poseplug("run", *parts, *SMALL, *FEW, "--set", "log_every=1", "--out", "here")
    assert done.exit_code == 0, done.stderr
    history = load_run("here").history
    shares = history["augmentor1.plausible"].values
    assert len(shares) == 3
    assert bool(((shares > 0) & (shares <= 1)).all())
    assert "augmentor2.turn" in history


def test_an_inner_source_that_is_not_there_is_told_before_anything_is_built(poseplug):
    done = poseplug("run", "--source", "within_limits:of=fk_generatro", "--dry-run")
    assert done.exit_code == 2
    assert "no source 'fk_generatro'. Did you mean 'fk_generator'" in done.stderr


def test_a_converted_set_names_the_files_of_its_inner_source(poseplug):
    assert poseplug("data", "convert", "builtin:takes=1,frames=2", "all.safetensors").exit_code == 0
    made = poseplug("data", "convert", "within_limits:of='posefile:path=all.safetensors,split=all'", "fine", "--json")
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout)["inputs"] == 1
    assert 0 < json.loads(made.stdout)["poses"] <= 7 * 15 * 4 * 2
