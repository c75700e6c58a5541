"""The cascade of any lifter: what is trained when, what is in the sum when, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from cascade_kit import CPU, TINY, Rounds, curve, people, trainer_of
from torch import Tensor

from poseplug.core.errors import Interrupted
from poseplug.core.interfaces import Lifter
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.multi_seed import models_of
from poseplug.core.training.schedule import Phase
from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import load_catalogue

PARTS = 3


def small(name: str) -> str:
    """The specification of a registered lifter that is as narrow as it can be."""
    if name == "cascade":
        return f"cascade:parts=2,part='{TINY}'"
    fields = attrs.fields_dict(load_catalogue().find("lifter", name).load().Config)
    return f"{name}:channels=8" if "channels" in fields else name


# Who is given roots is lifted with in test_with_others.py.
LIFTERS = [entry.name for entry in load_catalogue().of("lifter") if "roots" not in entry.load().reads]
DEPTH_ONLY = [entry.name for entry in load_catalogue().of("lifter") if entry.distribution == "poseplug-pose2drep"]
JUDGED = {
    "objective": {"name": "reprojection"},
    "discriminator": [{"name": "pose2d_residual", "channels": 8, "blocks": 1}],
}
CASES = [(name, {}) for name in LIFTERS] + [(name, JUDGED) for name in [*DEPTH_ONLY, "mlp"]]
IDS = [f"{name} {settings['objective']['name'] if settings else 'standardised'}" for name, settings in CASES]


def run_until(trainer: Trainer, step: int) -> None:
    """Train up to a step, as Ctrl-C would stop it."""
    trainer.hooks.call = lambda event, *_: setattr(trainer, "stop_requested", trainer.step >= step) or []  # type: ignore
    with pytest.raises(Interrupted):
        trainer.run()


def state(lifter: Lifter, part: int) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in lifter.parts[part].state_dict().items()}  # type: ignore


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor], alike: bool) -> None:
    assert all(torch.equal(one[name], other[name]) for name in one) == alike


@pytest.mark.parametrize(("part", "settings"), CASES, ids=IDS)
def test_every_lifter_can_be_its_part(part: str, settings: dict[str, Any]) -> None:
    """Each is trained in its own phase and in no other; the last one stands in the model as it was left."""
    trainer = trainer_of({"name": "cascade", "part": small(part), "parts": PARTS}, 6, **settings)
    lifter = trainer.assembly.model.lifter
    assert set(lifter.parameter_groups()) == {"part1", "part2", "part3"}
    before = [state(lifter, i) for i in range(PARTS)]
    now: list[dict[str, Tensor]] = before
    one_step = trainer._one_step.run

    def watched(moment: Any) -> dict[str, Tensor]:
        nonlocal now
        losses = one_step(moment)
        found = [state(lifter, i) for i in range(PARTS)]
        for i in range(PARTS):
            assert_equal(now[i], found[i], alike=i != moment.step // 2)
        now = found
        return losses

    trainer._one_step.run = watched  # type: ignore[method-assign]
    trainer.run()
    assert lifter.begun.all()
    poses = people(5)
    model = trainer.assembly.model.eval()
    seen = model.normaliser(poses)
    torch.testing.assert_close(lifter(seen), sum(part(seen) for part in lifter.parts))
    assert model.predict(poses).isfinite().all()


def test_parts_learn_one_after_the_other() -> None:
    """A constant target shows it: the second part begins where the first has ended, and none makes it worse."""
    trainer = trainer_of({"name": "cascade", "part": TINY}, 90, Rounds(people(64), 64), batch_size=64, lr=3e-3)
    trainer.run()
    errors = curve(trainer, "standardised")
    assert errors[29] < errors[0]
    ends = [sum(errors[end - 5 : end]) for end in (30, 60, 90)]
    assert ends[0] > ends[1] > ends[2]
    # What a part says before it has learnt anything is of the size of the target: it is an error of its first step.
    assert errors[30] > errors[29]


def test_a_part_that_was_not_trained_adds_nothing(tmp_path: Path) -> None:
    """Half way, kept, and opened again without being told of a phase."""
    lifter = {"name": "cascade", "part": TINY, "parts": PARTS}
    trainer = trainer_of(lifter, 12, checkpoint=tmp_path / "state")
    run_until(trainer, 6)  # in the middle of the second part
    model = trainer.assembly.model.eval()
    poses = people(5)
    seen = model.normaliser(poses)
    expected = model.lifter.parts[0](seen) + model.lifter.parts[1](seen)
    torch.testing.assert_close(model.lifter(seen), expected, rtol=0, atol=0)
    opened = trainer_of(lifter, 12).assembly.model.eval()
    whole = sum(part(seen) for part in opened.lifter.parts)
    torch.testing.assert_close(opened.lifter(seen), whole)  # untold, it is the sum of all
    opened.load_state_dict(model.state_dict())
    torch.testing.assert_close(opened.predict(poses), model.predict(poses), rtol=0, atol=0)
    assert opened.lifter.diagnostics()["parts"] == 2


@pytest.mark.parametrize("stop", [4, 6, 11])
def test_it_resumes_bit_for_bit(tmp_path: Path, stop: int) -> None:
    lifter = {"name": "cascade", "part": TINY.replace("dropout=0", "dropout=0.3"), "parts": PARTS}
    whole = trainer_of(lifter, 12)
    whole.run()
    run_until(trainer_of(lifter, 12, checkpoint=tmp_path / "state"), stop)
    torch.manual_seed(9)
    resumed = trainer_of(lifter, 12, checkpoint=tmp_path / "state")
    resumed.load()
    resumed.run()
    torch.testing.assert_close(
        resumed.assembly.model.state_dict(), whole.assembly.model.state_dict(), rtol=0, atol=0, equal_nan=False
    )


@pytest.mark.parametrize("part", [TINY, "semgcn:channels=8"])
def test_seeds_side_by_side_are_what_they_would_be_alone(part: str) -> None:
    poses, lifter = people(32), {"name": "cascade", "part": part, "parts": PARTS}
    # Biases before batch normalisation have no gradient but rounding errors, which SGD leaves small.
    settings = {"optimiser": "SGD", "lr": 0.05}
    together = trainer_of(lifter, 12, Rounds(poses, 16, 2), seeds=2, **settings)
    together.run()
    for seed, model in enumerate(models_of(together.assembly)):
        alone = trainer_of(lifter, 12, Rounds(poses, 16), seed=seed, **settings)
        alone.run()
        expected = alone.assembly.model
        torch.testing.assert_close(model.state_dict(), expected.state_dict(), rtol=1e-3, atol=1e-5)
        assert model.lifter.begun.all()
        torch.testing.assert_close(model.eval().predict(poses), expected.eval().predict(poses), rtol=1e-3, atol=1e-5)


def test_phases_of_the_user_take_the_place_of_its_own() -> None:
    """The second first, then both; the third never, and it never counts."""
    phases = [
        {"name": "second", "share": 0.5, "trains": ["lifter:part2"]},
        {"name": "both", "share": 0.5, "trains": ["lifter:part1", "lifter:part2"], "lr": 1e-4},
    ]
    trainer = trainer_of({"name": "cascade", "part": TINY, "parts": PARTS}, 8, phase=phases)
    lifter = trainer.assembly.model.lifter
    untouched = state(lifter, 2)
    trainer.run()
    assert lifter.begun.tolist() == [True, True, False]
    assert_equal(untouched, state(lifter, 2), alike=True)
    seen = torch.randn(3, 16, 2)
    torch.testing.assert_close(lifter(seen), lifter.parts[0](seen) + lifter.parts[1](seen), rtol=0, atol=0)


def test_its_phases_are_equally_long_and_train_the_rest_of_the_run_too() -> None:
    cascade = load_catalogue().find("lifter", "cascade").load()
    phases = [Phase(**phase) for phase in cascade.default_phases(cascade.Config(parts=4))]
    assert [phase.share for phase in phases] == [0.25] * 4
    assert [phase.groups("lifter") for phase in phases] == [(f"part{i}",) for i in (1, 2, 3, 4)]
    assert all(phase.fresh and phase.lr is None and phase.lr_schedule == "constant" for phase in phases)
    assert all(phase.groups(role) == () for phase in phases for role in ("root", "augmentor", "discriminator"))


def test_poses_can_be_learnt_through_it_while_parts_are_frozen() -> None:
    """As augmentors do: the gradient to the poses is that of the sum, not of the part under training."""
    lifter = trainer_of({"name": "cascade", "part": TINY, "parts": 2}).assembly.model.lifter.eval()
    lifter.begin_phase(frozenset({"part1"}))
    lifter.begin_phase(frozenset({"part2"}))
    seen = torch.randn(3, 16, 2, requires_grad=True)
    whole, first, second = (torch.autograd.grad(part(seen).sum(), seen)[0] for part in (lifter, *lifter.parts))
    torch.testing.assert_close(whole, first + second)
    assert first.any()


def test_it_is_lifted_as_its_parts_are() -> None:
    for part, normalisation in (
        ("mlp:channels=8", "screen"),
        ("full2d:channels=8", "max_norm"),
        (TINY, "standardised"),
    ):
        model = trainer_of({"name": "cascade", "part": part}).assembly.model
        assert isinstance(model, LiftingModel)
        assert model.normaliser.kind.value == normalisation
        assert model.device == CPU
