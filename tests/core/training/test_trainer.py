import math

import attrs
import pytest
import torch
from toys import (
    CONTEXT,
    STAR,
    CriticObjective,
    FlatSource,
    HalfReweighter,
    LinearConfig,
    LinearLifter,
    MeanRoot,
    PartObjective,
    ScalingAugmentor,
    SignHead,
    SizeDiscriminator,
    StarSource,
    TwoPartLifter,
)

from poseplug.core.errors import Interrupted, PoseplugError, TrainingFailed
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.interfaces import Step, Stream
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Phase
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer, Training

CPU = torch.device("cpu")


def assemble(*, lifter=LinearLifter, seed=0, root=None, **parts):
    torch.manual_seed(seed)
    model = LiftingModel(lifter(LinearConfig(dropout=0.1), CONTEXT), STAR, root)
    return Assembly(**{"source": StarSource(), "objective": Supervised(), **parts}, model=model)


def train(assembly, checkpoint=None, load=False, phases=(), **settings):
    settings = {"steps": 12, "batch_size": 16, "log_every": 4, "checkpoint_every": 4, **settings}
    trainer = Trainer(assembly, Training(**settings), CPU, checkpoint, phases=phases)
    if load:
        trainer.load()
    trainer.run()
    return trainer


def weights(assembly):
    return {k: v.clone() for k, v in assembly.modules().state_dict().items()}


def everything(seed=0):
    """An assembly with every kind of part."""
    torch.manual_seed(seed + 100)
    return assemble(
        seed=seed,
        root=MeanRoot(),
        reference=StarSource(),
        reweighter=HalfReweighter(),
        augmentors=(ScalingAugmentor(),),
        discriminators={"size": SizeDiscriminator()},
    )


def test_the_engine_does_what_a_plain_loop_does():
    assembly = assemble()
    train(assembly, lr=3e-3, lr_schedule="onecycle", clip_norm=1.0)

    torch.manual_seed(0)
    lifter = LinearLifter(LinearConfig(dropout=0.1), CONTEXT)
    optimiser = torch.optim.Adam(lifter.parameters(), lr=3e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=13)
    generator = torch.Generator().manual_seed(0)
    source = StarSource()
    for _ in range(12):
        batch = source.sample(16, generator)
        screen = 2 * batch.joints_2d / 1000 - 1
        loss = torch.nn.functional.mse_loss(lifter(screen), batch.root_relative)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lifter.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    for name, value in lifter.state_dict().items():
        torch.testing.assert_close(assembly.model.lifter.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_equal_seeds_give_equal_runs_and_others_do_not():
    runs = []
    for seed in (3, 3, 4):
        assembly = everything(seed)
        train(assembly, seed=seed)
        runs.append(weights(assembly))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not torch.equal(runs[0]["model.lifter.flat.weight"], runs[2]["model.lifter.flat.weight"])


@pytest.mark.parametrize("stop_at", [4, 8])
def test_a_resumed_run_ends_like_one_that_never_stopped(tmp_path, stop_at):
    whole = everything()
    trainer = train(whole)
    path = tmp_path / "state.safetensors"
    halted = Trainer(everything(), trainer.training, CPU, path)
    halted.hooks = HookSet({"stop": _StopAt(halted, stop_at)})
    with pytest.raises(Interrupted, match=f"step {stop_at} of 12; --resume"):
        halted.run()
    resumed = everything(seed=9)  # other initial weights: all must come from the checkpoint
    again = train(resumed, path, load=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))
    assert again.history.values == trainer.history.values


class _StopAt(RunHook):
    def __init__(self, trainer, step):
        self.trainer, self.step = trainer, step

    def on_step(self, step, losses):
        self.trainer.stop_requested = step == self.step

    def on_log(self, step, means):
        assert all(math.isfinite(value) for value in means.values())


PLANE_THEN_DEPTH = (
    Phase(name="plane", share=0.3, trains=("lifter:plane",), lr=0.02, lr_schedule="onecycle"),
    Phase(name="depth", share=0.7, trains=("lifter:depth",), lr=0.01, optimiser="AdamW"),
)


