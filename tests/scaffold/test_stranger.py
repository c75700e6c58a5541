"""What a stranger does: ``poseplug new``, build, install from wheels, list, check, train, run the package's own tests.

One fresh environment serves all kinds. Everything of poseplug's and the plugins' is installed into it by pip from
wheels; only third-party packages (torch and so on, gigabytes of them) are those of the environment that runs this test:
a .pth file puts its site-packages behind the fresh one's. A folder added by a .pth file is searched, but its own .pth
files are not read, so editable installs of the checkout stay invisible. Nothing is fetched from anywhere.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from poseplug.core.kinds import KINDS, kind_names
from poseplug.registry.scaffold import example_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
NAMES = {kind: f"my-{kind}" for kind in kind_names()}
# Those that have a place in a run, and so a recipe; the others are used by verbs of their own.
IN_RUNS = [kind.name for kind in KINDS if kind.slots]
SHORT = ["--steps", "12", "--batch-size", "32", "--eval", "builtin:split=test,takes=1,frames=8"]
NARROW = [*SHORT, "--lifter", "mlp:channels=16,blocks=1"]
# PoseGU's parts around kinds whose place they would take; all others train beside them together.
WITH_POSEGU = {
    "source": ["--source", "my_source", "--source", "fk_generator", "--reweight", "cips"],
    "reweighter": ["--source", "fk_generator", "--reweight", "my_reweighter"],
    "lifter": ["--source", "fk_generator", "--reweight", "cips", "--lifter", "my_lifter:channels=16"],
}


class Environment:
    """A virtual environment, and commands in it."""

    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        venv.create(folder, with_pip=False, symlinks=True)
        (site,) = folder.glob("lib/python*/site-packages")
        third_party = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        (site / "third_party.pth").write_text("".join(f"{path}\n" for path in sorted(third_party)))
        self.site = site

    def run(self, *command, cwd, check=True):
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "POSEPLUG_STRICT", "POSEPLUG_DISABLE_PLUGINS")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        # The jobs are small, and their threads would only wait for one another.
        environment["OMP_NUM_THREADS"] = "1"
        environment["PATH"] = f"{self.bin}{os.pathsep}{environment['PATH']}"
        done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done

    def poseplug(self, *arguments, cwd, check=True):
        return self.run(self.bin / "poseplug", *arguments, cwd=cwd, check=check)

    def install(self, wheels):
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "--quiet"]
        self.run(*pip, "--no-deps", "--no-index", *wheels, cwd=self.folder)


def build(environment, projects, folder):
    """Build a wheel of each project, with the tools that are here."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    environment.run(*pip, "--wheel-dir", folder, *projects, cwd=environment.folder)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    environment = Environment(folder / "venv")
    environment.install(build(environment, PROJECTS, folder / "wheels"))
    environment.work = folder / "work"
    environment.work.mkdir()
    for kind, name in NAMES.items():
        environment.poseplug("new", name, "--kind", kind, cwd=environment.work)
    packages = [environment.work / f"poseplug-{name}" for name in NAMES.values()]
    environment.install(build(environment, packages, folder / "own_wheels"))
    return environment


def test_it_is_the_wheels_that_are_used(environment):
    modules = "poseplug.core", "poseplug.registry.scaffold", "poseplug_posegu", "poseplug_my_lifter"
    code = f"import {', '.join(modules)}; print({', '.join(f'{module}.__file__' for module in modules)})"
    shown = environment.run(environment.bin / "python", "-c", code, cwd=environment.work).stdout.split()
    assert all(Path(file).is_relative_to(environment.site) for file in shown), shown


def test_everything_is_listed_and_nothing_is_broken(environment):
    listed = json.loads(environment.poseplug("list", "--format", "json", cwd=environment.work).stdout)
    found = {(entry["kind"], entry["name"], entry["distribution"]) for entry in listed}
    for kind, name in NAMES.items():
        own = name.replace("-", "_")
        assert (kind, own, f"poseplug-{name}") in found
        assert (("recipe", own, f"poseplug-{name}") in found) == (kind in IN_RUNS)
    states = json.loads(environment.poseplug("plugins", "--verify", "--format", "json", cwd=environment.work).stdout)
    assert {plugin["state"] for plugin in states} == {"ok"}
    components = {plugin["distribution"]: plugin["components"] for plugin in states}
    assert components["poseplug-my-lifter"] == "lifter my_lifter; recipe my_lifter"


def test_the_public_surface_comes_with_the_wheel(environment):
    shown = environment.poseplug("check", "--surface", cwd=environment.work).stdout
    assert "# poseplug.core.interfaces" in shown.splitlines()


def test_every_promise_is_kept(environment):
    names = [name.replace("-", "_") for name in NAMES.values()]
    rows = json.loads(environment.poseplug("check", *names, "--format", "json", cwd=environment.work).stdout)
    assert {row["name"] for row in rows} == set(names)
    assert {row["verdict"] for row in rows} <= {"ok", "skipped"}


def test_the_packages_own_tests_pass(environment):
    python = [environment.bin / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    done = environment.run(*python, *(f"poseplug-{name}" for name in NAMES.values()), cwd=environment.work)
    assert " passed" in done.stdout


# Command lines one after the other in one process: starting an interpreter takes longer than any of them.
IN_TURN = """
import json, sys
from typer.testing import CliRunner
from poseplug.cli.main import app
for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (arguments, done.stderr, done.exception)
    print(json.dumps(json.loads(done.stdout)))
"""


@pytest.fixture(scope="module")
def results(environment):
    """The result object of the recipe of each kind."""
    runs = [["run", "--recipe", NAMES[kind].replace("-", "_"), *SHORT, "--json"] for kind in IN_RUNS]
    done = environment.run(environment.bin / "python", "-c", IN_TURN, json.dumps(runs), cwd=environment.work)
    return dict(zip(IN_RUNS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("kind", IN_RUNS)
def test_its_recipe_trains(results, kind):
    name, result = NAMES[kind].replace("-", "_"), results[kind]
    assert name in result["components"][kind].split(",")
    assert result["metrics"]["builtin"]["mpjpe_mm"] > 0
    assert f"poseplug-{NAMES[kind]}" in result["versions"]


@pytest.mark.parametrize("kind", WITH_POSEGU)
def test_it_trains_together_with_posegu(environment, kind):
    result = environment.poseplug("run", *NARROW, *WITH_POSEGU[kind], "--json", cwd=environment.work)
    assert json.loads(result.stdout)["metrics"]["builtin"]["mpjpe_mm"] > 0


def usage(kind):
    return example_of(kind).usage.replace("NAME", NAMES[kind].replace("-", "_")).split()


def test_all_of_them_train_together(environment):
    # The objective that asks the discriminator comes with the discriminator, the lifter that reads the input with it.
    kinds = [kind for kind in IN_RUNS if kind != "objective"]
    own = [word for kind in kinds for word in usage(kind)]
    arguments = [*own, "--source", "fk_generator", "--augment", "rigid", "--hook", "logfile", "--out", "all-of-them"]
    environment.poseplug("run", *SHORT, *arguments, cwd=environment.work)
    losses = json.loads((environment.work / "all-of-them" / "best.json").read_text())
    assert {
        "supervised",
        "adversarial/my_discriminator",
        "discriminator/my_discriminator",
        "root/distance",
    } <= losses.keys()
