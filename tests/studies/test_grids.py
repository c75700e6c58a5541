"""The studies as grids: what their files ask for, and each of them done in its tiny size."""

import itertools
import runpy
import shutil
import sys
from pathlib import Path

import attrs
import pytest
import xarray

from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids.ablate import ablate
from poseplug.registry.grids.grid import cells_of
from poseplug.registry.grids.grid_file import read_grid

STUDIES = Path(__file__).resolve().parents[2] / "benchmarks/studies"
LIFTERS = ("mlp", "videopose", "semgcn", "stgcn")
CATALOGUE = load_catalogue()


def grid(name, folder, **values):
    return read_grid(STUDIES / name, CATALOGUE, {"mocap": str(folder), "clips": str(folder), **values})


def by_place(name, **values):
    """Return the cells of a study by their labels; all of them can be."""
    cells = cells_of(grid(name, "mocap", **values), CATALOGUE)
    assert not [cell.obstacle for cell in cells if cell.obstacle]
    return {tuple(cell.labels.values()): cell for cell in cells}


@pytest.mark.parametrize("size", ["full", "tiny"])
def test_lab_to_wild_has_eight_trainings(size):
    assert len(by_place("lab_to_wild.toml", size=size)) == 16


@pytest.mark.parametrize(("size", "seeds"), [("small", (3, 1, 3, 1)), ("full", (3, 3, 3, 3)), ("tiny", (2, 1, 1, 1))])
def test_poseaug_has_as_many_updates_in_every_arm(size, seeds):
    cells = by_place("poseaug/grid.toml", size=size)
    arms = dict(zip(LIFTERS, (4 + 3, 4 + 7, 4, 4), strict=True))
    for lifter, count in zip(LIFTERS, seeds, strict=True):
        assert len([place for place in cells if place[1] == lifter]) == arms[lifter] * count
    for (arm, lifter, seed), cell in cells.items():
        if arm == "pretrained":
            assert not cell.after
            continue
        assert cell.after == cells["pretrained", lifter, seed].identity
        said, updates = cell.document, cells["captured", lifter, seed].document["steps"]
        if phases := said.get("phase"):
            # The warm-up comes once, the others in turn; two of three blocks train the lifter.
            assert (said["steps"] - phases[0]["steps"]) * 2 / 3 == updates
            assert updates % (2 * phases[1]["steps"]) == 0
        else:
            assert said["steps"] == updates


@pytest.mark.parametrize("size", ["small", "full", "tiny"])
def test_evoskeleton_compares_at_equal_steps(size):
    cells = by_place("evoskeleton/grid.toml", size=size)
    seeds = {seed for _, _, seed in cells}
    assert len(cells) == (8 * 3 + 9) * len(seeds)
    steps = {arm: cell.document["steps"] for (arm, _, _), cell in cells.items()}
    assert steps["B + C"] == steps["B + C + E"] == steps["B, as long"] == 2 * steps["B"]
    assert steps["T = 3"] == 3 * steps["B"]
    assert {steps[arm] for arm in ("B + E", "rigid + jitter", "E + rigid + jitter", "G = 30", "R = 5, E")} == {
        steps["B"]
    }
    for (_, share, seed), cell in cells.items():
        assert (cell.document["reference"]["share"], cell.document["seed"]) == (share, seed)


@pytest.mark.parametrize("size", ["small", "full", "tiny"])
def test_pose2drep_keeps_its_last_state(size):
    study = grid("pose2drep/grid.toml", "clips", size=size)
    cells = by_place("pose2drep/grid.toml", size=size)
    assert study.together
    assert len(cells) == 8 * len(study.seeds)
    for cell in cells.values():
        assert cell.document["steps"] % cell.document["checkpoint_every"] == 0
        assert [part["name"] for part in cell.document["hook"]] == ["snapshots"]
    signs = {arm for (arm, _), cell in cells.items() if cell.document["objective"]["half_turn_sign"] == "wrong"}
    assert signs == {"Ind-5w"}


