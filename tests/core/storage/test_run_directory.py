"""Folders that may be written to, and what killed processes leave in them."""

import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_text
from poseplug.core.storage.run_directory import RunDirectory

HEX = "0123456789abcdef" * 2


@pytest.fixture
def left(tmp_path):
    """What a process leaves that is killed while it writes experiment.toml."""
    path = tmp_path / f".experiment.toml.{HEX}"
    path.write_text("steps = ")
    return path


def test_a_folder_with_nothing_but_temporary_files_is_free_and_is_cleaned(tmp_path, left):
    directory = RunDirectory(tmp_path)
    directory.check_free()
    assert left.exists(), "looking changes nothing"
    directory.clean()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["thesis.tex", f".thesis.tex.{HEX}", ".experiment.toml.swp", f"experiment.toml.{HEX}"])
def test_what_poseplug_did_not_write_is_neither_overlooked_nor_cleaned(tmp_path, left, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(PoseplugError, match="not an empty folder"):
        RunDirectory(tmp_path).check_free()
    RunDirectory(tmp_path).clean()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_every_file_of_a_run_and_of_its_seeds_is_cleaned_up_after(tmp_path):
    directory = RunDirectory(tmp_path)
    for run in (directory, directory.of_seed(3)):
        for path in (run.experiment, run.model, run.checkpoint, run.result, run.history):
            write_text(path, "")
            path.with_name(f".{path.name}.{HEX}").write_text("")
    directory.clean()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 10
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_text(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PoseplugError, match=r"Cannot write .*result\.json.*No space left"):
        write_text(path, "new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("result.json", "old")]
