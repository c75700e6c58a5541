"""Every representation within runs: from 2D alone, with labels, under the command line, with other people's parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import PoseSource
from poseplug.core.training.multi_seed import models_of
from poseplug.core.training.trainer import Trainer
from poseplug.registry.config.experiment_file import read_document
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import make_plan
from poseplug_pose2drep.discriminator import Pose2DResidual

CPU = torch.device("cpu")
LIFTERS = ("full2d", "splitcombine_legtorso", "independent_legtorso", "splitcombine_limbs", "independent_limbs")
RECIPES = tuple(name.replace("_", "-") for name in LIFTERS)


def train(
    lifter: dict[str, Any], steps: int, source: type[PoseSource] | None = None, seeds: int = 1, **changes: Any
) -> Trainer:
    document = {
        "seeds": seeds,
        "source": [{"name": "builtin", "skeleton": "h36m17", "takes": 1, "frames": 8}],
        "lifter": lifter,
        "steps": steps,
        "batch_size": 64,
        "lr": 1e-3,
        "log_every": 1,
        **changes,
    }
    plan = make_plan(document, load_catalogue())
    run = build(plan, load_catalogue(), CPU)
    assembly = run.assembly if source is None else attrs.evolve(run.assembly, source=source(run.assembly.source))
    trainer = Trainer(assembly, run.training, CPU, phases=plan.phases)
    trainer.run()
    return trainer


def curve(trainer: Trainer, name: str) -> list[float]:
    return list(trainer.history.values[name].values())


@pytest.mark.parametrize("lifter", [*LIFTERS, "mlp", "semgcn"])
def test_depth_is_learnt_from_2d_alone(lifter: str) -> None:
    judge = {"name": "pose2d_residual", "channels": 16, "blocks": 1}
    trainer = train({"name": lifter, "channels": 16}, 40, objective={"name": "reprojection"}, discriminator=[judge])
    for name in ("cycle", "right_angle"):
        values = curve(trainer, name)
        assert sum(values[-5:]) < 0.8 * sum(values[:5]), name


def test_what_the_discriminator_says_is_in_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, advice = Pose2DResidual.loss, Pose2DResidual.adversarial_loss
    right: dict[str, list[float]] = {"real": [], "fake": []}
    adversarial: list[float] = []

    def noting_loss(self: Pose2DResidual, real: torch.Tensor, fake: torch.Tensor, generator: Any) -> torch.Tensor:
        right["real"].append((real > 0.5).float().mean().item())
        right["fake"].append((fake < 0.5).float().mean().item())
        return loss(self, real, fake, generator)

    def noting_advice(self: Pose2DResidual, fake: torch.Tensor) -> torch.Tensor:
        adversarial.append(advice(self, fake).item())
        return advice(self, fake)

    monkeypatch.setattr(Pose2DResidual, "loss", noting_loss)
    monkeypatch.setattr(Pose2DResidual, "adversarial_loss", noting_advice)
    judge = {"name": "pose2d_residual", "channels": 16, "blocks": 1, "learning_rate": 1e-2}
    trainer = train({"name": "mlp", "channels": 16}, 20, objective={"name": "reprojection"}, discriminator=[judge])
    assert curve(trainer, "adversarial_pose2d_residual") == pytest.approx(adversarial)
    for side, shares in right.items():
        assert curve(trainer, f"discriminator/pose2d_residual/accuracy_{side}") == pytest.approx(shares)
        assert len(set(shares)) > 3  # it learns, and is not always right to the same degree


class Wrapped(PoseSource):
    """Another source's poses."""

    def __init__(self, source: PoseSource) -> None:
        self.source, self.skeleton = source, source.skeleton

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self.source.sample(n, generator)


class Poisoned(Wrapped):
    """Without a single 3D label that is a number."""

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        drawn = super().sample(n, generator)
        return attrs.evolve(drawn, joints_3d=torch.full_like(drawn.absolute, torch.nan))


