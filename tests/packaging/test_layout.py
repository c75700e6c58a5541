"""What keeps the workspace installable: one namespace without an __init__, wheels that hold all they should."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def test_the_namespace_has_no_init():
    # One stray file would hide the other two portions of the package.
    assert not [p for part in ("core", "registry", "cli") for p in (ROOT / part / "poseplug").glob("__init__.py")]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_every_distribution_is_complete(project):
    facts = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert (project / facts["readme"]).stat().st_size > 200
    assert (project / "LICENSE").exists()
    assert facts["entry-points"]["poseplug"]
    assert (project / "tests").is_dir()


def test_every_plugin_is_installed_typed_and_bound_by_the_import_contracts():
    plugins = [project.name for project in PROJECTS[1:]]
    packages = {f"poseplug_{name}" for name in plugins}
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    own = {"poseplug.core", "poseplug.registry", "poseplug.cli"}
    assert set(tools["importlinter"]["root_packages"]) == own | packages
    assert set(tools["importlinter"]["contracts"][0]["layers"][0].split(" | ")) == {"poseplug.cli"} | packages
    assert set(tools["mypy"]["mypy_path"].split(":")) == {
        "core",
        "registry",
        "cli",
        *(f"plugins/{name}/src" for name in plugins),
    }
    installed = {line.split()[1] for line in (ROOT / "requirements.txt").read_text().splitlines() if line[:2] == "-e"}
    assert installed == {".[export,report,viz]", *(f"plugins/{name}" for name in plugins)}


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_wheels_hold_every_module_and_nothing_else(project, tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(project)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    roots = [ROOT / part for part in ("core", "registry", "cli")] if project == ROOT else [project / "src"]
    expected = {
        str(path.relative_to(root))
        for root in roots
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == expected


@pytest.mark.skipif(os.cpu_count() == 1, reason="there is but one core")
def test_a_plugins_tests_alone_run_on_one_thread_as_all_tests_do():
    """Its conftest imports torch before anything else could tell it the number of threads."""
    path = str(ROOT / "plugins" / "pose2drep")
    code = f"import pytest, torch\npytest.main([{path!r}, '--collect-only'])\nassert torch.get_num_threads() == 1"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_stay_small():
    sources = [p for part in ("core", "registry", "cli", "plugins") for p in (ROOT / part).rglob("*.py")]
    long = {str(p.relative_to(ROOT)): n for p in sources if (n := len(p.read_text().splitlines())) > 350}
    assert not long, "two nouns in one file?"
