"""Whole runs: as in a plain loop, the same again, resumed, stopped by what is not finite."""

import math

import pytest
import torch
from small_runs import CPU, assemble, everything, train, train_until, weights
from toys import (
    CONTEXT,
    STAR,
    CriticObjective,
    HalfReweighter,
    LinearConfig,
    LinearLifter,
    SignHead,
    SizeDiscriminator,
    StarSource,
)

from poseplug.core.errors import PoseplugError, TrainingFailed
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Training
from poseplug.core.training.trainer import Trainer


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
    train_until(stop_at, everything(), trainer.training, path)
    resumed = everything(seed=9)  # other initial weights: all must come from the checkpoint
    again = train(resumed, path, load=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))
    assert again.history.values == trainer.history.values


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
