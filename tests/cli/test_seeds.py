"""``poseplug run --seeds``: several seeds trained together."""

import json
import signal
import statistics

import attrs
import pytest
import torch
import xarray
from safetensors.torch import load_file
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import InputProvider
from poseplug.core.models.inputs import standard_inputs
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Phase
from poseplug.core.training.supervised import Supervised
from poseplug.registry.config.resolve import Part, Parts
from poseplug.registry.config.run_settings import RunSettings
from poseplug.registry.runs.build import check_together
from poseplug.registry.runs.plan import Plan
from tests.cli.test_process import finish, start, wait_for
from tests.toys import STAR, LinearLifter, MeanRoot, StarSource, TwoPartLifter

NARROW = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "4", "--batch-size", "8"]


def run(poseplug, *arguments):
    result = poseplug("run", *NARROW, *arguments)
    assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture
def three(poseplug, tmp_path):
    run(poseplug, "--seeds", "3", "--seed", "7", "--out", "three")
    return tmp_path / "three"


def test_the_result_has_means_and_spread(three):
    result = json.loads((three / "result.json").read_text())
    own = [json.loads((three / f"seed-{seed}" / "result.json").read_text()) for seed in (7, 8, 9)]
    assert result["seeds"] == [7, 8, 9]
    assert [r["seed"] for r in own] == [7, 8, 9]
    assert result["metrics"].keys() == result["spread"].keys() == own[0]["metrics"].keys()
    for label, metrics in result["metrics"].items():
        assert metrics.keys() == result["spread"][label].keys()
        for name, value in metrics.items():
            values = [r["metrics"][label][name] for r in own]
            assert value == pytest.approx(statistics.fmean(values))
            assert result["spread"][label][name] == pytest.approx(statistics.stdev(values))
            assert len(set(values)) == 3 or name != "mpjpe_mm"
    action = result["per_action"]["builtin"]["Walking"]["mpjpe_mm"]
    assert action == pytest.approx(statistics.fmean(r["per_action"]["builtin"]["Walking"]["mpjpe_mm"] for r in own))
    joint = result["per_joint"]["builtin"]["mpjpe_mm"]["Head"]
    assert joint == pytest.approx(statistics.fmean(r["per_joint"]["builtin"]["mpjpe_mm"]["Head"] for r in own))
    assert result["headings"] == own[0]["headings"]
    assert result["poses"] == own[0]["poses"]
    assert result["evaluation_seconds"] == pytest.approx(sum(r["evaluation_seconds"] for r in own), abs=0.01)
    with xarray.open_dataset(three / "history.nc") as data:
        assert json.loads(data.attrs["result"]) == result
        assert data.seed.values.tolist() == [7, 8, 9]
        assert data.supervised.dims == ("seed", "step")
        assert len(set(data.supervised.sel(step=4).values)) == 3
        for r in own:
            of_seed = data.sel(seed=r["seed"], evaluation="builtin", metric="mpjpe_mm")
            assert of_seed.metrics == r["metrics"]["builtin"]["mpjpe_mm"]
            assert of_seed.joint_metrics.sel(joint="Head") == r["per_joint"]["builtin"]["mpjpe_mm"]["Head"]
            assert of_seed.action_metrics.sel(action="Walking") == r["per_action"]["builtin"]["Walking"]["mpjpe_mm"]


def test_each_folder_is_a_finished_run(poseplug, three):
    for seed in (7, 8, 9):
        stored = json.loads((three / f"seed-{seed}" / "result.json").read_text())
        again = json.loads(poseplug("eval", f"three/seed-{seed}", "--json").stdout)
        assert again["metrics"] == stored["metrics"]
        text = (three / f"seed-{seed}" / "experiment.toml").read_text()
        assert f"seed = {seed}\n" in text
        assert "seeds = 1\n" in text
    assert "seeds = 3\n" in (three / "experiment.toml").read_text()
    started = run(poseplug, "--set", "pretrained=three/seed-8", "--json")
    assert json.loads(started.stdout)["seed"] == 0


def test_the_folder_of_all_names_those_of_each(poseplug, three):
    refused = poseplug("run", *NARROW, "--set", "pretrained=three")
    assert refused.exit_code == 2
    assert "holds several seeds that were trained together" in refused.stderr
    assert all(f"three/seed-{seed}" in refused.stderr for seed in (7, 8, 9))
    refused = poseplug("run", "--resume", "three/seed-8")
    assert refused.exit_code == 2
    assert "continue them all with --resume three." in refused.stderr


def test_the_table_shows_means_and_spread(poseplug):
    shown = run(poseplug, "--seeds", "2")
    assert "mean and standard deviation of 2 seeds" in shown.stdout
    assert " +- " in shown.stdout
    assert "step 4/4  supervised" in shown.stderr
    assert " +- " not in run(poseplug).stdout


def test_every_seed_begins_as_it_would_alone(poseplug, tmp_path):
    still = ["--steps", "1", "--lr", "1e-12", "--augment", "jitter"]
    run(poseplug, *still, "--seeds", "3", "--seed", "7", "--out", "three")
    for seed in (7, 8, 9):
        run(poseplug, *still, "--seed", seed, "--out", f"alone-{seed}")
        together = load_file(tmp_path / "three" / f"seed-{seed}" / "model.safetensors")
        alone = load_file(tmp_path / f"alone-{seed}" / "model.safetensors")
        assert together.keys() == alone.keys()
        for name in [name for name in alone if name.endswith("weight")]:
            torch.testing.assert_close(together[name], alone[name])


