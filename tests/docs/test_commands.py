"""Every command on the project's pages runs, rehearses, or at least exists with all its flags.

They are run as a reader would: in a folder that has motion capture and finished runs under the names on the pages.
"""

import contextlib
import re
import runpy
import shlex
import shutil
import sys
from itertools import dropwhile, pairwise
from pathlib import Path

import numpy as np
import pytest
from labelled_images import write_labelled
from pages import PAGES, ROOT, blocks, commands, inline_commands, named
from published_scenes import mupots_people, write_dome, write_mupots

CLIPS = ("mocap", "elsewhere", "new-clips", "other", "LAB", "WILD")
RUNS = ("runs/mine", "runs/narrow", "runs/posegu-semgcn")
# Those that only have to exist: they ask, install or check much, or take minutes.
UNTRIED = ("check", "new", "--install-completion")
OTHERS = ("pip", "python3", ".", "ruff", "mypy", "lint-imports")
COMMANDS = sorted({command for page in PAGES for command in commands(page)})
SHORT = "{:.90}".format
INLINE = sorted({command for page in PAGES for command in inline_commands(page)})


def write_detections(folder):
    """Write 2D joints in the layout of VideoPose3D for the poses that are in a folder."""
    poses = np.load(folder / "data_3d_h36m.npz", allow_pickle=True)["positions_3d"].item()
    joints = {s: {t: [clip[:, :17, :2] * 100 + 500] * 4 for t, clip in takes.items()} for s, takes in poses.items()}
    np.savez(folder / "data_2d_h36m_gt.npz", positions_2d=joints, metadata={"num_joints": 17})


def write_detector(folder):
    """Write photos of people, their labels, and a detector that was trained on them for a moment."""
    from poseplug.core.storage.tensor_file import load_tensors, save_tensors

    write_labelled(folder / "images", 3)
    (folder / "photos").symlink_to("images")
    shutil.copy(folder / "images/people.json", folder)
    with contextlib.chdir(folder):
        small = ("--detector", "hrnet:width=2,crop=[32,32]", "--steps", "2", "--batch-size", "2")
        invoke("detector", "train", "people.json", "images", *small, "--out", "detectors/mine")
    # Of more than a moment's confidence.
    model = folder / "detectors/mine/model.safetensors"
    tensors, facts = load_tensors(model)
    tensors["net.super_resolution.1.weight"] *= 10
    save_tensors(model, tensors, facts)


