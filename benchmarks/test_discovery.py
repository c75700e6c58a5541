"""What many installed plugins cost a user who only looks: ``poseplug list`` with 200 more distributions."""

import os
import statistics
import subprocess
import sys
import time

import pytest

COUNT, ROUNDS, BAR_SECONDS = 200, 9, 0.1

PLUGIN = """\
from __future__ import annotations

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register

POSEPLUG_API = 1


@hookimpl
def register_lifters(register: Register) -> None:
    register("lifter_{number}", "synthetic_{number}.lifter:Lifter", summary="a lifter", paper="a paper, eq. 1")
"""
METADATA = """\
Metadata-Version: 2.4
Name: poseplug-synthetic-{number}
Version: 1.{number}
Summary: a plugin that is not one
Requires-Python: >=3.11
Requires-Dist: poseplug<0.2,>=0.1
Description-Content-Type: text/markdown

"""
README = "# A plugin\n\n" + "What the plugin does, and how it is used.\n" * 100
LISTING = """
import sys
sys.argv = ["poseplug", "list"]
from poseplug.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
assert "torch" not in sys.modules
"""


@pytest.fixture
def installed(tmp_path):
    """A folder with the modules and the metadata that pip leaves of 200 plugins."""
    for number in range(COUNT):
        (tmp_path / f"synthetic_{number}").mkdir()
        (tmp_path / f"synthetic_{number}" / "__init__.py").write_text(PLUGIN.format(number=number))
        facts = tmp_path / f"poseplug_synthetic_{number}-1.{number}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(METADATA.format(number=number) + README)
        (facts / "entry_points.txt").write_text(f"[poseplug]\nsynthetic-{number} = synthetic_{number}\n")
        (facts / "RECORD").write_text("")
    # Like pip, compile: the first listing should not be charged with it.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tmp_path)], check=True)
    return tmp_path


def seconds_of_listing(environment):
    began = time.perf_counter()
    command = [sys.executable, "-c", LISTING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    return seconds, done.stdout


def test_two_hundred_plugins_add_little_to_a_listing(benchmark, installed):
    plain = dict(os.environ)
    paths = [str(installed), *filter(None, [plain.get("PYTHONPATH")])]
    crowded = {**plain, "PYTHONPATH": os.pathsep.join(paths)}
    added = []

    def both():
        without, _ = seconds_of_listing(plain)
        with_all, listed = seconds_of_listing(crowded)
        assert all(f" lifter_{number} " in listed for number in range(COUNT))
        added.append(with_all - without)

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info["added seconds"] = round(statistics.median(added), 4)
    assert statistics.median(added) < BAR_SECONDS
