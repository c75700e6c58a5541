from itertools import pairwise

import attrs
import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR
from toys import STAR, LinearLifter, ScalingAugmentor, SizeDiscriminator, StarSource, star_batch

from poseplug.core.errors import Interrupted, PoseplugError
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.interfaces import Augmentation
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.pose_buffer import PoseBuffer
from poseplug.core.training.roles import Role
from poseplug.core.training.schedule import ROLES, Phase, Schedule, Training, check_schedules
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer

CPU = torch.device("cpu")
ALTERNATING = (
    Phase(name="warm", steps=2, trains=("lifter",), poses="drawn", last_cycle=1),
    Phase(name="adversarial", steps=3, trains=("augmentor", "discriminator"), keep=True),
    Phase(name="kept", steps=2, trains=("lifter",), poses="kept", first_cycle=2),
    Phase(name="real", steps=1, trains=("lifter",), poses="drawn", first_cycle=2, lr_factor=0.5),
)


def updates(schedule, role, every=1, first=None):
    return schedule.updates(every, lambda phase: phase.groups(role) is not None, first)


def test_every_step_has_its_phase_and_cycle():
    schedule = Schedule(ALTERNATING, 14)
    moments = [schedule.at(step) for step in range(14)]
    assert [m.phase.name[0] for m in moments] == list("wwaaa" + "aaakkr" + "aaa")
    assert [m.cycle for m in moments] == [1] * 5 + [2] * 6 + [3] * 3
    assert updates(schedule, "lifter") == 2 + 3
    assert updates(schedule, "augmentor") == updates(schedule, "discriminator") == 9
    for every in (1, 2, 3):
        for first in range(15):
            taken = [s for s in range(first) if s % every == 0 and schedule.at(s).phase.groups("lifter") is not None]
            assert updates(schedule, "lifter", every, first) == len(taken)
    due = [step for step in range(14) if schedule.at(step).phase.groups("augmentor") is not None and step % 2 == 0]
    assert updates(schedule, "augmentor", every=2) == len(due) == 4


def test_without_phases_every_step_trains_everything():
    schedule = Schedule((), 5)
    assert {schedule.at(step).phase.trains for step in range(5)} == {ROLES}
    assert updates(schedule, "root") == 5


def test_a_schedule_that_ends_too_early_is_refused():
    with pytest.raises(PoseplugError, match="No phase of this run has cycle 2, and 8 steps are left"):
        Schedule(ALTERNATING[:1], 10)


def test_shares_add_up_to_the_run():
    phases = [Phase(name=name, share=share) for name, share in (("a", 0.3), ("b", 0.3), ("c", 0.4))]
    for steps in (10, 11, 997):
        schedule = Schedule(phases, steps)
        names = [schedule.at(step).phase.name for step in range(steps)]
        ends = [0, round(0.3 * steps), round(0.6 * steps), steps]
        assert [names.count(name) for name in "abc"] == [end - start for start, end in pairwise(ends)]
        assert max(schedule.at(step).cycle for step in range(steps)) == 1


@pytest.mark.parametrize("settings", [{}, {"steps": 5, "share": 0.5}])
def test_a_phase_says_either_steps_or_share(settings):
    with pytest.raises(ValueError, match="phase 'x' needs either 'steps' or 'share'"):
        Phase(name="x", **settings)


def test_two_phases_of_one_name_are_refused():
    with pytest.raises(PoseplugError, match="Two phases of this run have one name"):
        Schedule([Phase(name="x", steps=1), Phase(name="x", steps=2)], 5)


def test_unknown_roles_are_refused():
    with pytest.raises(ValueError, match="must be of lifter, root, input, augmentor, discriminator; got lifer"):
        Phase(name="x", steps=1, trains=("lifer",))


class Half(ScalingAugmentor):
    """Accepts every other pose."""

    def augment(self, batch, generator):
        made = super().augment(batch, generator)
        return Augmentation(made.batch, made.stages, accepted=torch.arange(len(batch)) % 2 == 0)


def assemble():
    torch.manual_seed(0)
    return Assembly(
        StarSource(),
        Supervised(),
        LiftingModel(LinearLifter(), STAR),
        augmentors=(Half(),),
        discriminators={"size": SizeDiscriminator()},
    )


class Watch(RunHook):
    def __init__(self, stop_at=None):
        self.trained, self.stop_at = {}, stop_at

    def on_step(self, step, losses):
        self.trained[step] = set(losses)
        self.trainer.stop_requested = step == self.stop_at


def train(steps=14, checkpoint=None, load=False, stop_at=None):
    watch, assembly = Watch(stop_at), assemble()
    training = Training(steps=steps, batch_size=8, checkpoint_every=100, log_every=1, lr_schedule="constant")
    watch.trainer = Trainer(assembly, training, CPU, checkpoint, HookSet({"w": watch}), ALTERNATING)
    if load:
        watch.trainer.load()
    watch.trainer.run()
    return watch, {k: v.clone() for k, v in assembly.modules().state_dict().items()}