@pytest.mark.parametrize("size", ["small", "full", "tiny"])
def test_virtualpose_trains_on_scenes_of_lab_and_tests_on_those_of_wild(size):
    cells = by_place("virtualpose/grid.toml", size=size)
    trainings = {arm: {cameras for a, cameras, _ in cells if a == arm} for arm, _, _ in cells}
    fixed = {"low", "middle", "high"}
    assert trainings["REN"] == {"random", *fixed, "high, nearly"}
    assert all(trainings[arm] == {"random", *fixed} for arm in ("TBS", "TIF", "BDR"))
    assert all(trainings[arm] == {"random"} for arm in ("DE", "REN + PEN", "REN, naive"))
    for (_, cameras, _), cell in cells.items():
        said = cell.document
        assert len({said[name] for name in ("steps", "batch_size", "lr")}) == 3
        assert said["protocol"] == "virtualpose"
        assert said["reference"]["path"].endswith("mocap/lab")
        assert all("/wild" in test["people"] and test["length"] for test in said["eval"].values())
        # Who was trained on a fixed camera is tested on that very one.
        if cameras in fixed:
            test, trained = said["eval"][cameras], said["source"][0]
            places = ("camera", "azimuth", "elevation", "distance", "height", "focal")
            assert [test[name] for name in places] == [trained[name] for name in places]


@pytest.fixture(scope="module")
def mocap(tmp_path_factory):
    """A folder with a few tiny clips as lab and wild."""
    from poseplug_datasets.bvh import BVH

    folder = tmp_path_factory.mktemp("mocap")
    for name, count in (("lab", 10), ("wild", 3)):
        (folder / name).mkdir()
        BVH.example_settings(folder / name)
        clip = next((folder / name).iterdir())
        for number in range(count - 1):
            shutil.copy(clip, folder / name / f"sway-{number}.bvh")
    return folder


@pytest.fixture
def call(monkeypatch, capsys):
    def call(script, *arguments):
        """Run a script, and return what it prints."""
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.syspath_prepend(str((STUDIES / script).parent))
        runpy.run_path(str(STUDIES / script), run_name="__main__")
        return capsys.readouterr().out

    return call


def only(study, arms):
    """Return the study with some of its arms."""
    arm, *others = study.factors
    return attrs.evolve(study, factors=(attrs.evolve(arm, levels=arm.levels[arms]), *others))


def test_lab_to_wild_gives_its_table(mocap, tmp_path, call):
    ablate(only(grid("lab_to_wild.toml", mocap, size="tiny"), slice(2)), tmp_path / "grid", CATALOGUE, device="cpu")
    text = call("tables.py", tmp_path / "grid")
    assert text.startswith(
        "| arm | lab, own | lab, random | wild, own | wild, random | seeds |\n|---|---|---|---|---|---|"
    )
    assert text.count("\n| ") == 2
    assert "| as captured | " in text


@pytest.mark.slow
def test_poseaug_gives_its_tables_and_pictures(mocap, tmp_path, call):
    pytest.importorskip("matplotlib")
    study = grid("poseaug/grid.toml", mocap, size="tiny")
    results = ablate(study, tmp_path / "grid", CATALOGUE, device="cpu", keep_checkpoints=True)
    assert set(results.state.values.ravel()) == {"done", "excluded"}
    text = call("poseaug/report.py", tmp_path / "grid")
    assert text == (tmp_path / "grid" / "tables.md").read_text() + "\n"
    for lifter, arm in (*itertools.product(LIFTERS, ("captured", "PoseAug")), ("mlp", "RT + Extra2D")):
        assert f"\n| {lifter} | {arm} | " in text
    assert "| videopose | kcs_part only | captured | " in text
    assert "| videopose | PoseAug | kcs_part only | " in text
    health = text.partition("## Health")[2]
    assert health.count(" of 1 |") + health.count(" of 2 |") == 4 + 7 + 2
    run = results.folder.sel(arm="PoseAug", lifter="mlp", seed=0).item()
    call("../figures/draw_augmentor.py", run, "--out", tmp_path / "pictures")
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"diversity.png", "bodies.png"}