def test_all_seeds_can_start_from_a_finished_run(poseplug, tmp_path):
    run(poseplug, "--out", "first", "--steps", "20")
    run(poseplug, "--set", "pretrained=first", "--steps", "1", "--lr", "1e-12", "--seeds", "2", "--out", "two")
    first = load_file(tmp_path / "first" / "model.safetensors")
    for seed in (0, 1):
        model = load_file(tmp_path / "two" / f"seed-{seed}" / "model.safetensors")
        torch.testing.assert_close(model["model/lifter.net.shrink.weight"], first["model/lifter.net.shrink.weight"])


def test_dry_runs_and_json(poseplug, tmp_path):
    document = json.loads(run(poseplug, "--seeds", "2", "--dry-run", "--json").stdout)
    assert document["seeds"] == 2
    assert not (tmp_path / "runs").exists()
    result = json.loads(run(poseplug, "--seeds", "2", "--out", "two", "--json").stdout)
    assert result == json.loads((tmp_path / "two" / "result.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--augment", "poseaug"], "augmentor 'poseaug' is trained too"),
        (["--augment", "evolution:active=true"], "augmentor 'evolution' asks the lifter of one seed only"),
        (["--reference", "builtin", "--reweight", "cips"], "reweighter 'cips' weighs the poses of one seed only"),
        (["--seeds", "0"], "setting 'seeds': must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_trained_together_is_refused(poseplug, tmp_path, arguments, message):
    result = poseplug("run", *NARROW, "--seeds", "2", "--out", "here", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "error:" in result.stderr
    assert not (tmp_path / "here").exists()


def test_further_parts_that_are_refused():
    lifter = {"lifter": {"": Part("linear", LinearLifter, None)}}
    plan = Plan(RunSettings(), Parts(lifter))
    plain = Assembly(StarSource(), Supervised(), LiftingModel(LinearLifter(), STAR))
    check_together(plain, attrs.evolve(plan, phases=(Phase(name="all", steps=1),)))
    check_together(attrs.evolve(plain, model=LiftingModel(TwoPartLifter(), STAR)), plan)
    with pytest.raises(PoseplugError, match="phase 'gather' keeps poses"):
        check_together(plain, attrs.evolve(plan, phases=(Phase(name="gather", steps=1, keep=True),)))
    with pytest.raises(PoseplugError, match="also trains root estimator 'mean'"):
        check_together(plain, attrs.evolve(plan, parts=Parts({**lifter, "root": {"": Part("mean", MeanRoot, None)}})))
    of_scenes = standard_inputs() | {"crowd": Crowd(), "own_crowd": OwnCrowd(), "learned": Learned()}
    for reads in ({"crowd"}, {"own_crowd", "boxes"}, {"scene"}):
        reader = LinearLifter()
        reader.reads = frozenset(reads)
        with pytest.raises(PoseplugError, match="lifter 'linear' reads inputs of whole scenes"):
            check_together(attrs.evolve(plain, model=LiftingModel(reader, STAR, inputs=of_scenes)), plan)
    with pytest.raises(PoseplugError, match="input 'learned' is trained too"):
        check_together(attrs.evolve(plain, model=LiftingModel(LinearLifter(), STAR, inputs=of_scenes)), plan)
    check_together(attrs.evolve(plain, model=LiftingModel(LinearLifter(), STAR, inputs=standard_inputs())), plan)


class Crowd(InputProvider):
    per_scene = True

    def provide(self, batch, **inputs):
        return batch.people_per_scene


class OwnCrowd(InputProvider):
    reads = frozenset({"crowd", "scene"})

    def provide(self, batch, *, crowd, scene):
        return crowd[scene]


class Learned(InputProvider, nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def provide(self, batch, **inputs):
        return batch.joints_2d * self.factor


def test_a_resumed_run_keeps_its_seeds(poseplug, three):
    assert poseplug("run", "--resume", "three").exit_code == 0
    refused = poseplug("run", "--resume", "three", "--seeds", "4")
    assert refused.exit_code == 2
    assert "seeds: 3 -> 4" in refused.stderr


@pytest.mark.slow
def test_killed_seeds_resume_to_the_same_weights(tmp_path):
    arguments = ["run", "--lifter", "mlp:channels=8,blocks=1", "--seeds", "2", "--steps", "200", "--batch-size", "16"]
    arguments += ["--set", "checkpoint_every=20", "--eval", "builtin:takes=1,frames=2"]
    assert finish(tmp_path, *arguments, "--out", "whole")[0] == 0
    process = start(tmp_path, *arguments, "--out", "run")
    wait_for(tmp_path / "run" / "checkpoint" / "state.safetensors", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "run" / "seed-0").exists()
    code, _, err = finish(tmp_path, "run", "--resume", "run")
    assert code == 0, err
    for name in ("seed-0/model.safetensors", "seed-1/model.safetensors", "experiment.toml"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
