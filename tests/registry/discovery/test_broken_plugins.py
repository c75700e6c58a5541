"""Bad plugins, installed for real: the main job works, and each is explained in one line."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from installed import leave_facts

HOOKIMPL = "from poseplug.registry import hookimpl\n"
REGISTER = """
@hookimpl
def register_{kind}s(register):
    register("{name}", "{target}", summary="a {kind}", paper="none: a test")
"""
BROKEN = {
    "missing": "import no_such_module\n",
    "leaving": "import sys\nsys.exit('usage: leaving FILE')\n",
    "future": "POSEPLUG_API = 99\n",
    "interrupting": "raise KeyboardInterrupt\n",
    "generating": "raise GeneratorExit('of a generator')\n",
    "mute": "class Mute(Exception):\n    def __str__(self):\n        return self.text\nraise Mute\n",
    "incomparable": """
class Api:
    def __ne__(self, other):
        raise ValueError("which of them?")
POSEPLUG_API = Api()
""",
    "nameless": HOOKIMPL
    + "@hookimpl\ndef register_lifters(register):\n    register('nameless', 'nameless.part:Part', summary=None)\n",
    "talking": "print('Welcome to talking!')\n"
    + HOOKIMPL
    + REGISTER.format(kind="lifter", name="talking", target="talking.part:Talking"),
    "lacking": HOOKIMPL + REGISTER.format(kind="lifter", name="lacking", target="lacking.part:Lacking"),
    "copycat": HOOKIMPL + REGISTER.format(kind="lifter", name="mlp", target="copycat.part:Copy"),
}
PARTS = {
    "lacking": """
        from poseplug.core.interfaces import Lifter
        class Lacking(Lifter):
            pass
    """,
    "talking": """
        print("Loading the weights of talking")
        raise KeyboardInterrupt
    """,
}
MAIN = ["run", "--source", "fk_generator", "--reweight", "cips", "--lifter", "semgcn:channels=8,blocks=1"]
SHORT = ["--steps", "4", "--batch-size", "8", "--eval", "builtin:split=test,takes=1,frames=4"]


def install(folder, name, code, parts="", version="2.0"):
    """Leave what pip leaves of a distribution: a package, and metadata beside it."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)
    (folder / name / "part.py").write_text(textwrap.dedent(parts))
    leave_facts(folder, f"dist-{name}", name, version)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    for name, code in BROKEN.items():
        install(folder, name, code, parts=PARTS.get(name, ""))
    return folder