@pytest.mark.parametrize("stop_at", [2, 3, 4])
def test_phases_train_their_groups_with_rates_of_their_own_and_resume_across_the_boundary(tmp_path, stop_at):
    settings = Training(steps=10, batch_size=16)
    whole = assemble(lifter=TwoPartLifter)
    start, recorded = weights(whole), {}

    class Record(RunHook):
        def on_step(self, step, losses):
            recorded[step] = weights(whole)

    Trainer(whole, settings, CPU, hooks=HookSet({"record": Record()}), phases=PLANE_THEN_DEPTH).run()
    flat, depth, mean = "model.lifter.flat.weight", "model.lifter.depth.weight", "model.lifter.norm.running_mean"
    assert torch.equal(recorded[3][depth], start[depth])
    assert not torch.equal(recorded[3][flat], start[flat])
    assert torch.equal(recorded[10][flat], recorded[3][flat])
    assert torch.equal(recorded[10][mean], recorded[3][mean])  # what is not trained keeps its statistics
    assert not torch.equal(recorded[10][depth], start[depth])
    assert whole.model.lifter.begun == [frozenset({"plane"}), frozenset({"depth"})]

    path = tmp_path / "state.safetensors"
    halted = Trainer(assemble(lifter=TwoPartLifter), settings, CPU, path, phases=PLANE_THEN_DEPTH)
    halted.hooks = HookSet({"stop": _StopAt(halted, stop_at)})
    with pytest.raises(Interrupted):
        halted.run()
    resumed = assemble(lifter=TwoPartLifter, seed=5)
    train(resumed, path, load=True, phases=PLANE_THEN_DEPTH, steps=10, log_every=20)
    assert all(torch.equal(weights(resumed)[name], tensor) for name, tensor in weights(whole).items())


def test_a_phase_that_names_an_unknown_group_is_refused():
    phase = Phase(name="arms", steps=5, trains=("lifter:arms",))
    with pytest.raises(PoseplugError, match="Phase 'arms' trains 'lifter:arms', and .* groups are plane, depth"):
        train(assemble(lifter=TwoPartLifter), phases=[phase])


def test_weights_scale_the_losses_of_both_streams():
    weighed = assemble(reference=StarSource(), reweighter=HalfReweighter())
    history = train(weighed, steps=1, log_every=1).history.values
    assert weighed.reweighter.fitted == 10
    assert history["reweighter/mean"] == {1: 0.5}
    generator = torch.Generator().manual_seed(1)
    batches = [StarSource().sample(8, generator) for _ in range(2)]
    given = HalfReweighter().weigh(*batches)
    lifter = weighed.model.eval()
    streams = [Stream(name, batch, given[name]) for name, batch in zip(("training", "reference"), batches, strict=True)]
    losses = Supervised().loss(_step(lifter, *streams))
    expected = [(lifter(batch) - batch.root_relative).square().mean() for batch in batches]
    torch.testing.assert_close(losses["supervised"], 2 * expected[0])
    torch.testing.assert_close(losses["counterfactual"], 0.5 * expected[1])
    tripled = Supervised().loss(_step(lifter, streams[0], attrs.evolve(streams[1], factor=3.0)))
    torch.testing.assert_close(tripled["counterfactual"], 1.5 * expected[1])


def test_a_constant_weight_adds_the_reference_to_any_objective():
    alone, beside = assemble(), attrs.evolve(assemble(reference=StarSource()), reference_weight=2.0)
    losses = [train(assembly, steps=1, log_every=1).history.values for assembly in (alone, beside)]
    assert losses[0].keys() == {"supervised"}
    assert losses[1].keys() == {"supervised", "counterfactual"}


def _step(lift, *streams, one_pass=True):
    return Step(streams, lift, lambda stage, batch: {}, torch.Generator(), 0.0, one_pass=one_pass)


def test_joint_and_separate_passes_differ_only_in_batch_statistics():
    generator = torch.Generator().manual_seed(0)
    streams = [Stream(name, StarSource().sample(8, generator)) for name in ("training", "reference")]
    lift = assemble().model.eval()
    joint, separate = (Supervised().loss(_step(lift, *streams, one_pass=one)) for one in (True, False))
    torch.testing.assert_close(joint["counterfactual"], separate["counterfactual"])
    lift.train()
    lift.lifter.dropout.p = 0
    joint, separate = (Supervised().loss(_step(lift, *streams, one_pass=one)) for one in (True, False))
    assert abs(joint["counterfactual"] - separate["counterfactual"]) > 1e-6


def test_joined_streams_have_the_sum_of_their_means():
    generator = torch.Generator().manual_seed(0)
    few, many = (StarSource().sample(n, generator) for n in (4, 12))
    many = attrs.evolve(many, weight=torch.rand(12, generator=generator))
    streams = [Stream("training", few, torch.rand(4, generator=generator)), Stream("reference", many, None, 0.5)]
    joined = _step(None, *streams).joined()
    apart = sum(stream.mean(stream.batch.absolute.square()) for stream in streams)
    torch.testing.assert_close(joined.mean(joined.batch.absolute.square()), apart)


