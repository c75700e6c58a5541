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
