import json
import math

import attrs
import numpy as np
import pytest
import torch
from toys import STAR, FlatSource, LinearLifter, MeanRoot, StarSource, star_batch

from poseplug.core.errors import PoseplugError, TrainingFailed
from poseplug.core.evaluation.evaluate import Evaluation, evaluate
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.results import result_dataset, result_object, seeds_dataset, write_dataset
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.storage.files import write_text
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.history import History


def table(n):
    batch = star_batch(n, torch.Generator().manual_seed(0))
    return PoseTable(attrs.evolve(batch, labels={"action": torch.arange(n) % 2}), {"action": ("sit", "run")})


def test_an_evaluation_is_the_mean_over_all_poses():
    model, source = LiftingModel(LinearLifter(), STAR), table(10_001)
    model.train()
    found = evaluate(model, source, lookup("default"))
    assert model.training
    model.eval()
    with torch.no_grad():
        errors = (model.predict(source.poses) - source.poses.root_relative).norm(dim=-1).mean(1) * 1000
    assert found.poses == 10_001
    assert found.metrics["mpjpe_mm"] == pytest.approx(float(errors.mean()), rel=1e-5)
    assert found.per_action["run"]["mpjpe_mm"] == pytest.approx(float(errors[1::2].mean()), rel=1e-5)
    assert "mrpe_mm" not in found.metrics


def test_an_evaluation_touches_neither_statistics_nor_random_state():
    model = LiftingModel(LinearLifter(), STAR)
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    first, second = (evaluate(model, StarSource(), lookup("default")) for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_root_estimators_add_absolute_metrics():
    found = evaluate(LiftingModel(LinearLifter(), STAR, MeanRoot()), table(100), lookup("default"))
    expected = (table(100).poses.root - torch.tensor([0.0, 0, 4])).norm(dim=-1).mean() * 1000
    assert found.metrics["mrpe_mm"] == pytest.approx(float(expected), rel=1e-5)
    assert {"mrpe_x_mm", "mrpe_y_mm", "mrpe_z_mm", "pck_abs", "pck_root"} <= found.metrics.keys()


def test_a_source_without_labels_to_compare_with_is_refused():
    with pytest.raises(PoseplugError, match="2D only"):
        evaluate(LiftingModel(LinearLifter(), STAR), FlatSource(), lookup("default"))


def test_history_keeps_means_and_survives_a_checkpoint():
    history = History()
    for step in (1, 2, 3):
        history.add(step, {"loss": torch.tensor(float(step)), **({"rare": torch.tensor(1.0)} if step == 2 else {})})
    assert history.flush() == {"loss": 2.0, "rare": 1.0}
    assert history.flush() == {}
    history.add(4, {"loss": torch.tensor(5.0)})
    history.flush()
    assert history.values == {"loss": {3: 2.0, 4: 5.0}, "rare": {3: 1.0}}
    restored = History()
    restored.load(history.tensors())
    assert restored.values == history.values


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_history_names_the_first_value_that_is_not_finite(value):
    history = History()
    history.add(7, {"fine": torch.tensor(1.0), "bad": torch.tensor(1.0)})
    history.add(8, {"fine": torch.tensor(1.0), "bad": torch.tensor(value)})
    history.add(9, {"fine": torch.tensor(value), "bad": torch.tensor(value)})
    with pytest.raises(TrainingFailed, match=f"'bad' became {value} at step 8"):
        history.flush()


def test_results_hold_their_protocol_and_are_json(tmp_path):
    evaluations = {
        "lab": Evaluation(
            {"mpjpe_mm": 50.0, "auc": math.nan, "hook_s": 2.0},
            {"sit": {"mpjpe_mm": 60.0}},
            10,
            per_joint={"mpjpe_mm": {"tip": 80.0, "base": 20.0}},
            headings={"mpjpe_mm": "MPJPE", "auc": ""},
        ),
        "wild": Evaluation({"mpjpe_mm": 70.0}, {}, 20),
    }
    result = result_object(
        evaluations=evaluations,
        components={"lifter": "mlp"},
        protocol=lookup("pose2drep").asdict(STAR),
        device=torch.device("cpu"),
        versions={"poseplug-x": "1"},
        run={"steps": 3, "seed": 0},
    )
    json.dumps(result, allow_nan=False)
    assert result["metrics"] == {"lab": {"mpjpe_mm": 50.0, "auc": None, "hook_s": 2.0}, "wild": {"mpjpe_mm": 70.0}}
    assert result["headings"] == {"mpjpe_mm": "MPJPE", "auc": "", "hook_s": "HOOK-S"}
    assert result["per_joint"] == {"lab": {"mpjpe_mm": {"tip": 80.0, "base": 20.0}}, "wild": {}}
    assert result["protocol"]["root"] == "excluded"
    history = History()
    history.values = {"supervised": {1: 0.5, 2: 0.25}, "discriminator/d": {2: 1.0}}
    write_dataset(tmp_path / "history.nc", result_dataset(history.values, evaluations, result))
    import xarray

    with xarray.open_dataset(tmp_path / "history.nc") as data:
        np.testing.assert_array_equal(data.supervised, [0.5, 0.25])
        np.testing.assert_array_equal(data["discriminator.d"], [np.nan, 1.0])
        assert data.metrics.sel(evaluation="wild", metric="mpjpe_mm") == 70
        assert np.isnan(data.metrics.sel(evaluation="wild", metric="auc"))
        assert data.action_metrics.sel(evaluation="lab", action="sit", metric="mpjpe_mm") == 60
        joints = data.joint_metrics.sel(metric="mpjpe_mm")
        assert joints.sel(evaluation="lab", joint="tip") == 80
        assert list(joints.joint) == ["tip", "base"]
        assert np.isnan(joints.sel(evaluation="wild")).all()
        assert json.loads(data.attrs["result"])["steps"] == 3


def test_histories_of_several_seeds_have_the_dimension():
    def one(error, **others):
        return {"lab": Evaluation({"mpjpe_mm": error, **others}, {"sit": {"mpjpe_mm": error + 1}}, 10)}

    losses = {"supervised": {2: 0.5, 4: 0.25}, "discriminator/d": {4: 1.0}, "late": {4: 3.0}}
    by_seed = {"supervised": {2: [0.4, 0.6], 4: [0.2, 0.3]}, "late": {4: [2.0, 4.0]}}
    data = seeds_dataset(losses, by_seed, {7: one(50.0), 9: one(60.0, hook=1.0)}, {"seeds": [7, 9]})
    assert data.metrics.dims == ("seed", "evaluation", "metric")
    assert data.metrics.sel(metric="mpjpe_mm").squeeze().values.tolist() == [50, 60]
    assert data.action_metrics.sel(seed=9, action="sit", metric="mpjpe_mm").item() == 61
    np.testing.assert_array_equal(data.metrics.sel(metric="hook").squeeze(), [np.nan, 1])
    np.testing.assert_array_equal(data.supervised.sel(seed=9), [0.6, 0.3])
    np.testing.assert_array_equal(data.late.sel(seed=7), [np.nan, 2])
    np.testing.assert_array_equal(data["discriminator.d"], [np.nan, 1])
    assert json.loads(data.attrs["result"]) == {"seeds": [7, 9]}


def test_files_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(PoseplugError, match="Cannot write"):
        write_text(path / "below" / "b.txt", "x")


def test_run_directories_do_not_overwrite(tmp_path):
    assert RunDirectory.fresh(tmp_path, "x").path.name == "x"
    (tmp_path / "x").mkdir()
    assert RunDirectory.fresh(tmp_path, "x").path.name == "x-2"
    RunDirectory(tmp_path / "x").check_free()
    (tmp_path / "file").write_text("")
    with pytest.raises(PoseplugError, match="is not an empty folder"):
        RunDirectory(tmp_path / "file").check_free()
    with pytest.raises(PoseplugError, match="Cannot write to"):
        RunDirectory(tmp_path / "file" / "run").check_free()