def test_pose_weights_of_the_batch_count():
    batch = StarSource().sample(4, torch.Generator().manual_seed(0))
    lift = assemble().model.eval()
    masked = attrs.evolve(batch, weight=torch.tensor([4.0, 0, 0, 0]))
    torch.testing.assert_close(
        Supervised().loss(_step(lift, Stream("training", masked)))["supervised"],
        Supervised().loss(_step(lift, Stream("training", batch.select(slice(0, 1)))))["supervised"],
    )


def test_an_objective_without_labels_is_never_shown_any():
    class Poisoned(StarSource):
        def sample(self, n, generator):
            batch = super().sample(n, generator)
            return attrs.evolve(batch, joints_3d=torch.full_like(batch.joints_3d, math.nan))

    runs = []
    for source in (StarSource(), Poisoned(), FlatSource()):
        assembly = assemble(source=source, objective=PartObjective())
        train(assembly)
        runs.append(weights(assembly))
    for run in runs[1:]:
        assert all(torch.equal(run[name], runs[0][name]) for name in run)


def test_grouped_losses_train_their_own_part_only():
    assembly = assemble(objective=PartObjective())
    train(assembly, steps=300, lr=0.03, lr_schedule="constant")
    lifted = assembly.model(StarSource().sample(256, torch.Generator().manual_seed(5)))
    assert lifted[..., :2].abs().mean() < 0.1  # pulled to 0
    assert (lifted[..., 2] - 1).abs().mean() < 0.1  # pulled to 1


def test_a_trained_augmentor_learns_and_leaves_the_lifter_alone():
    assembly = assemble(augmentors=(ScalingAugmentor(),), discriminators={"size": SizeDiscriminator()})
    trainer = Trainer(assembly, Training(steps=3, batch_size=16), CPU)
    lifter = assembly.model.lifter
    seen = []
    real_update = trainer._roles["augmentor0"].update

    def update(losses, phase):
        seen.append((weights(assembly)["model.lifter.norm.running_mean"], lifter.training, losses))
        real_update(losses, phase)

    trainer._roles["augmentor0"].update = update
    batches = lifter.norm.num_batches_tracked
    trainer.run()
    assert int(batches) == 3  # one forward pass a step counts: the lifter's own
    assert not any(training for _, training, _ in seen)
    assert {"feedback", "size"} <= seen[0][2].keys()
    assert assembly.augmentors[0].log_scale != 0
    assert {"augmentor0/feedback", "augmentor0/size", "discriminator/size"} <= trainer.history.values.keys()


def test_an_untrained_augmentation_reaches_the_lifter():
    class Shift(ScalingAugmentor):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.log_scale = torch.tensor(math.log(2.0))

    plain, doubled = assemble(), assemble(augmentors=(Shift(),))
    losses = [train(a, steps=1, log_every=1).history.values["supervised"][1] for a in (plain, doubled)]
    assert losses[1] > 1.2 * losses[0]


def test_an_objective_can_play_against_discriminators_at_their_own_pace():
    discriminator = SizeDiscriminator()
    discriminator.update_every = 2
    assembly = assemble(objective=CriticObjective(), discriminators={"size": discriminator})
    start = weights(assembly)
    train(assembly, steps=1)
    after = weights(assembly)
    assert not torch.equal(start["discriminator0.linear.weight"], after["discriminator0.linear.weight"])
    # Six steps: the lifter asks six times; the discriminator itself learns in three, from real and from fake poses.
    discriminator.batches = 0
    train(assembly, steps=6)
    assert discriminator.batches == 6 + 2 * 3


def test_discriminators_learn_from_the_fakes_of_objective_and_augmentor_alike():
    class Counting(SizeDiscriminator):
        seen = ()

        def loss(self, real, fake, generator):
            self.seen = (*self.seen, (len(real), len(fake)))
            return super().loss(real, fake, generator)

    for augmentors, fakes in (((), 16), ((ScalingAugmentor(),), 32)):
        critic = Counting()
        parts = assemble(objective=CriticObjective(), augmentors=augmentors, discriminators={"critic": critic})
        Trainer(parts, Training(steps=2, batch_size=16), CPU).run()
        assert critic.seen == ((16, fakes), (16, fakes))


def test_the_fakes_of_every_call_are_kept_for_the_discriminators():
    class Twice(CriticObjective):
        def loss(self, step):
            first = super().loss(step)
            return {**first, **{f"again/{name}": loss for name, loss in super().loss(step).items()}}

    critic = SizeDiscriminator()
    seen = []
    critic.loss, plain = (
        lambda real, fake, generator: seen.append(len(fake)) or plain(real, fake, generator),
        critic.loss,
    )
    Trainer(assemble(objective=Twice(), discriminators={"c": critic}), Training(steps=1, batch_size=16), CPU).run()
    assert seen == [32]