@pytest.mark.slow
def test_evoskeleton_gives_its_tables_and_curves(mocap, tmp_path, call):
    pytest.importorskip("matplotlib")
    study = grid("evoskeleton/grid.toml", mocap, size="tiny")
    arms = next(factor for factor in study.factors if factor.name == "arm")
    kept = tuple(level for level in arms.levels if level.label in ("B", "B + E", "crossover"))
    study = attrs.evolve(study, factors=tuple(attrs.evolve(f, levels=kept) if f is arms else f for f in study.factors))
    ablate(study, tmp_path / "grid", CATALOGUE, device="cpu")
    text = call("evoskeleton/report.py", tmp_path / "grid")
    assert text == (tmp_path / "grid" / "tables.md").read_text() + "\n"
    for share in ("1%", "10%"):  # of all the clips of the fixture no child would be fit to live
        assert f"\n| Fig. 2: evolution helps one learner | B + E | B | {share} | wild, random | " in text
    assert (tmp_path / "grid" / "curves.png").stat().st_size > 10_000


@pytest.mark.slow
def test_virtualpose_gives_its_tables_and_its_picture(mocap, tmp_path, call):
    pytest.importorskip("matplotlib")
    study = grid("virtualpose/grid.toml", mocap, size="tiny")
    kept = ("DE", "REN + PEN", "TBS")
    arms = next(factor for factor in study.factors if factor.name == "arm")
    levels = tuple(level for level in arms.levels if level.label in kept)
    study = attrs.evolve(
        study, factors=tuple(attrs.evolve(f, levels=levels) if f is arms else f for f in study.factors)
    )
    results = ablate(study, tmp_path / "grid", CATALOGUE, device="cpu")
    assert set(results.state.values.ravel()) == {"done", "excluded"}
    text = call("virtualpose/report.py", tmp_path / "grid")
    assert text == (tmp_path / "grid" / "tables.md").read_text() + "\n"
    for arm in kept:
        assert text.count(f"\n| {arm} | ") == 6
    assert "\n| Fig. 3 (a): on its own camera better than another's | TBS, high | TBS, low | high | " in text
    assert (tmp_path / "grid" / "cameras.png").stat().st_size > 10_000


@pytest.mark.slow
def test_pose2drep_gives_its_tables_curves_and_pictures(mocap, tmp_path, call):
    pytest.importorskip("matplotlib")
    clips, folder = tmp_path / "clips", tmp_path / "grid"
    call("pose2drep/clips.py", mocap, "--out", clips)
    call("pose2drep/clips.py", mocap, "--out", clips)
    names = {split.name: sorted(clip.name for clip in split.iterdir()) for split in clips.iterdir()}
    assert {split: len(clips) for split, clips in names.items()} == {
        "train": 6,
        "held_out": 2,
        "lab_test": 2,
        "wild": 3,
    }
    assert len({name for split in ("train", "held_out", "lab_test") for name in names[split]}) == 10
    study = only(grid("pose2drep/grid.toml", clips, size="tiny"), slice(0, 3))
    ablate(study, folder, CATALOGUE, device="cpu")
    text = call("pose2drep/report.py", folder, "--watched", "9", "--device", "cpu")
    assert text.count("\n| Ind-LT | ") == 2 + 2 + 1
    curves = xarray.load_dataset(folder / "curves.nc")
    assert [curves.sizes[name] for name in ("arm", "seed", "epoch", "set", "metric")] == [3, 2, 4, 3, 6]
    assert float(abs(curves.value.diff("epoch")).min("metric").max()) > 0
    assert {path.name for path in folder.glob("*.png")} == {"stability.png"}
    on = f"bvh:path={clips / 'lab_test'},split=all"
    text = call("pose2drep/sensitivity.py", folder, "--cells", "Full", "Ind-LT", "--on", on, "--out", tmp_path / "out")
    assert "| Ind-LT | ppt | " in text
    assert " | 0 | 0.00 |" in text
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".nc", ".md", ".png"}
