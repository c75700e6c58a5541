"""``poseplug check``: what it prints, and its exit codes."""

import json

import attrs
import pytest

from poseplug.registry.conformance import promises_of
from poseplug.registry.discovery import catalogue as catalogues
from poseplug.registry.discovery.catalogue import Catalogue, Entry
from poseplug.registry.discovery.manager import Plugin


@pytest.fixture
def installed(monkeypatch):
    """Puts a catalogue of its own before the command."""

    def install(*entries, plugins=()):
        listed = [Entry(kind, name, target, "summary", paper, "dist") for kind, name, target, paper in entries]
        monkeypatch.setattr(catalogues, "load_catalogue", lambda: Catalogue(tuple(plugins), tuple(listed)))

    return install


GOOD = ("lifter", "two", "conformance.keepers:TwoPartLifter", "A. Uthor, Title")
BAD = ("lifter", "ungrouped", "conformance.broken_kinds:UngroupedDepth", "A. Uthor, Title")
GONE = ("lifter", "gone", "conformance.keepers:Gone", "A. Uthor, Title")
NEEDY = ("source", "two", "poseplug_datasets.bvh:BVH", "none: reads files")


def test_kept_promises_are_counted_and_exit_code_0(poseplug, installed):
    installed(GOOD)
    result = poseplug("check", "two")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()[1:]
    assert line.split() == ["lifter", "two", str(len(promises_of("lifter"))), "promises", "ok"]
    assert f"{len(promises_of('lifter'))} promises kept, 0 failed, 0 skipped." in result.stderr


def test_a_broken_promise_is_told_with_its_reason_and_exit_code_1(poseplug, installed):
    installed(GOOD, BAD)
    result = poseplug("check", "ungrouped")
    assert result.exit_code == 1
    assert "groups" in result.stdout
    assert "failed" in result.stdout
    assert "parameters in other than one group" in result.stdout
    assert "two" not in result.stdout


def test_verbose_tells_what_is_promised(poseplug, installed):
    installed(GOOD)
    result = poseplug("check", "two", "--verbose")
    for promise in promises_of("lifter"):
        assert promise.name in result.stdout
        assert promise.statement in result.stdout


def test_json_has_every_verdict(poseplug, installed):
    installed(BAD)
    result = poseplug("check", "ungrouped", "--format", "json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    assert [row["promise"] for row in rows] == [promise.name for promise in promises_of("lifter")]
    (failed,) = [row for row in rows if row["verdict"] == "failed"]
    assert failed.keys() == {"kind", "name", "distribution", "promise", "statement", "verdict", "reason"}
    assert (failed["kind"], failed["name"], failed["distribution"]) == ("lifter", "ungrouped", "dist")


def test_all_checks_everything_and_reports_what_cannot_be_loaded(poseplug, installed):
    broken = Plugin("broken", "broken-dist", "1.0", problem="ImportError: no module named x")
    off = Plugin("off", "off-dist", "1.0", problem="switched off", off=True)
    installed(GOOD, GONE, plugins=[broken, off])
    result = poseplug("check", "--all")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert any(line.startswith("plugin broken") and "ImportError: no module named x" in line for line in lines)
    assert any(line.startswith("lifter gone") and "loads" in line and "cannot be loaded" in line for line in lines)
    assert not any("off" in line.split() for line in lines)
    assert any(line.startswith("lifter two") for line in lines)


def test_a_name_of_several_kinds_means_all_and_skips_share_a_line(poseplug, installed, monkeypatch):
    from poseplug_datasets.bvh import BVH

    monkeypatch.setattr(BVH, "example_settings", None, raising=False)
    installed(GOOD, NEEDY)
    result = poseplug("check", "two")
    assert result.exit_code == 0
    assert {line.split()[0] for line in result.stdout.splitlines()[1:]} == {"lifter", "source"}
    assert sum("needs path" in line for line in result.stdout.splitlines()) == 1


def test_settings_reach_the_component(poseplug, installed, tmp_path):
    installed(("source", "file", "conformance.keepers:FileSource", "none: a toy"))
    (tmp_path / "n").write_text("9")
    assert poseplug("check", "file:path=n").exit_code == 0
    (tmp_path / "n").write_text("many")
    result = poseplug("check", "file:path=n")
    assert result.exit_code == 1
    assert "ValueError: invalid literal" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name the components to check, or give --all for everything"),
        (["mlp", "--all"], "one of the two"),
        (["smegcn"], "There is no component 'smegcn'. Did you mean 'semgcn'?"),
        (["posegu"], "There is no component 'posegu'"),
        (["mlp:chanels=3"], "has no setting 'chanels'. Did you mean 'channels'?"),
        (["mlp:channels=0"], "must be at least 1, got 0"),
        (["mlp", "--device", "gpu"], "--device 'gpu' is not known"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_exit_code_2(poseplug, arguments, message):
    result = poseplug("check", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.count("error:") == 1


def test_a_distribution_picks_one_of_two(poseplug, monkeypatch):
    one = Entry(*GOOD[:3], "summary", GOOD[3], "dist")
    both = Catalogue((), (one, attrs.evolve(one, distribution="other")))
    monkeypatch.setattr(catalogues, "load_catalogue", lambda: both)
    refused = poseplug("check", "two")
    assert refused.exit_code == 2
    assert "say 'dist:two' or 'other:two'" in refused.stderr
    result = poseplug("check", "other:two", "--format", "json")
    assert result.exit_code == 0
    assert {row["distribution"] for row in json.loads(result.stdout)} == {"other"}


def test_what_a_component_prints_does_not_get_among_the_results(poseplug, installed, monkeypatch):
    from conformance.keepers import Counter

    monkeypatch.setattr(Counter, "on_step", lambda self, step, losses: print("step", step))  # noqa: T201
    installed(("hook", "counter", "conformance.keepers:Counter", ""))
    result = poseplug("check", "counter", "--format", "json")
    assert {row["verdict"] for row in json.loads(result.stdout)} <= {"ok", "failed"}
    assert "step 4" in result.stderr
