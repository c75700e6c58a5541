"""Runs by the path of their folder, or by the name of a model that a plugin brings."""

from pathlib import Path

import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import MODEL, Catalogue, Entry, load_catalogue
from poseplug.registry.runs.find_run import find_run


@pytest.fixture
def catalogue(tmp_path):
    (tmp_path / "shipped").mkdir()
    return Catalogue((), (Entry(MODEL, "walker", str(tmp_path / "shipped"), "lifts walks", "", "poseplug-zoo"),))


def test_a_folder_comes_before_a_model_of_its_name(catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_run("walker", catalogue).path == tmp_path / "shipped"
    assert find_run("poseplug-zoo:walker", catalogue).path == tmp_path / "shipped"
    (tmp_path / "walker").mkdir()
    assert find_run("walker", catalogue).path == Path("walker")


def test_neither_is_refused_with_the_nearest(catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PoseplugError, match="'waker' holds no run; .* name of a trained model. Did you mean 'walker'"):
        find_run("waker", catalogue)


def test_models_that_ship_are_whole():
    for entry in load_catalogue().of(MODEL):
        run = find_run(entry.name, load_catalogue())
        run.check_finished()
        assert run.result.exists()
        assert entry.text.read_text().startswith(f"# {entry.name}")
        assert run.model.stat().st_size <= 3_000_000