def test_each_role_is_updated_as_often_as_it_says_and_its_rate_ends_with_its_updates():
    assembly = assemble(root=MeanRoot())
    assembly.model.lifter.update_every = 3
    trainer = train(assembly, steps=10, lr=0.01, lr_schedule="onecycle")
    optimisers = {name: role.optimisers["run"] for name, role in trainer._roles.items()}
    assert {name: optimiser.scheduler.last_epoch for name, optimiser in optimisers.items()} == {"lifter": 4, "root": 10}
    assert {name: optimiser.scheduler.total_steps for name, optimiser in optimisers.items()} == {
        "lifter": 5,
        "root": 11,
    }


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "NAdam", "AdamW", "Adagrad"])
def test_other_optimisers_train_and_resume(tmp_path, name):
    settings = {"optimiser": name, "lr": 0.01, "weight_decay": 0.1}
    whole = assemble()
    train(whole, **settings)
    halted = Trainer(assemble(), Training(steps=12, batch_size=16, **settings), CPU, tmp_path / "state")
    halted.hooks = HookSet({"stop": _StopAt(halted, 5)})
    with pytest.raises(Interrupted):
        halted.run()
    resumed = assemble(seed=4)
    train(resumed, tmp_path / "state", load=True, **settings)
    assert all(torch.equal(weights(resumed)[key], tensor) for key, tensor in weights(whole).items())


@pytest.mark.parametrize("name", ["LBFGS", "adam", "Optimizer"])
def test_an_optimiser_that_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match=f"must be an optimiser of torch.optim .* got '{name}'"):
        Training(optimiser=name)


def test_roots_are_found_once_a_step_for_all_who_read_them():
    class Reading(LinearLifter):
        reads = frozenset({"roots"})

        def forward(self, joints_2d, *, roots):
            assert not roots.requires_grad
            return super().forward(joints_2d) + roots[:, None] * 0

    class Counting(MeanRoot):
        calls = 0

        def forward(self, **inputs):
            self.calls += 1
            return super().forward(**inputs)

    assembly = assemble(lifter=Reading, root=Counting())
    train(assembly, steps=6)
    assert assembly.model.root.calls == 6


def test_a_root_estimator_is_trained_on_absolute_roots():
    assembly = assemble(root=MeanRoot())
    trainer = train(assembly, steps=400, lr=0.05, lr_schedule="cosine")
    torch.testing.assert_close(assembly.model.root.where, torch.tensor([0.0, 0.0, 5.0]), atol=0.05, rtol=0)
    assert trainer.history.values["root/distance"][400] < 0.4


def test_a_loss_gone_nan_stops_the_run_and_keeps_the_last_good_state(tmp_path):
    class Spoilt(StarSource):
        drawn = 0

        def sample(self, n, generator):
            self.drawn += 1
            batch = super().sample(n, generator)
            return batch if self.drawn < 7 else batch.moved(batch.joints_3d * math.nan)

    path = tmp_path / "state.safetensors"
    with pytest.raises(TrainingFailed, match=r"'supervised' became nan at step 7\. The last good state, step 4,"):
        train(assemble(source=Spoilt()), path)
    assert path.exists()
    good = train(assemble(), path, load=True)
    assert good.step == 12


def test_parameters_gone_nan_are_never_saved(tmp_path):
    assembly = assemble()
    trainer = Trainer(assembly, Training(steps=1, batch_size=4), CPU, tmp_path / "state.safetensors")
    with torch.no_grad():
        assembly.model.lifter.depth.weight[0, 0] = math.inf
    with pytest.raises(TrainingFailed, match=r"depth\.weight' is not finite after step 0"):
        trainer.save()
    assert not list(tmp_path.iterdir())


def test_a_lower_learning_rate_is_advised_only_where_something_is_trained(tmp_path):
    class Spoilt(HalfReweighter):
        def logs(self):
            return {"mean": torch.tensor(math.nan)}

    reweighted = assemble(reference=StarSource(), reweighter=Spoilt())
    with pytest.raises(TrainingFailed, match=r"'reweighter/mean' became nan .* Look at the settings of the reweighter"):
        train(reweighted)
    with pytest.raises(TrainingFailed, match=r"'supervised' became .* Try a lower --lr"):
        train(assemble(), lr=1e30, clip_norm=0.0, steps=200)


