"""What only a process of its own can show: signals, what is imported, completion."""

import os
import signal
import subprocess
import sys
import time

import pytest

RUN = ["run", "--source", "fk_generator", "--reweight", "cips", "--lifter", "mlp:channels=8,blocks=1"]
RUN += ["--steps", "300", "--batch-size", "16", "--set", "checkpoint_every=25", "--eval", "builtin:takes=1,frames=2"]


def start(folder, *arguments):
    command = [sys.executable, "-m", "poseplug", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(folder, *arguments):
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def wait_for(path, process):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    code, _, err = finish(folder, *RUN, "--out", "run")
    assert code == 0, err
    return folder / "run"


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(tmp_path, undisturbed):
    process = start(tmp_path, *RUN, "--out", "run")
    wait_for(tmp_path / "run" / "checkpoint" / "state.safetensors", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run" / "model.safetensors").exists()
    code, _, err = finish(tmp_path, "run", "--resume", "run")
    assert code == 0, err
    for name in ("model.safetensors", "experiment.toml"):
        assert (tmp_path / "run" / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.slow
def test_ctrl_c_leaves_a_resumable_run(tmp_path, undisturbed):
    process = start(tmp_path, *RUN, "--out", "run")
    wait_for(tmp_path / "run" / "checkpoint" / "state.safetensors", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume continues it from step" in err
    assert "Traceback" not in err
    code, _, err = finish(tmp_path, "run", "--resume", "run")
    assert code == 0, err
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()


KILLED = """
import os, signal, sys
from poseplug.cli.main import main
countdown = {writes}
def killed_while_writing(file):
    global countdown
    countdown -= 1
    if not countdown:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = killed_while_writing
sys.argv = {argv}
main()
"""


# Written in this order: experiment.toml, two checkpoints, the model, the history, the result.
@pytest.mark.parametrize(("writes", "again"), [(1, "--out"), (2, "--resume"), (4, "--resume"), (6, "--resume")])
def test_a_run_killed_while_it_wrote_a_file_goes_on_and_leaves_nothing_else(poseplug, writes, again):
    short = ["run", "--lifter", "mlp:channels=8,blocks=1", "--steps", "4", "--batch-size", "8"]
    short += ["--set", "checkpoint_every=2", "--eval", "builtin:takes=1,frames=2"]
    code = KILLED.format(writes=writes, argv=["poseplug", *short, "--out", "here"])
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == -signal.SIGKILL
    done = poseplug(*short, again, "here")
    assert done.exit_code == 0, done.stderr
    files = {path.name for path in (done.folder / "here").rglob("*") if path.is_file()}
    assert files == {"experiment.toml", "state.safetensors", "model.safetensors", "history.nc", "result.json"}


IMPORTS = """
import sys
sys.argv = {argv}
from poseplug.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = {{"torch", "numpy", "xarray", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"], ["plugins"], ["--version"]])
def test_looking_around_does_not_import_torch(arguments):
    code = IMPORTS.format(argv=["poseplug", *arguments])
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_completion_offers_components_without_importing_torch():
    code = IMPORTS.format(argv=["poseplug"])
    words = {"_POSEPLUG_COMPLETE": "complete_bash", "COMP_WORDS": "poseplug run --lifter se", "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["semgcn"]


def test_help_fits_a_terminal_of_80_columns():
    for arguments in (["--help"], ["run", "--help"], ["eval", "--help"]):
        environment = {**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80"}
        command = [sys.executable, "-m", "poseplug", *arguments]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert max(map(len, shown.splitlines())) <= 80
