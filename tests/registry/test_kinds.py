"""The table of kinds: each has all that a kind needs, and nothing else has to be told of a new one."""

import importlib
import subprocess
import sys
from importlib.resources import files

import pluggy
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Component
from poseplug.core.kinds import KINDS, example_names, kind_named, kind_of_example, slots
from poseplug.registry import hookspecs
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.discovery.manager import hooks_of
from poseplug.registry.scaffold import choose_names, example_of, render_plugin


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_all_it_needs(kind):
    assert issubclass(kind.load_interface(), Component)
    spec = getattr(hookspecs, kind.hook)
    assert kind.load_interface().__name__ in spec.__doc__
    assert load_catalogue().of(kind.name) or kind.name == "root"  # no root estimator ships yet
    conformance = importlib.import_module(f"poseplug.registry.conformance.kinds.{kind.name}")
    assert callable(conformance.use)
    for example in (kind.name, *kind.examples):
        templates = {entry.name for entry in (files("poseplug.registry.scaffold") / "templates" / example).iterdir()}
        assert {"facts.toml", "component.py.txt", "test.py.txt"} <= templates
        # What is no part of a run is trained by a command of its own.
        assert ("recipe.toml.txt" in templates) == bool(kind.slots) == (not example_of(example).trains)
        assert example_of(example).summary
        assert f"def {kind.hook}(" in render_plugin(choose_names("tiny"), example)["src/poseplug_tiny/__init__.py"]
        assert not kind.slots or kind.slots[0].flag in example_of(example).usage.split()


def test_no_two_kinds_or_slots_share_a_name():
    for names in (
        [*example_names()],
        [kind.hook for kind in KINDS],
        [slot.name for slot in slots()],
        [slot.flag for slot in slots()],
    ):
        assert len(set(names)) == len(names)
    assert all(slot.kind == kind.name for kind in KINDS for slot in kind.slots)


def test_an_unknown_kind_gets_the_nearest():
    with pytest.raises(PoseplugError, match="There is no kind 'lifters'. Did you mean 'lifter'?"):
        kind_named("lifters")
    with pytest.raises(PoseplugError, match="There is no kind 'datset'. Did you mean 'dataset'?"):
        kind_of_example("datset")
    assert kind_of_example("dataset") == kind_named("source")


def test_hooks_made_from_the_table_check_the_names_of_arguments(tmp_path, monkeypatch):
    (tmp_path / "misnamed.py").write_text(
        "from poseplug.registry import hookimpl\n@hookimpl\ndef register_lifters(registrar): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with (
        pytest.raises(pluggy.PluginValidationError, match="registrar"),
        hooks_of(importlib.import_module("misnamed")),
    ):
        pass


NEW_KIND = """
import sys, types
from typer.testing import CliRunner
from poseplug.core import kinds

slots = (
    kinds.Slot("teller", "teller", "--tell", "Who tells of it.", "labelled"),
    kinds.Slot("teller", "best_teller", "--best-teller", "Who tells it best."),
)
new = kinds.Kind("teller", "poseplug.core.hooks:RunHook", "who tells?", slots)
unnamed = kinds.Kind("input", "poseplug.core.hooks:RunHook", "what is read?")
kinds.KINDS = (*kinds.KINDS, new, unnamed)

from poseplug.cli.main import app
from poseplug.registry import hookimpl
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.discovery.manager import Plugin

def run(*arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output

shown = run("run", "--help")
assert "--tell [LABEL=]NAME[:key=value,...]" in shown and "Who tells it best." in shown
assert "teller, input, recipe" in " ".join(run("list", "--help").replace("\u2502", "").split())
run("list", "teller")

plugin = types.ModuleType("telling")

@hookimpl
def register_tellers(register):
    register("loud", "telling:Loud", summary="tells loudly")

plugin.register_tellers = register_tellers
found = load_catalogue([Plugin("telling", "telling", "1", plugin, 1)])
assert [entry.name for entry in found.of("teller")] == ["loud"], found

from poseplug.cli.options import Flags
from poseplug.registry.config.experiment_file import shaped, tables_in

flags = Flags(
    parts={"teller": ["a.b=loud:size=1"], "best_teller": ["loud"]},
    settings={},
    assignments=["teller.a.b.size=2"],
)
document = flags.document(found)
assert document == {"teller": {"a.b": {"name": "loud", "size": "2"}}, "best_teller": {"name": "loud"}}, document
assert {place: shaped(place, tables_in(document, place)) for place in document} == document
"""


def test_a_new_kind_is_known_everywhere_by_its_entry_alone():
    done = subprocess.run([sys.executable, "-c", NEW_KIND], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
