"""Distributions as pip leaves them, for tests that bring plugins of their own; packages that test themselves."""

import os
import subprocess
import sys


def leave_facts(site, distribution, package, version="1.0"):
    """Write the metadata of a distribution whose entry point is a package, beside that package in a folder."""
    facts = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {distribution}\nVersion: {version}\n")
    (facts / "entry_points.txt").write_text(f"[poseplug]\n{package.removeprefix('poseplug_')} = {package}\n")


def run_its_tests(folder, contents):
    """Write the files of a package by their paths, and run its own tests; return what they print."""
    for path, text in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    paths = os.pathsep.join([str(folder / "src"), *sys.path])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout
