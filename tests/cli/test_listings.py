"""What ``list``, ``show``, ``plugins`` and ``check`` print, in a terminal of 80 columns and in a pipe."""

import json
import re
import tomllib
from itertools import pairwise

import attrs
import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.main import get_command

from poseplug.cli import render
from poseplug.cli.main import app
from poseplug.core.evaluation.protocol import PROTOCOLS
from poseplug.core.training.schedule import Phase
from poseplug.registry.config.run_settings import RunSettings
from poseplug.registry.discovery import catalogue as catalogues
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.discovery.manager import discover


@pytest.fixture
def terminal(poseplug, monkeypatch):
    """Runs the command line as in a terminal of some columns; gives the lines on standard output."""

    def run(*arguments, width=80):
        with monkeypatch.context() as patched:
            patched.setattr(render, "out", lambda: Console(width=width, force_terminal=True, color_system=None))
            found = poseplug(*arguments)
        assert found.exit_code == 0, found.stderr
        return found.stdout.splitlines()

    return run


COMMANDS = [["list", kind] for kind in ("source", "lifter", "metric", "recipe")] + [
    ["plugins"],
    ["check", "joints_2d", "pck", "--verbose"],
    *(["show", name] for name in ("run", "phase", "protocol", "rigid", "reprojection", "fk_generator")),
]


@pytest.mark.parametrize("width", [80, 60, 30])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_word_is_broken_and_no_line_is_too_long(terminal, poseplug, command, width):
    lines = terminal(*command, width=width)
    wanted = poseplug(*command).stdout.split()
    left_out = {command[1], "kind"} if command[0] == "list" else set()  # the kind that was asked for
    assert {word for word in wanted if cell_len(word) < width - 4} <= {
        w for line in lines for w in line.split()
    } | left_out
    assert all(cell_len(line) <= width or len(line.split()) == 1 for line in lines)
    assert not any(line.endswith(" ") for line in lines)


def test_list_has_a_line_for_each_component_below_its_kind(terminal, poseplug):
    lines, entries = terminal("list"), json.loads(poseplug("list", "--json").stdout)
    kinds = {entry["kind"] for entry in entries}
    assert len(lines) == len(entries) + len(kinds)
    assert {line for line in lines if not line.startswith(" ")} == kinds
    assert all(cell_len(line) <= 80 for line in lines)
    for entry, line in zip(entries, [line for line in lines if line.startswith("  ")], strict=True):
        name, summary = line.split(maxsplit=1)
        assert name == entry["name"]
        assert entry["summary"].startswith(summary.removesuffix("…"))
        assert summary.endswith("…") or summary == entry["summary"]
    assert any(line.endswith("…") for line in lines)


def test_list_cuts_nothing_in_a_pipe_nor_where_all_is_asked_for(terminal, poseplug):
    whole = poseplug("list").stdout.splitlines()
    assert terminal("list", "--wide") == whole
    assert whole[0].split() == ["kind", "name", "distribution", "summary"]
    for entry, line in zip(json.loads(poseplug("list", "--json").stdout), whole[1:], strict=True):
        assert re.split(r"\s\s+", line) == [entry[key] for key in ("kind", "name", "distribution", "summary")]


def test_list_says_whose_a_name_is_that_two_plugins_have_taken(terminal, tmp_path, monkeypatch):
    both = load_catalogue()
    mine = attrs.evolve(next(entry for entry in both.entries if entry.name == "mlp"), distribution="poseplug-mine")
    twice = attrs.evolve(both, entries=(*both.entries, mine))
    monkeypatch.setattr(catalogues, "load_catalogue", lambda: twice)
    names = [line.split()[0] for line in terminal("list")]
    assert {"poseplug-mine:mlp", "poseplug-baselines:mlp"} <= set(names)
    assert discover()


def test_what_stands_below_its_row_is_indented(capsys, monkeypatch):
    monkeypatch.setattr(render, "out", lambda: Console(width=40, force_terminal=True, color_system=None))
    rows = [("lifter mlp", "failed", "joints are elsewhere than expected"), ("lifter stgcn", "ok", "")]
    render.print_table(("component", "verdict", "reason"), rows, wide="reason")
    assert capsys.readouterr().out.splitlines() == [
        "component     verdict",
        "    reason",
        "lifter mlp    failed",
        "    joints are elsewhere than expected",
        "lifter stgcn  ok",
    ]


