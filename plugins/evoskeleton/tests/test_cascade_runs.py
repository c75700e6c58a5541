"""The cascade under the command line: trained, resumed, evaluated, exported, with several seeds, gone on from."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

EVAL = ("--eval", "builtin:split=test,takes=1,frames=2")
RUN = ("run", "--source", "builtin:takes=1,frames=4", *EVAL, "--batch-size", "8", "--steps", "6")
CASCADE = ("--lifter", "cascade:part='tagnet:channels=8,blocks=1'")


def run(poseplug: Any, *arguments: str) -> Any:
    done = poseplug(*arguments)
    assert done.exit_code == 0, done.output
    return done


def test_a_run_keeps_its_phases_and_is_opened_and_exported(poseplug: Any, tmp_path: Path) -> None:
    result = json.loads(run(poseplug, *RUN, *CASCADE, "--out", "mine", "--json").stdout)
    assert result["components"]["objective"] == "standardised"
    assert result["diagnostics"]["lifter"] == {"parts": 3}
    document = tomllib.loads((tmp_path / "mine" / "experiment.toml").read_text())
    assert [phase["name"] for phase in document["phase"]] == ["part1", "part2", "part3"]
    assert document["lifter"]["part"] == "tagnet:channels=8,blocks=1"
    again = json.loads(run(poseplug, "eval", "mine", "--json").stdout)
    assert again["metrics"] == result["metrics"]
    (told,) = json.loads(run(poseplug, "export", "mine", "--out", "mine.pt2", "--json").stdout)
    assert told["largest_difference_m"] < 1e-4


def test_it_goes_on_where_it_was(poseplug: Any, tmp_path: Path) -> None:
    """Longer, after its end: phases are shares of the run that it has become."""
    run(poseplug, *RUN, *CASCADE, "--out", "short")
    run(poseplug, "run", "--resume", "short", "--steps", "12")
    state = load_file(tmp_path / "short" / "model.safetensors")
    assert state["model/lifter.begun"].all()
    trained = state["model/lifter.parts.2.enter.norm.num_batches_tracked"]
    assert trained == 2 + 4  # two steps of the shorter run, and of the longer one those from 8 on


def test_seeds_and_what_goes_on_from_one(poseplug: Any, tmp_path: Path) -> None:
    run(poseplug, *RUN, *CASCADE, "--seeds", "2", "--out", "two")
    seeds = [load_file(tmp_path / "two" / f"seed-{seed}" / "model.safetensors") for seed in range(2)]
    for state in seeds:
        assert state["model/lifter.begun"].tolist() == [True] * 3
        assert [state[f"model/lifter.parts.{i}.enter.norm.num_batches_tracked"] for i in range(3)] == [2] * 3
    name = "model/lifter.parts.2.leave.weight"
    assert not torch.equal(seeds[0][name], seeds[1][name])
    assert torch.equal(seeds[0]["model/head.std"], seeds[1]["model/head.std"])
    run(poseplug, *RUN, *CASCADE, "--from", "two/seed-1", "--steps", "1", "--out", "on")
    assert torch.equal(load_file(tmp_path / "on" / "model.safetensors")[name], seeds[1][name])


@pytest.mark.parametrize("objective", ["reprojection", "supervised"])
def test_other_objectives_train_it(poseplug: Any, objective: str) -> None:
    part = "independent_limbs:channels=8" if objective == "reprojection" else "semgcn:channels=8"
    judge = ("--discriminate", "pose2d_residual:channels=8") if objective == "reprojection" else ()
    lifter = ("--lifter", f"cascade:parts=2,part='{part}'", "--objective", objective)
    for seeds in ((), ("--seeds", "2")):
        run(poseplug, *RUN, *lifter, *judge, *seeds, "--out", f"run{len(seeds)}")


def test_its_recipe_is_the_papers_training(poseplug: Any) -> None:
    small = ("--set", "lifter.part=tagnet:channels=8", "--steps", "3", "--batch-size", "8", *EVAL)
    document = json.loads(run(poseplug, "run", "--recipe", "evoskeleton-cascade", "--dry-run", "--json").stdout)
    found = [document[name] for name in ("lr", "lr_schedule", "optimiser", "weight_decay", "clip_norm")]
    assert found == [1e-3, "constant", "Adam", 0.0, 0.0]
    assert document["lifter"]["parts"] == 3
    source = ("--source", "builtin:skeleton=h36m17,takes=1,frames=2")
    run(poseplug, "run", "--recipe", "evoskeleton-cascade", *source, *small)


@pytest.mark.parametrize(
    ("lifter", "message"),
    [
        ("cascade:part=semgnc", "There is no lifter 'semgnc'. Did you mean 'semgcn'"),
        ("cascade:part=mlp,concat=true", "part 'mlp' does not read the estimate of those before it"),
        ("tagnet:estimate=true", "Lifter 'tagnet' reads input 'estimate'."),
    ],
)
def test_what_cannot_be_is_refused_with_nothing_written(poseplug: Any, lifter: str, message: str) -> None:
    refused = poseplug(*RUN, "--lifter", lifter, "--out", "here")
    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
    assert not (refused.folder / "here").exists()
