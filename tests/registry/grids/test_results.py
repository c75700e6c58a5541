"""The data set of a grid: every number in its place, and no two protocols in one column."""

import json

import numpy as np
import pytest
import xarray

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids.folder import GridFolder, Record
from poseplug.registry.grids.grid import cells_of
from poseplug.registry.grids.grid_file import grid_from
from poseplug.registry.grids.results import grid_dataset

CATALOGUE = load_catalogue()
PROTOCOL = {"name": "default", "skeleton": "h36m-16", "joints": 16}


def result(number, labels=("wild",), **protocol):
    metrics = {"mpjpe_mm": number, "auc": None}
    return {
        "metrics": dict.fromkeys(labels, metrics),
        "poses": dict.fromkeys(labels, 7),
        "per_action": {label: {"walk": {"mpjpe_mm": number + 1}} for label in labels},
        "per_joint": {label: {"mpjpe_mm": {"Hip": 0.0, "Head": 2 * number}} for label in labels},
        "headings": {"mpjpe_mm": "MPJPE", "auc": "AUC"},
        "versions": {"poseplug": "0.1"},
        "device": "cpu",
        "protocol": {**PROTOCOL, **protocol},
    }


def made(tmp_path, said, results):
    grid = grid_from(said, CATALOGUE)
    cells = cells_of(grid, CATALOGUE)
    folder = GridFolder(tmp_path)
    folder.write_grid(grid, cells, "test")
    for cell, found in zip(cells, results, strict=False):
        if isinstance(found, str):
            folder.record(Record(cell.identity, "failed", reason=found))
        elif found is not None:
            folder.record(Record(cell.identity, "done", found, 2.5, f"cells/{cell.identity}"))
    return grid_dataset(folder), cells


def test_every_number_stands_in_its_place(tmp_path):
    said = {
        "seeds": 2,
        "vary": {"lr": [1e-3, 1e-4], "lifter": ["mlp", "mpl", "semgcn"]},
        "exclude": [{"lr": 1e-4, "seed": 1}],
    }
    numbers = [result(1.0), "it broke", result(3.0), None, None, result(6.0)]
    dataset, cells = made(tmp_path, said, numbers)
    assert dataset.value.dims == ("lr", "lifter", "seed", "evaluation", "metric")
    assert dataset.lr.values.tolist() == [1e-3, 1e-4]
    expected = np.full((2, 3, 2), np.nan)
    states = np.full((2, 3, 2), "excluded", dtype="U10")
    for cell, number in zip(cells, [*numbers, *[None] * 9], strict=False):
        place = tuple(list(dataset[name].values).index(label) for name, label in cell.labels.items())
        states[place] = "impossible" if cell.obstacle else "missing" if number is None else "done"
        if isinstance(number, str):
            states[place] = "failed"
        elif number is not None and not cell.obstacle:
            expected[place] = number["metrics"]["wild"]["mpjpe_mm"]
    np.testing.assert_array_equal(dataset.state.values, states)
    found = dataset.value.sel(evaluation="wild", metric="mpjpe_mm").values
    done = states == "done"
    np.testing.assert_array_equal(found[done], expected[done])
    assert np.isnan(found[~done]).all()
    np.testing.assert_array_equal(
        dataset.action_value.sel(action="walk", metric="mpjpe_mm").values[done].ravel(), expected[done] + 1
    )
    np.testing.assert_array_equal(
        dataset.joint_value.sel(joint="Head", metric="mpjpe_mm").values[done].ravel(), 2 * expected[done]
    )
    assert np.isnan(dataset.value.sel(metric="auc").values).all()
    assert set(dataset.reason.values[states == "failed"]) == {"it broke"}
    assert "Did you mean 'mlp'" in dataset.reason.sel(lifter="mpl").values[0, 0]
    assert (dataset.seconds.values[done] == 2.5).all()
    assert all(str(tmp_path) in folder for folder in dataset.folder.values[done])
    assert dataset.heading.values.tolist() == ["MPJPE", "AUC"]


def test_numbers_of_different_protocols_never_share_a_column(tmp_path):
    dataset, _ = made(
        tmp_path, {"vary": {"protocol": ["default", "pose2drep"]}}, [result(1.0), result(2.0, name="pose2drep")]
    )
    assert dataset.evaluation.values.tolist() == ["wild (default, h36m-16)", "wild (pose2drep, h36m-16)"]
    found = dataset.value.sel(metric="mpjpe_mm").values.squeeze()
    np.testing.assert_array_equal(found, [[1.0, np.nan], [np.nan, 2.0]])
    assert [json.loads(text)["name"] for text in dataset.protocol.values] == ["default", "pose2drep"]


def test_it_goes_to_a_file_and_back(tmp_path):
    dataset, _ = made(tmp_path, {"vary": {"lr": [1e-3, 1e-4]}}, [result(1.0), "it broke"])
    dataset.to_netcdf(tmp_path / "results.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "results.nc") as back:
        xarray.testing.assert_identical(back.load(), dataset)


def test_a_line_that_was_not_finished_is_none_and_swallows_none(tmp_path):
    folder = GridFolder(tmp_path)
    folder.record(Record("a", "done"))
    whole = folder.journal.read_bytes()
    for length in range(len(whole)):
        folder.journal.write_bytes(whole + whole[:length])
        folder.record(Record("b", "failed", reason="no"))
        assert folder.records() == {"a": Record("a", "done"), "b": Record("b", "failed", reason="no")}


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PoseplugError, match="exists and holds no grid"), GridFolder(tmp_path).locked():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_grids_do_not_work_in_one_folder(tmp_path):
    folder = GridFolder(tmp_path / "grid")
    with (
        folder.locked(),
        pytest.raises(PoseplugError, match="Another 'poseplug ablate' is working"),
        GridFolder(folder.path).locked(),
    ):
        pass


def test_what_goes_wrong_while_a_folder_is_kept_is_not_blamed_on_it(tmp_path):
    folder = GridFolder(tmp_path / "grid")
    with pytest.raises(OSError, match="of somebody else"), folder.locked():
        raise OSError("of somebody else")
    with folder.locked():  # it is free again
        pass
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(PoseplugError, match="choose another --out|Choose another --out"), GridFolder(path).locked():
            pass


def test_ten_thousand_recorded_cells_are_opened_whole(tmp_path):
    said = {
        "seeds": 5,
        "vary": {"lr": [i * 1e-5 for i in range(1, 101)], "weight_decay": [i * 1e-3 for i in range(20)]},
    }
    grid = grid_from(said, CATALOGUE)
    cells = cells_of(grid, CATALOGUE)
    folder = GridFolder(tmp_path)
    folder.write_grid(grid, cells, "large")
    lines = [json.dumps({"cell": c.identity, "state": "done", "result": result(float(i))}) for i, c in enumerate(cells)]
    folder.journal.write_text("\n".join(lines) + "\n")
    dataset = grid_dataset(folder)
    assert dataset.value.sel(metric="mpjpe_mm").values.ravel().tolist() == list(range(10_000))
