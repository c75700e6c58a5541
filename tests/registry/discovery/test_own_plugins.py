"""A component of poseplug's own that is not installed is missed with the line that installs it.

``python tests/registry/discovery/test_own_plugins.py`` writes the table of them anew.
"""

import tomllib
from pathlib import Path

import pytest
import tomli_w

from poseplug.core.errors import PoseplugError
from poseplug.registry import discovery
from poseplug.registry.discovery.catalogue import Catalogue, load_catalogue
from poseplug.registry.discovery.manager import Plugin

TABLE = Path(discovery.__file__).with_name("own_plugins.toml")
HEADING = "# What poseplug's own plugins bring, so that what is missing is named with the line that installs it.\n"
HEADING += "# Written by tests/registry/discovery/test_own_plugins.py.\n\n"
ROOT = Path(__file__).resolve().parents[3]


def brought():
    """Return what the plugins of the workspace register: by distribution and kind the names."""
    table = {}
    for path in ROOT.glob("plugins/*/pyproject.toml"):
        table[tomllib.loads(path.read_text())["project"]["name"]] = {}
    for entry in load_catalogue().entries:
        if entry.distribution in table:
            table[entry.distribution].setdefault(entry.kind, []).append(entry.name)
    return {
        name: {kind: sorted(names) for kind, names in sorted(kinds.items())} for name, kinds in sorted(table.items())
    }


def test_the_table_is_what_the_plugins_register():
    advice = "write it anew: python tests/registry/discovery/test_own_plugins.py"
    assert tomllib.loads(TABLE.read_text()) == brought(), advice


@pytest.mark.parametrize(
    ("kind", "name", "home"),
    [
        ("lifter", "semgcn", "poseplug-baselines"),
        ("source", "fk_generator", "poseplug-posegu"),
        ("recipe", "poseaug-paper", "poseplug-poseaug"),
        ("hook", "poseplug-loggers:logfile", "poseplug-loggers"),
    ],
)
def test_what_is_not_installed_is_named_with_its_distribution(kind, name, home):
    found = load_catalogue()
    without = Catalogue(
        tuple(plugin for plugin in found.plugins if plugin.distribution != home),
        tuple(entry for entry in found.entries if entry.distribution != home),
    )
    with pytest.raises(PoseplugError) as missed:
        without.find(kind, name)
    assert str(missed.value) == f"There is no {kind} '{name}'. It comes with {home}: pip install {home}."
    plain = name.rpartition(":")[2]
    assert without.not_installed(plain) == without.not_installed(plain, kind) != ""
    assert without.not_installed(plain, "root") == found.not_installed(plain) == ""


def test_a_plugin_that_is_there_but_broken_is_not_to_be_installed():
    broken = Catalogue((Plugin("baselines", "poseplug-baselines", "0.1", problem="ImportError: torch"),), ())
    with pytest.raises(PoseplugError, match="that failed to load: baselines") as missed:
        broken.find("lifter", "mlp")
    assert "pip install" not in str(missed.value)


@pytest.mark.parametrize("command", [["show", "mlp"], ["check", "mlp"], ["run", "--lifter", "mlp", "--dry-run"]])
def test_every_verb_says_it(poseplug, monkeypatch, command):
    nothing = Catalogue((), ())
    monkeypatch.setattr("poseplug.registry.discovery.catalogue.load_catalogue", lambda: nothing)
    result = poseplug(*command)
    assert result.exit_code == 2
    assert "It comes with poseplug-baselines: pip install poseplug-baselines." in result.stderr


if __name__ == "__main__":
    TABLE.write_text(HEADING + tomli_w.dumps(brought()))
