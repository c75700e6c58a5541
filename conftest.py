"""Fixtures that every distribution of the workspace tests with."""

import os

import pytest
from typer.testing import CliRunner


def pytest_configure(config):
    """Test with one thread: for small tensors it is as fast, and other work on the machine does not stall it."""
    if not any("benchmarks" in str(argument) for argument in config.args):
        import torch

        os.environ.setdefault("OMP_NUM_THREADS", "1")  # for processes that a test starts
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # a plugin's conftest may have imported it before


@pytest.fixture(autouse=True)
def same_start():
    """Begin every test with the same random state, so that none fails by chance."""
    import torch

    torch.manual_seed(0)


@pytest.fixture
def poseplug(tmp_path, monkeypatch):
    """Runs the command line in an empty folder, as a user with pipes for output would."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        from poseplug.cli.main import app

        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        result.folder = tmp_path
        return result

    return run