def poseplug(folder, cwd, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("POSEPLUG_")}
    paths = [str(folder), *filter(None, [environment.get("PYTHONPATH")])]
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", **variables}
    command = [sys.executable, "-m", "poseplug", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def states(done):
    assert done.returncode == 0, done.stderr
    return {plugin["distribution"]: plugin["state"] for plugin in json.loads(done.stdout)}


def test_the_main_job_works_beside_broken_plugins(broken, tmp_path):
    done = poseplug(broken, tmp_path, *MAIN, *SHORT, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["metrics"]["builtin"]["mpjpe_mm"] > 0
    assert not {"dist-missing", "dist-future", "dist-leaving"} & result["versions"].keys()


def test_each_broken_plugin_is_explained_in_one_line(broken, tmp_path):
    done = poseplug(broken, tmp_path, "plugins", "--verify")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "ModuleNotFoundError: No module named 'no_such_module'" in lines["dist-missing"]
    assert "SystemExit: usage: leaving FILE" in lines["dist-leaving"]
    assert "2.0      99   PoseplugError: written for plugin API 99, this poseplug has 1" in lines["dist-future"]
    assert "lifter 'lacking' of dist-lacking is incomplete: it lacks forward" in lines["dist-lacking"]
    assert "clashes: lifter 'mlp' (say dist:name)" in lines["dist-copycat"]
    assert "lifter 'mlp' of dist-copycat cannot be loaded from 'copycat.part:Copy'" in lines["dist-copycat"]
    assert "ok; clashes: lifter 'mlp' (say dist:name)" in lines["poseplug-baselines"]
    assert "KeyboardInterrupt: no message" in lines["dist-interrupting"]
    assert "GeneratorExit: of a generator" in lines["dist-generating"]
    assert "Mute: no message" in lines["dist-mute"]
    assert "PoseplugError: written for plugin API <incomparable.Api object" in lines["dist-incomparable"]
    assert "PoseplugError: registers lifter 'nameless' with a summary or" in lines["dist-nameless"]
    assert "lifter 'talking' of dist-talking cannot be loaded from 'talking.part:Talking'" in lines["dist-talking"]
    assert lines["poseplug-posegu"].split()[3] == "ok"
    assert done.stderr == "Welcome to talking!\nLoading the weights of talking\n"


def test_without_verify_no_component_is_imported(broken, tmp_path):
    found = states(poseplug(broken, tmp_path, "plugins", "--format", "json"))
    assert found["dist-lacking"] == "ok"
    assert found["dist-copycat"] == "ok; clashes: lifter 'mlp' (say dist:name)"


@pytest.mark.parametrize("command", [["list"], ["list", "lifter"], ["show", "semgcn"]])
def test_listings_stay_alone_on_standard_output_beside_plugins_that_print(broken, tmp_path, command):
    done = poseplug(broken, tmp_path, *command, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {entry["name"] for entry in json.loads(done.stdout)} & {"talking", "semgcn"}
    assert done.stderr == "Welcome to talking!\n"
    assert poseplug(broken, tmp_path, *command).returncode == 0


@pytest.mark.parametrize("swallowed", [False, True])
def test_the_users_ctrl_c_ends_the_command_whatever_a_plugin_makes_of_it(tmp_path, swallowed):
    press = "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
    code = f"try:\n    {press}except BaseException:\n    pass\n" if swallowed else press
    install(tmp_path, "slow", f"import os, signal, time\n{code}")
    for command in ("list", "plugins"):
        done = poseplug(tmp_path, tmp_path, command)
        assert done.returncode == 130
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


def test_plugins_reports_a_problem_as_the_other_verbs_do(tmp_path):
    install(tmp_path, "future", BROKEN["future"])
    done = poseplug(tmp_path, tmp_path, "plugins", POSEPLUG_STRICT="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: written for plugin API 99, this poseplug has 1; install a matching version\n"


def test_strict_mode_shows_where_a_component_failed(tmp_path):
    install(tmp_path, "failing", HOOKIMPL + REGISTER.format(kind="lifter", name="f", target="failing.part:F"), "1 / 0")
    assert "Traceback" not in poseplug(tmp_path, tmp_path, "show", "f").stderr
    done = poseplug(tmp_path, tmp_path, "show", "f", POSEPLUG_STRICT="1")
    assert "failing/part.py" in done.stderr
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_clash_is_settled_by_switching_one_off_or_by_naming_it(broken, tmp_path):
    arguments = ["run", "--lifter", "mlp:channels=8,blocks=1", "--dry-run", *SHORT]
    refused = poseplug(broken, tmp_path, *arguments)
    assert refused.returncode == 2
    assert "say 'dist-copycat:mlp' or 'poseplug-baselines:mlp'" in refused.stderr
    assert poseplug(broken, tmp_path, "--no-plugin", "copycat", *arguments).returncode == 0
    arguments[2] = "poseplug-baselines:mlp:channels=8,blocks=1"
    assert poseplug(broken, tmp_path, *arguments).returncode == 0


def test_plugins_are_switched_off_by_name_or_all_at_once(broken, tmp_path):
    some = states(
        poseplug(broken, tmp_path, "plugins", "--format", "json", POSEPLUG_DISABLE_PLUGINS="future, DIST_Missing")
    )
    assert {name for name, state in some.items() if state == "switched off"} == {"dist-future", "dist-missing"}
    every = states(poseplug(broken, tmp_path, "--no-plugin", "all", "plugins", "--format", "json"))
    assert every.pop("poseplug") == "ok"
    assert set(every.values()) == {"switched off"}


def test_a_name_that_switches_nothing_off_is_told(broken, tmp_path):
    variables = {"POSEPLUG_DISABLE_PLUGINS": "futrue,core"}
    done = poseplug(broken, tmp_path, "--no-plugin", "missin", "list", "--format", "json", **variables)
    assert json.loads(done.stdout)
    assert done.stderr.splitlines()[:3] == [
        "warning: 'core' is poseplug itself, which cannot be switched off.",
        "warning: There is no plugin 'futrue' to switch off. Did you mean 'future'?",
        "warning: There is no plugin 'missin' to switch off. Did you mean 'missing'?",
    ]


def test_what_is_switched_off_is_told_where_it_is_missed(poseplug):
    result = poseplug("run", "--source", "fk_generator", "--no-plugin", "posegu")
    assert result.exit_code == 2
    assert "There is no source 'fk_generator'" in result.stderr
    assert "Plugins switched off: posegu (poseplug-posegu); see 'poseplug plugins'" in result.stderr
    again = poseplug("show", "fk_generator")
    assert again.exit_code == 0, "the switch is for one command only"


def test_taking_the_names_of_defaults_spoils_no_run_without_them(tmp_path):
    """A run that names neither source nor objective gets poseplug's own, whoever else uses these names."""
    code = HOOKIMPL + "".join(
        REGISTER.format(kind=kind, name=name, target="taker.part:Part")
        for kind, name in (("source", "builtin"), ("objective", "supervised"))
    )
    install(tmp_path, "taker", code)
    done = poseplug(tmp_path, tmp_path, *MAIN, *SHORT[:4], "--out", "here", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"].keys() == {"builtin"}
    experiment = tmp_path / "here" / "experiment.toml"
    again = poseplug(tmp_path, tmp_path, "run", "--config", str(experiment), "--dry-run")
    assert again.returncode == 0, again.stderr
    assert 'name = "poseplug-datasets:builtin"' in experiment.read_text()