def test_each_phase_trains_its_own_roles():
    watch, _ = train()
    lifter = {step for step, losses in watch.trained.items() if "supervised" in losses}
    adversarial = {step for step, losses in watch.trained.items() if "discriminator/size" in losses}
    assert lifter == {1, 2, 9, 10, 11}
    assert adversarial == {3, 4, 5, 6, 7, 8, 12, 13, 14}
    assert watch.trainer.history.values["augmentor0/accepted"][3] == 0.5


@pytest.mark.parametrize("stop_at", [2, 4, 7, 8, 9, 10, 12])
def test_a_run_resumes_from_within_any_phase(tmp_path, stop_at):
    _, whole = train()
    path = tmp_path / "state.safetensors"
    with pytest.raises(Interrupted):
        train(checkpoint=path, stop_at=stop_at)
    _, resumed = train(checkpoint=path, load=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("role", ["augmentor", "discriminator"])
def test_a_phase_on_drawn_poses_still_trains_what_it_names(role):
    assembly = assemble()
    before = {k: v.clone() for k, v in assembly.modules().state_dict().items()}
    phases = [Phase(name="only", steps=3, trains=(role,), poses="drawn")]
    Trainer(assembly, Training(steps=3, batch_size=8), CPU, phases=phases).run()
    changed = {k.split("0")[0] for k, v in assembly.modules().state_dict().items() if not torch.equal(before[k], v)}
    assert changed == {role}


def test_an_augmentor_learns_from_feedback_alone():
    assembly = attrs.evolve(assemble(), discriminators={})
    Trainer(
        assembly, Training(steps=3, batch_size=8), CPU, phases=[Phase(name="a", steps=3, trains=("augmentor",))]
    ).run()
    assert assembly.augmentors[0].log_scale != 0


def test_only_accepted_poses_of_the_last_collection_are_kept():
    generator = torch.Generator().manual_seed(0)
    kept, batches = PoseBuffer(STAR), [star_batch(6, generator) for _ in range(3)]
    assert PoseBuffer(STAR).sample(4, generator) is None
    accepted = torch.tensor([True, False, False, True, True, False])
    for batch in batches[:2]:
        kept.add(Augmentation(batch, accepted=accepted))
    rows = {tuple(row) for row in kept.sample(400, generator).root.tolist()}
    assert rows == {tuple(row) for batch in batches[:2] for row in batch.root[accepted].tolist()}
    kept.add(Augmentation(batches[2]))
    assert {tuple(r) for r in kept.sample(400, generator).root.tolist()} == {tuple(r) for r in batches[2].root.tolist()}
    kept.add(Augmentation(batches[2], accepted=torch.zeros(6, dtype=torch.bool)))
    assert kept.sample(4, generator) is None


def test_a_phases_factor_scales_the_learning_rate():
    for factor in (1.0, 0.25):
        phase = Phase(name="only", steps=1, lr_factor=factor)
        lifter = LinearLifter()
        before = lifter.flat.bias.detach().clone()
        role = Role("lifter", lifter, Training(lr=0.1, lr_schedule="constant", clip_norm=0), Schedule([phase], 1))
        role.update({"loss": lifter.flat.bias.sum()}, phase)
        # Adam's first step is the learning rate, whatever the gradient.
        torch.testing.assert_close(before - lifter.flat.bias, torch.full((10,), 0.1 * factor))
        assert role.optimisers["run"].torch.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    "name", ["Adadelta", "Adagrad", "Adafactor", "Adam", "Adamax", "ASGD", "RMSprop", "Rprop", "SGD"]
)
def test_onecycle_asks_for_the_optimisers_that_torch_has_it_for(name):
    optimiser = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)], lr=0.1)
    try:
        OneCycleLR(optimiser, max_lr=0.1, total_steps=2)
    except ValueError:
        with pytest.raises(PoseplugError, match=f"'onecycle' schedules momentum too, and optimiser '{name}' has none"):
            check_schedules(Training(optimiser=name, lr_schedule="onecycle"), ())
        assert name not in ("Adam", "SGD")
    else:
        check_schedules(Training(optimiser=name, lr_schedule="onecycle"), ())
    check_schedules(Training(optimiser=name), ())


def test_a_phase_schedules_its_own_optimiser():
    phases = [Phase(name="a", share=0.5), Phase(name="b", share=0.5, optimiser="Adagrad")]
    check_schedules(Training(), phases)
    with pytest.raises(PoseplugError, match="optimiser 'Adagrad' has none"):
        check_schedules(Training(lr_schedule="onecycle"), phases)
    check_schedules(Training(lr_schedule="onecycle", optimiser="Adagrad"), [attrs.evolve(phases[0], optimiser="Adam")])
