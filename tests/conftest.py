"""Fixtures that take long to make, made once."""

import pytest


@pytest.fixture(scope="session")
def trained_grid(tmp_path_factory):
    """The folder of a grid of real short runs: see ``grid_folders.train_grid``."""
    from grid_folders import train_grid
    from typer.testing import CliRunner

    from poseplug.cli.main import app

    def run(*arguments):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output

    return train_grid(tmp_path_factory.mktemp("trained") / "grid", run)


@pytest.fixture(scope="session")
def lifting_run(tmp_path_factory):
    """A short run that lifts the built-in poses, badly."""
    from poseplug.registry.api import train

    experiment = {"lifter": "mlp:channels=32,blocks=1", "steps": 150, "batch_size": 256, "seed": 3}
    return train(experiment, out=tmp_path_factory.mktemp("lifting") / "run", device="cpu")


@pytest.fixture(scope="session")
def walking():
    """Three hundred neighbouring poses of the built-in source as one camera sees them."""
    from poseplug.core.interfaces import BuildContext
    from poseplug_datasets.builtin import Builtin, BuiltinSettings

    source = Builtin(BuiltinSettings(split="test"), BuildContext())
    return next(iter(source.batches(300)))
