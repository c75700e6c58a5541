"""PoseAug within runs: alternating phases, resuming, what is frozen, mixtures, recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from poseplug.core.errors import Interrupted
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.build import Run, build
from poseplug.registry.runs.plan import make_plan

CPU = torch.device("cpu")
DOCUMENT = {
    "source": [{"name": "builtin", "takes": 1, "frames": 4}],
    "augmentor": [
        {"name": "swap_lengths"},
        {"name": "poseaug", "channels": 24, "feedback_from_cycle": 2, "accept": "one_sided"},
    ],
    "discriminator": [{"name": "kcs_part", "pool": 24}, {"name": "pose2d", "pool": 24}],
    "lifter": {"name": "mlp", "channels": 16},
    "steps": 20,
    "batch_size": 16,
    "lr_schedule": "linear",
    "log_every": 1,
    "phase": [
        {"name": "adversarial", "steps": 5, "trains": ["augmentor", "discriminator"], "keep": True},
        {"name": "augmented", "steps": 2, "trains": ["lifter"], "poses": "kept", "first_cycle": 2},
        {"name": "real", "steps": 2, "trains": ["lifter"], "poses": "drawn", "first_cycle": 2},
    ],
}


class Watch(RunHook):
    """Stops a run at a step, and keeps the state of some of its parts after every step."""

    def __init__(self, stop_at: int | None = None, parts: tuple[str, ...] = ()) -> None:
        self.stop_at, self.parts = stop_at, parts
        self.states: dict[int, dict[str, torch.Tensor]] = {}
        self.trainer: Trainer

    def on_step(self, step: int, losses: Any) -> None:
        state = self.trainer.assembly.modules().state_dict()
        self.states[step] = {k: v.clone() for k, v in state.items() if k.startswith(self.parts)} if self.parts else {}
        self.trainer.stop_requested = step == self.stop_at


def assemble(**changes: Any) -> tuple[Run, Any]:
    plan = make_plan({**DOCUMENT, **changes}, load_catalogue())
    return build(plan, load_catalogue(), CPU), plan.phases


def train(checkpoint: Path | None = None, load: bool = False, watch: Watch | None = None, **changes: Any) -> Trainer:
    run, phases = assemble(**changes)
    watch = watch or Watch()
    watch.trainer = Trainer(run.assembly, run.training, CPU, checkpoint, HookSet({"watch": watch}), phases)
    if load:
        watch.trainer.load()
    watch.trainer.run()
    return watch.trainer


@pytest.mark.parametrize("stop_at", [3, 8, 11, 13, 17])
def test_a_resumed_run_is_bit_for_bit_the_same(tmp_path: Path, stop_at: int) -> None:
    path = tmp_path / "state.safetensors"
    whole = train()
    with pytest.raises(Interrupted):
        train(path, watch=Watch(stop_at))
    resumed = train(path, load=True)
    one, other = (t.assembly.modules().state_dict() for t in (whole, resumed))
    assert any(name.endswith("replay.rows") for name in one)
    assert int(one["discriminator0.replay.filled"]) == 24
    assert one["discriminator0.replay.rows"].any()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.assembly.diagnostics() == resumed.assembly.diagnostics()
    assert whole.history.values == resumed.history.values


def test_an_adversarial_step_leaves_lifter_and_batch_statistics_alone() -> None:
    watch = Watch(parts=("model", "augmentor1", "discriminator0"))
    train(watch=watch)

    def changed(first: int, second: int) -> set[str]:
        before, after = watch.states[first], watch.states[second]
        return {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}

    # Steps 1 to 5 and 6 to 10 are adversarial (feedback from step 6 on); discriminators learn at every second step.
    assert all("model" not in changed(step, step + 1) for step in range(1, 10))
    assert changed(6, 7) == {"augmentor1", "discriminator0"}
    assert changed(7, 8) == {"augmentor1"}
    assert changed(10, 11) == {"model"}


def test_no_gradient_reaches_what_is_frozen() -> None:
    run, phases = assemble()
    trainer = Trainer(run.assembly, attrs.evolve(run.training, steps=1), CPU, phases=phases)
    run.assembly.modules().train()
    trainer._one_step.run(attrs.evolve(trainer._schedule.at(0), step=1))  # an odd step: the discriminators do not learn
    gradients = {n: p.grad for n, p in run.assembly.modules().named_parameters() if p.grad is not None}
    assert gradients
    assert all(name.startswith("augmentor1") for name in gradients)


def test_the_health_of_the_parts_is_logged() -> None:
    run, phases = assemble()
    right: dict[str, list[float]] = {}

    def noting(name: str, part: Any) -> Any:
        def loss(real: torch.Tensor, fake: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            right.setdefault(f"{name}/accuracy_real", []).append((real > 0.5).float().mean().item())
            right.setdefault(f"{name}/accuracy_fake", []).append((fake < 0.5).float().mean().item())
            found: torch.Tensor = type(part).loss(part, real, fake, generator)
            return found

        return loss

    for name, part in run.assembly.discriminators.items():
        part.loss = noting(name, part)  # type: ignore[method-assign]
    trainer = Trainer(run.assembly, run.training, CPU, phases=phases)
    trainer.run()
    values = trainer.history.values
    for name in ("accepted", "turn", "variety", "views", "spread", "adversarial_kcs_part", "feedback_final"):
        assert values[f"augmentor1/{name}"]
    assert set(values["augmentor1/feedback_final"]) == {6, 7, 8, 9, 10, 15, 16, 17, 18, 19}
    # Adversarial steps are 1 to 10 and 15 to 19; the discriminators learn at every second step.
    assert right.keys() == {f"{name}/accuracy_{side}" for name in ("kcs_part", "pose2d") for side in ("real", "fake")}
    for name, shares in right.items():
        logged = values[f"discriminator/{name}"]
        assert list(logged) == [1, 3, 5, 7, 9, 15, 17, 19]
        assert list(logged.values()) == pytest.approx(shares)
    assert len({share for shares in right.values() for share in shares}) > 3
    assert set(trainer.assembly.diagnostics()) == {"augmentor1", "kcs_part", "pose2d"}


def test_behind_another_augmentor_it_is_compared_with_what_it_was_given() -> None:
    seen = []
    run, phases = assemble(augmentor=[{"name": "rigid", "share": 1.0}, {"name": "poseaug", "channels": 8}])
    learned = run.assembly.augmentors[1]
    before = learned.loss

    def loss(augmentation: Any, feedback: Any) -> Any:
        seen.append(torch.equal(feedback.source.absolute, augmentation.stages["source"].absolute))
        return before(augmentation, feedback)

    learned.loss = loss  # type: ignore[method-assign]
    Trainer(run.assembly, attrs.evolve(run.training, steps=5), CPU, phases=phases).run()
    assert seen == [True] * 5


@pytest.mark.parametrize("reference", [False, True])
def test_discriminators_take_for_real_what_poseaug_was_given_or_the_reference(reference: bool) -> None:
    """With swapped bone lengths on both sides, lengths alone do not tell the fakes."""
    more = {"reference": {"name": "builtin", "takes": 1, "frames": 4}, "reweighter": {"name": "cips"}}
    run, phases = assemble(**(more if reference else {}))
    given, real, referred = [], [], []
    swap, judge = run.assembly.augmentors[0], run.assembly.discriminators["pose2d"]
    augment, before = swap.augment, judge.real

    def swapped(*arguments: Any) -> Any:
        given.append(augment(*arguments))
        return given[-1]

    def learned(batch: Any, generator: torch.Generator) -> Any:
        real.append(batch)
        return before(batch, generator)

    swap.augment, judge.real = swapped, learned  # type: ignore[method-assign]
    if run.assembly.reference is not None:
        sample = run.assembly.reference.sample

        def refer(*arguments: Any) -> Any:
            referred.append(sample(*arguments))
            return referred[-1]

        run.assembly.reference.sample = refer  # type: ignore[method-assign]
    Trainer(run.assembly, attrs.evolve(run.training, steps=1), CPU, phases=phases).run()
    expected = referred[-1] if reference else given[-1].batch
    assert torch.equal(real[-1].absolute, expected.absolute)
    assert torch.equal(real[-1].joints_2d, expected.joints_2d)


# ---------------------------------------------------------------- the command line

TINY = ("--steps", "6", "--batch-size", "8", "--eval", "builtin:takes=1,frames=2")


def test_everything_mixes(poseplug: Any) -> None:
    result = poseplug(
        *("run", "--source", "fk_generator", "--reference", "builtin:takes=1,frames=8"),
        *("--augment", "poseaug:channels=16", "--reweight", "cips:fit_samples=500"),
        *("--discriminate", "kcs_part", "--discriminate", "pose2d", "--lifter", "stgcn:channels=8"),
        *(*TINY, "--out", "mixed", "--json"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["components"]["discriminator"] == "kcs_part,pose2d"
    assert found["diagnostics"].keys() >= {"augmentor0", "kcs_part", "pose2d", "reweighter"}
    assert "collapsed" in found["diagnostics"]["augmentor0"]


def test_extra_poses_are_named_on_the_command_line(poseplug: Any) -> None:
    found = poseplug(
        *(
            "run",
            "--source",
            "builtin:takes=1,frames=8",
            "--augment",
            "poseaug:channels=16",
            "--lifter",
            "mlp:channels=8",
        ),
        *("--discriminate", "pose2d:extra_2d='builtin:split=test,takes=1,frames=2'", *TINY, "--out", "extra"),
    )
    assert found.exit_code == 0, found.output
    wrong = poseplug(
        *("run", "--source", "builtin:skeleton=h36m17", "--augment", "poseaug", "--lifter", "mlp:channels=8"),
        *("--discriminate", "pose2d:extra_2d='builtin:skeleton=h36m16'", *TINY[:4], "--out", "wrong"),
    )
    assert wrong.exit_code == 2
    assert "'extra_2d'" in wrong.output


@pytest.mark.parametrize("recipe", ["poseaug", "poseaug-paper"])
@pytest.mark.parametrize("lifter", ["mlp:channels=8", "semgcn:channels=8"])
def test_recipes_run(poseplug: Any, recipe: str, lifter: str) -> None:
    short = [f"phase.{i}.{key}=1" for i in range(4) for key in ("steps", "first_cycle")]
    small = [f"augmentor.{1 if recipe == 'poseaug' else 0}.channels=16"]
    small += ["discriminator.0.pool=8", "discriminator.1.pool=8"]
    result = poseplug(
        *("run", "--recipe", recipe, "--source", "builtin:takes=1,frames=4", "--lifter", lifter),
        *(argument for assignment in (*short, *small) for argument in ("--set", assignment)),
        *(*TINY, "--out", "run", "--json"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["steps"] == 6
    assert found["components"]["augmentor"] == ("swap_lengths,poseaug" if recipe == "poseaug" else "poseaug")


def test_recipes_say_what_they_claim() -> None:
    catalogue = load_catalogue()
    from poseplug.registry.config.experiment_file import read_document

    released, paper = (
        make_plan(read_document(Path(catalogue.find("recipe", name).target)), catalogue)
        for name in ("poseaug", "poseaug-paper")
    )
    printed = paper.parts["augmentor"]["0"].config
    assert (printed.feedback, printed.regulariser) == ("exponential", "printed")
    assert not printed.freeze_trunk
    assert released.parts["augmentor"]["0"].name == "swap_lengths"
    code = released.parts["augmentor"]["1"].config
    assert (code.feedback, code.regulariser, code.freeze_trunk) == ("rectified", "rectified", True)
    for plan in (released, paper):
        cycle = sum(phase.steps for phase in plan.phases[1:])
        assert plan.settings.steps > plan.phases[0].steps + 5 * cycle