class Fixed(Wrapped):
    """The same 64 poses at every step, for each of the lifters that are trained side by side."""

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        poses = self.source.sample(64, torch.Generator().manual_seed(0))
        return poses.select(torch.arange(n) * 64 // n)


def weights(trainer: Trainer, replica: int = 0) -> dict[str, torch.Tensor]:
    return models_of(trainer.assembly)[replica].lifter.state_dict()


@pytest.mark.parametrize("lifter", [*LIFTERS, "semgcn"])
def test_no_3d_label_reaches_the_training(lifter: str) -> None:
    judge = {"name": "pose2d_residual", "channels": 16, "blocks": 1}
    settings = {"objective": {"name": "reprojection"}, "discriminator": [judge]}
    runs = [train({"name": lifter, "channels": 16}, 5, source, **settings) for source in (Wrapped, Poisoned)]
    torch.testing.assert_close(weights(runs[0]), weights(runs[1]), rtol=0, atol=0)
    assert [run.assembly.diagnostics()["head"]["poses"] for run in runs] == [100, 0]


@pytest.mark.parametrize("lifter", LIFTERS)
def test_a_seed_among_others_is_trained_as_it_would_be_alone(lifter: str) -> None:
    """With nothing drawn during the training, which seeds side by side draw together."""
    judge = {"name": "pose2d_residual", "channels": 16, "blocks": 1, "label_flip": 0.0, "mirror": 0.0}
    still = {"name": "reprojection", "azimuth": 0.0, "elevation": 0.0, "mirror": 0.0}
    settings = {"objective": still, "discriminator": [judge], "clip_norm": 0.1}
    together = train({"name": lifter, "channels": 16}, 30, Fixed, seeds=3, **settings)
    for replica in range(3):
        alone = train({"name": lifter, "channels": 16}, 30, Fixed, seed=replica, **settings)
        torch.testing.assert_close(weights(together, replica), weights(alone), rtol=1e-3, atol=1e-5)
        assert models_of(together.assembly)[replica].head.sign == alone.assembly.model.head.sign


@pytest.mark.parametrize("lifter", LIFTERS)
def test_labels_teach_them_too(lifter: str) -> None:
    trainer = train({"name": lifter, "channels": 32}, 60, objective={"name": "supervised"})
    values = curve(trainer, "supervised")
    assert sum(values[-5:]) < 0.7 * sum(values[:5])


@pytest.mark.parametrize("lifter", ["semgcn", "full2d"])
def test_a_discriminator_comes_with_the_objective(poseplug: Any, lifter: str) -> None:
    objective = ("--objective", "reprojection") if lifter == "semgcn" else ()
    command = ("run", "--lifter", lifter, *objective, "--dry-run", "--json")
    document = json.loads(poseplug(*command, "--set", "lifter.channels=16").stdout)
    assert document["objective"]["name"] == "reprojection"
    assert [part["name"] for part in document["discriminator"]] == ["pose2d_residual"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_run(poseplug: Any, recipe: str) -> None:
    result = poseplug(
        *("run", "--recipe", recipe, "--source", "builtin:skeleton=h36m17,takes=1,frames=4"),
        *("--set", "lifter.channels=16", "--set", "discriminator.0.channels=16", "--steps", "3", "--batch-size", "8"),
        *("--eval", "builtin:skeleton=h36m17,takes=1,frames=2", "--out", "run", "--json"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["components"]["lifter"] == recipe.replace("-", "_")
    assert found["components"]["objective"] == "reprojection"
    assert found["diagnostics"]["head"]["sign"] in (-1, 1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_are_the_papers_training(recipe: str) -> None:
    catalogue = load_catalogue()
    plan = make_plan(read_document(Path(catalogue.find("recipe", recipe).target)), catalogue)
    training, objective = plan.settings, plan.parts.the("objective").config
    assert (training.lr, training.lr_schedule, training.clip_norm) == (2e-4, "constant", 0.0)
    assert (objective.adversarial, objective.cycle, objective.right_angle) == (1.0, 10.0, 3.0)
    assert plan.parts["discriminator"]["0"].config.label_flip == 0.1


def test_the_settings_that_are_not_the_papers_train_too(poseplug: Any) -> None:
    small = ("--set", "lifter.channels=16", "--steps", "3", "--batch-size", "8", "--eval", "builtin:takes=1,frames=2")
    parallel = poseplug(
        *("run", "--source", "builtin:takes=1,frames=4", "--lifter", "independent_limbs"),
        *(
            "--objective",
            "reprojection:half_turn_sign=wrong,projection=perspective",
            "--set",
            "projection=orthographic",
        ),
        *("--discriminate", "pose2d_residual:channels=16", *small, "--out", "parallel"),
    )
    assert parallel.exit_code == 0, parallel.output
