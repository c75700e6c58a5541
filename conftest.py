"""Fixtures that every distribution of the workspace tests with."""

import pytest
from typer.testing import CliRunner


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