@pytest.mark.parametrize(("topic", "config"), [("run", RunSettings), ("phase", Phase)])
def test_settings_of_the_run_and_of_phases_are_shown_with_their_defaults(poseplug, topic, config):
    (shown,) = json.loads(poseplug("show", topic, "--json").stdout)
    settings = {setting["name"]: setting for setting in shown["settings"]}
    assert settings.keys() == attrs.fields_dict(config).keys()
    assert all(setting["doc"] and setting["type"] and setting["default"] for setting in settings.values())
    text = poseplug("show", topic).stdout
    assert all(f"\n{name} = {setting['default']}  (" in text for name, setting in settings.items())


def test_flags_of_settings_of_the_run_are_those_of_run(poseplug):
    (shown,) = json.loads(poseplug("show", "run", "--json").stdout)
    flags = {setting["flag"] for setting in shown["settings"]} - {""}
    known = {flag for parameter in get_command(app).commands["run"].params for flag in parameter.opts}
    assert {"--steps", "--batch-size", "--protocol", "--hook-errors"} <= flags <= known


def test_protocols_are_shown_with_what_they_count(poseplug):
    (shown,) = json.loads(poseplug("show", "protocol", "--json").stdout)
    found = {protocol["name"]: protocol for protocol in shown["protocols"]}
    assert found.keys() == PROTOCOLS.keys()
    assert all(found[name]["source"] == protocol.source for name, protocol in PROTOCOLS.items())
    assert "all joints but the root" in found["pose2drep"]["counts"]
    assert "reflection" in found["pose2drep"]["counts"]
    assert "mirror image" in found["poseaug-3dhp"]["counts"]
    assert "mean over actions" in found["evoskeleton"]["counts"]


def test_a_component_called_run_is_shown_beside_the_settings_of_the_run(poseplug, monkeypatch):
    both = load_catalogue()
    runner = attrs.evolve(next(entry for entry in both.entries if entry.name == "mlp"), name="run")
    monkeypatch.setattr(catalogues, "load_catalogue", lambda: attrs.evolve(both, entries=(*both.entries, runner)))
    shown = json.loads(poseplug("show", "run", "--json").stdout)
    assert [(facts["kind"], facts["name"]) for facts in shown] == [("settings", "run"), ("lifter", "run")]


def test_completion_knows_what_can_be_shown():
    from poseplug.cli.verbs.show import _names

    assert [name for name, _ in _names("ru")] == ["run"]
    assert {"phase", "protocol", "mlp"} <= {name for name, _ in _names("")}


def test_ranges_are_shown_as_they_are_typed(poseplug):
    text = poseplug("show", "rigid").stdout
    (typed,) = re.findall(r"typed (elevation=\S+)\)", text)
    found = poseplug("run", "--augment", f"rigid:{typed}", "--dry-run", "--json")
    assert json.loads(found.stdout)["augmentor"][0]["elevation"] == [-0.17, 0.78]
    refused = poseplug("run", "--augment", "rigid:elevation=0;0.5", "--dry-run")
    assert "'elevation': expected [2 numbers], such as [0,0.5], got '0;0.5'" in refused.stderr
    said = poseplug("run", "--help").stdout
    assert "rigid:elevation=[0,0.5]" in said
    assert "poseplug show run" in said


def test_recipes_are_shown_as_they_stand_in_their_file(terminal):
    lines = terminal("show", "poseaug-paper", width=40)
    assert tomllib.loads("\n".join(lines[lines.index("") :]))["lr"] == 1e-4


@pytest.mark.parametrize("verb", ["run", "ablate", "eval", "check", "show"])
def test_examples_in_help_can_be_copied(poseplug, verb):
    lines = [line[2:] for line in poseplug(verb, "--help").stdout.partition("Examples:")[2].splitlines() if line[2:]]
    assert all(
        before.endswith("\\") == line.startswith("      ") for before, line in pairwise(lines) if "poseplug" in line
    )
    assert all(cell_len(line) <= 78 for line in lines)
    assert any(line.startswith(f"  poseplug {verb} ") for line in lines)


def test_messages_are_folded_between_words_and_paths_stay_whole(poseplug, monkeypatch):
    path = "a-folder-whose-name-is-longer-than-any-terminal-is-wide/" * 2
    whole = poseplug("run", "--config", path).stderr
    monkeypatch.setattr(render, "err", lambda: Console(width=40, force_terminal=True, color_system=None, stderr=True))
    for arguments in (["run", "--config", path], ["run", "--set", "stesp=1", "--lifter", "smegcn", "--seeds", "0"]):
        lines = poseplug(*arguments).stderr.splitlines()
        assert all(cell_len(line) <= 40 or len(line.split()) == 1 for line in lines)
        assert lines[0].startswith("error: ")
    assert poseplug("run", "--config", path).stderr.split() == whole.split()
    assert whole.count("\n") == 1
    assert path.rstrip("/") in whole