def rates(trainer):
    """What the optimisers' schedules say for the next update: of onecycle the momentum too."""
    optimisers = [optimiser for role in trainer._roles.values() for optimiser in role.optimisers.values()]
    return [(group["lr"], group.get("betas")) for one in optimisers for group in one.torch.param_groups]


def halted(assembly, steps, at, **settings):
    """A trainer of a run of so many steps, stopped at one of them."""
    phases = settings.pop("phases", ())
    trainer = Trainer(assembly, Training(steps=steps, batch_size=16, **settings), CPU, phases=phases)
    trainer.hooks = HookSet({"stop": _StopAt(trainer, at)})
    with pytest.raises(Interrupted):
        trainer.run()
    return trainer


def test_a_run_at_a_constant_rate_that_is_trained_longer_is_the_longer_run(tmp_path):
    path, constant = tmp_path / "state.safetensors", {"lr_schedule": "constant"}
    whole = everything()
    trainer = train(whole, steps=20, **constant)
    train(everything(), path, steps=8, **constant)
    longer = everything(seed=9)
    again = train(longer, path, load=True, steps=20, **constant)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(longer).values(), strict=True))
    assert again.history.values == trainer.history.values


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "linear"])
def test_a_run_that_is_trained_longer_takes_the_place_of_that_step_in_the_longer_schedule(tmp_path, schedule):
    path, settings = tmp_path / "state.safetensors", {"lr_schedule": schedule, "batch_size": 16}
    train(everything(), path, steps=8, **settings)
    longer = Trainer(everything(), Training(steps=12, **settings), CPU, path)
    longer.load()
    assert rates(longer) == rates(halted(everything(), 12, 8, lr_schedule=schedule))
    longer.run()
    assert rates(longer) == rates(train(everything(), steps=12, **settings))
    path.unlink()
    train(everything(), path, steps=8, **settings)
    same = Trainer(everything(), Training(steps=8, **settings), CPU, path)
    same.load()
    assert same.step == 8
    assert rates(same) == rates(train(everything(), steps=8, **settings))


@pytest.mark.parametrize(("steps", "phase"), [(14, "depth"), (40, "plane")])
def test_shares_are_of_the_longer_run(tmp_path, steps, phase):
    path, made = tmp_path / "state.safetensors", {"lifter": TwoPartLifter}
    train(assemble(**made), path, phases=PLANE_THEN_DEPTH, steps=10)
    longer = Trainer(assemble(**made), Training(steps=steps, batch_size=16), CPU, path, phases=PLANE_THEN_DEPTH)
    longer.load()
    assert longer._schedule.at(longer.step).phase.name == phase
    assert rates(longer) == rates(halted(assemble(**made), steps, 10, phases=PLANE_THEN_DEPTH))
    longer.run()


def test_a_run_with_more_steps_behind_it_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    train(assemble(), path, steps=8)
    with pytest.raises(PoseplugError, match=r"8 steps of this run are done, more than the 7 .* give --steps"):
        train(assemble(), path, load=True, steps=7)


def test_a_checkpoint_of_other_parts_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    train(assemble(), path)
    with pytest.raises(PoseplugError, match="does not belong to a run of these parts"):
        train(everything(), path, load=True)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "state.safetensors"
    path.write_bytes(content)
    with pytest.raises(PoseplugError, match="is damaged or was not written by poseplug"):
        train(assemble(), path, load=True)


def test_an_output_head_is_calibrated_whenever_the_model_is_kept():
    torch.manual_seed(0)
    lifter = LinearLifter(LinearConfig(), CONTEXT)
    critic = {"size": SizeDiscriminator()}
    model = LiftingModel(lifter, STAR, head=SignHead())
    assembly = Assembly(StarSource(), CriticObjective(), model, discriminators=critic)
    trainer = Trainer(assembly, Training(steps=4, batch_size=8, checkpoint_every=2), CPU)
    draws = trainer._generator.get_state()
    trainer.calibrate()
    assert torch.equal(trainer._generator.get_state(), draws)
    trainer.run()
    assert set(trainer.history.values["head/sign"]) == {2, 4}
    assert assembly.diagnostics() == {"head": {"sign": float(model.head.sign)}}
    batch = StarSource().sample(3, torch.Generator().manual_seed(1))
    read = model.head(batch, model(batch))
    torch.testing.assert_close(model.predict(batch), read - read[:, STAR.root, None])


def test_diagnostics_are_gathered_by_part():
    assembly = everything()
    train(assembly, steps=1)
    assert assembly.diagnostics() == {"reweighter": {"fitted": 10.0}}
