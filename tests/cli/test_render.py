"""Tables of results: every number whole, however narrow the terminal."""

import os
import pty
import subprocess
import sys

import pytest
from rich.console import Console

from poseplug.cli import render

HEADINGS = {"mpjpe_mm": "MPJPE", "mirrored_mm": "", "p_mpjpe_mm": "P-MPJPE", "pck_150": "PCK@150", "share": "SHARE"}


def result(labels, seeds=()):
    """Six digits for every value, and other ones for each."""
    numbers = iter(range(123456, 999999, 1111))
    metrics = {label: {name: next(numbers) / 10 for name in HEADINGS} for label in labels}
    made = {"protocol": {"name": "default", "joints": 16}, "headings": HEADINGS, "metrics": metrics}
    made["poses"] = dict.fromkeys(labels, 7654321)
    if seeds:
        made |= {"seeds": seeds, "spread": {label: dict.fromkeys(HEADINGS, 1234.5) for label in labels}}
    return made


def shown(monkeypatch, capsys, result, width):
    """Return the lines of the table in a terminal of a width; None: in a pipe."""
    terminal = width is not None
    monkeypatch.setattr(render, "out", lambda: Console(width=width, force_terminal=terminal, color_system=None))
    render.print_result(result)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [None, 200, 80, 60, 40, 20])
@pytest.mark.parametrize("seeds", [(), (0, 1)])
@pytest.mark.parametrize("labels", [["lab"], ["lab", "wild", "a label that is long enough to be in the way"]])
def test_no_number_is_cut(monkeypatch, capsys, width, seeds, labels):
    found = result(labels, seeds)
    lines = shown(monkeypatch, capsys, found, width)
    for label, values in found["metrics"].items():
        wanted = [f"{values[name]:.1f}" + " +- 1234.5" * bool(seeds) for name, heading in HEADINGS.items() if heading]
        for text in (label, *wanted, "7654321"):
            assert any(text in line for line in lines), text
    assert f"{found['metrics']['lab']['mirrored_mm']:.1f}" not in "".join(lines)


def test_a_table_is_turned_where_it_is_too_wide_and_taken_apart_where_that_is_too(monkeypatch, capsys):
    found = result(["lab", "wild"], (0, 1))
    found["metrics"]["lab"]["share"] = None
    (title, upright, *rest), turned, apart = (shown(monkeypatch, capsys, found, width) for width in (None, 60, 30))
    assert "2 seeds" in title
    assert upright.split() == ["evaluation", "MPJPE", "P-MPJPE", "PCK@150", "SHARE", "poses"]
    assert [line.split()[0] for line in rest] == ["lab", "wild"]
    names = ["evaluation", "MPJPE", "P-MPJPE", "PCK@150", "SHARE", "poses"]
    assert [line.split()[0] for line in turned[-6:]] == names
    assert turned[-6].split() == ["evaluation", "lab", "wild"]
    assert turned[-2].split()[:2] == ["SHARE", "-"]
    assert [line.split()[0] for line in apart[-12:]] == names * 2
    assert max(map(len, turned)) <= 60
    assert max(map(len, apart)) <= 30


def test_small_numbers_are_not_shown_as_none(monkeypatch, capsys):
    found = result(["lab"])
    found["metrics"]["lab"] |= {"mpjpe_mm": 0.0123, "p_mpjpe_mm": 0.0, "pck_150": -0.05, "share": 0.1}
    assert shown(monkeypatch, capsys, found, None)[-1].split()[1:5] == ["0.012", "0.0", "-0.05", "0.1"]


@pytest.mark.parametrize("width", [100, 40])
def test_no_name_in_a_list_is_cut(monkeypatch, capsys, width):
    rows = [("lifter", "q" * 33, "lifts poses")] * 12
    monkeypatch.setattr(render, "out", lambda: Console(width=width, force_terminal=True, color_system=None))
    render.print_table(("kind", "name", "summary"), rows, wide="summary")
    assert capsys.readouterr().out.count("q") == 12 * 33


def test_several_seeds_in_a_terminal_of_80_columns(tmp_path):
    """The table that was once cut: 30720 poses were shown as 3072."""
    command = [sys.executable, "-m", "poseplug", "run", "--lifter", "mlp:channels=8,blocks=1", "--steps", "2"]
    command += ["--batch-size", "8", "--seeds", "2", "--eval", "unusually-long=builtin"]
    terminal, end = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=end, stderr=subprocess.DEVNULL)
    os.close(end)
    printed = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not chunk:
            break
        printed += chunk
    os.close(terminal)
    assert process.wait() == 0
    lines = printed.decode().splitlines()
    assert lines[-1].split() == ["poses", "30720"]
    assert lines[-7].split() == ["evaluation", "unusually-long"]