def of_program(name, among):
    return [command for command in among if shlex.split(command)[0] == name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with everything that the pages name: motion capture of ten clips, and finished runs."""
    from poseplug_datasets.bvh import BVH
    from poseplug_datasets.h36m import H36M
    from poseplug_datasets.mpi_inf_3dhp import MPIINF3DHP
    from poseplug_datasets.pw3d import PW3D

    folder = tmp_path_factory.mktemp("reader")
    (folder / "mocap").mkdir()
    BVH.example_settings(folder / "mocap")
    (clip,) = (folder / "mocap").iterdir()
    for number in range(9):
        shutil.copy(clip, folder / "mocap" / f"sway-{number}.bvh")
    shutil.copy(clip, folder / "walk.bvh")
    for name in CLIPS[1:]:
        (folder / name).symlink_to("mocap")
    for name, source in (("H36M", H36M), ("3DHP", MPIINF3DHP), ("3DPW", PW3D)):
        (folder / name).mkdir()
        source.example_settings(folder / name)
    (folder / "3DPW" / "test").symlink_to("train")
    write_dome(folder / "PANOPTIC", 2, ("160224_haggling1", "160906_pizza1", "160422_ultimatum1", "160226_mafia1"))
    for number in (1, 6):
        write_mupots(folder / "MuPoTS", number, mupots_people(number))
    (folder / "MultiPersonTestSet").symlink_to("MuPoTS")
    write_detections(folder / "H36M")
    write_detector(folder)
    (folder / "docs").mkdir()
    (folder / "docs" / "examples").symlink_to(ROOT / "docs" / "examples")
    captured = "bvh:path=mocap"
    with contextlib.chdir(folder):
        invoke(
            *("run", "--source", captured, "--lifter", "mlp:channels=8", "--steps", "2", "--batch-size", "4"),
            *("--eval", f"own={captured}", "--eval", f"random={captured},cameras=random", "--out", "runs/augmented"),
        )
        short = ("run", "--steps", "1", "--batch-size", "4", "--eval", f"random={captured},cameras=random")
        invoke(*short, "--source", captured, "--out", "runs/captured")
        invoke(*short, "--recipe", "independent-legtorso", "--seeds", "2", "--out", "runs/five")
        grid = ("--lifter", "mlp:channels=8", "--lifter", "mlp:channels=4", "--augment", "none", "--augment", "rigid")
        rates = ("--vary", "lr=1e-3,3e-4", "--seeds", "2", "--steps", "1", "--batch-size", "4")
        invoke("ablate", *grid, *rates, "--eval", f"own={captured}", "--out", "ablations/first")
        invoke("data", "convert", f"{captured},split=all", "mocap.safetensors")
        invoke("data", "convert", captured, "generated", "--shard-size", "5000")
        invoke("data", "convert", "virtual_scenes:people=builtin", "crowds.safetensors", "--poses", "9")
        invoke("data", "limits", "learn", captured, "--out", "limits.safetensors")
    (folder / "photos.safetensors").symlink_to("mocap.safetensors")
    for name in RUNS:
        (folder / name).symlink_to("augmented")
    with contextlib.chdir(folder):
        invoke("export", "runs/mine", "--format", "both", "--out", "models")
    (folder / "grid.toml").write_text(next(iter(blocks(ROOT / "docs" / "grids.md", "toml"))))
    return folder


@pytest.fixture(autouse=True)
def within(folder, monkeypatch):
    monkeypatch.chdir(folder)


def invoke(*words):
    from typer.testing import CliRunner

    from poseplug.cli.main import app

    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("command", of_program("poseplug", COMMANDS), ids=SHORT)
def test_poseplug(command):
    _, verb, *words = shlex.split(command)
    # A page that is served until it is stopped; weights of others, which are not here.
    if verb in UNTRIED or words[:1] == ["annotate"] or any(".pth" in word for word in words):
        flags_exist(verb, words)
    elif verb == "run":
        # What the pages write is there already, for the commands that read it; fitting to 200,000 poses takes a while.
        words = [f"new-{word}" if before == "--out" else word for before, word in pairwise(["", *words])]
        words += ["--set", "reweighter.fit_samples=2000"] * ("cips" in command and "--reweight" in words)
        invoke("run", *words, "--device", "cpu", "--dry-run")
    elif verb == "ablate":
        # Cells are planned; where their data are not here, the estimate says so.
        words += ["--define", "size=tiny"] * ("benchmarks/studies" in command) + ["--batch-size", "4"]
        words = [str(ROOT / word) if word.startswith("benchmarks") else word for word in words]
        invoke("ablate", *words, "--device", "cpu", "--dry-run")
    elif words[:1] == ["train"]:
        invoke(verb, *words, "--device", "cpu", "--dry-run")
    elif words[:1] == ["convert"]:  # nothing is replaced
        invoke(verb, "convert", words[1], f"new-{words[2]}", *words[3:])
    elif words[:2] == ["limits", "learn"]:
        invoke(verb, *[f"new-{word}" if before == "--out" else word for before, word in pairwise(["", *words])])
    else:
        invoke(verb, *words, *["--force"] * (verb == "export"))


@pytest.mark.parametrize("command", of_program("poseplug", INLINE))
def test_poseplug_in_a_sentence(command):
    _, verb, *words = shlex.split(command)
    flags_exist(verb, words)


def flags_exist(verb, words):
    from typer.main import get_command

    from poseplug.cli.main import app

    root = get_command(app)
    asked = {word.partition("=")[0] for word in [verb, *words] if word.startswith("-")} - {"--help"}
    assert verb.startswith("-") or verb in root.commands
    command = root.commands.get(verb, root)
    names = iter(words)
    while hasattr(command, "commands") and command is not root and (name := next(names, None)):
        command = command.commands[name]
    known = {flag for command in (root, command) for p in command.params for flag in p.opts}
    assert asked <= known


SCRIPTS = sorted({tuple(shlex.split(command)[1:]) for command in of_program("python", [*COMMANDS, *INLINE])})


@pytest.mark.parametrize("words", SCRIPTS, ids=" ".join)
def test_scripts(words, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    if "poseplug" in words:  # what Python itself is asked to say about a command
        _, verb, *others = words[words.index("poseplug") :]
        flags_exist(verb, others)
        return
    script, *arguments = words
    with pytest.raises(SystemExit) as ended:
        call(script, ["--help"], monkeypatch)
    assert not ended.value.code
    help_text = capsys.readouterr().out
    for word in arguments:
        assert not word.startswith("--") or word.partition("=")[0] in help_text


def call(script, arguments, monkeypatch):
    """Run a script of the repository, and forget the modules beside it: those of other scripts have their names."""
    path = ROOT / script
    kept = {name: sys.modules.pop(name) for name in _of_scripts()}
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    monkeypatch.syspath_prepend(str(path.parent))
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        for name in _of_scripts():
            del sys.modules[name]
        sys.modules.update(kept)


def _of_scripts():
    folder = str(ROOT / "benchmarks")
    return [name for name, module in sys.modules.items() if folder in (getattr(module, "__file__", None) or "")]


def test_other_commands_are_known():
    for command in COMMANDS:
        program, *words = dropwhile(re.compile(r"\w+=").match, shlex.split(command))
        if program in ("pytest", "bash"):
            files = [word for before, word in pairwise(["", *words]) if before not in ("-m", "-n")]
            assert all((ROOT / word).exists() for word in files if not word.startswith("-")), command
        else:
            assert program in ("poseplug", "python", *OTHERS), f"'{command}' is tested by nothing"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_python(page):
    """Code that imports what it uses runs as it stands; the rest are excerpts, which are Python at least."""
    for block in blocks(page, "python"):
        code = compile(block, named(page), "exec")
        if "import " in block:
            exec(code, {})


def test_experiments():
    """Phases on the pages are phases."""
    import tomllib

    for page in PAGES:
        for block in blocks(page, "toml"):
            if "phase" in tomllib.loads(block):
                Path("phases.toml").write_text(block)
                recipe = ["--recipe", "poseaug"] if "augmentor" in block else []
                invoke("run", *recipe, "--config", "phases.toml", "--device", "cpu", "--dry-run")
