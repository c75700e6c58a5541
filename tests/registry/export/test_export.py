"""``poseplug export``: what is written of a run, what it says about itself, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from typer.testing import CliRunner

from poseplug.cli.main import app
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16
from poseplug.registry.api import load_run, train
from poseplug.registry.export.program import Program
from poseplug_baselines.mlp import MLP

FEW = {"lifter": "mlp:channels=8,blocks=1", "steps": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the run "mine", and the two seeds of "two"."""
    folder = tmp_path_factory.mktemp("trained")
    on = {"own": "builtin:takes=1,frames=2", "random": "builtin:takes=1,frames=2,cameras=random"}
    train({**FEW, "eval": on}, out=folder / "mine", device="cpu")
    train({**FEW, "eval": on, "seeds": 2}, out=folder / "two", device="cpu")
    return folder


@pytest.fixture(scope="module")
def exported(trained):
    """What the command line prints of "mine" in both formats, with the folder of the files."""
    done = CliRunner().invoke(
        app, ["export", str(trained / "mine"), "--format", "both", "--out", str(trained / "out"), "--json"]
    )
    assert done.exit_code == 0, done.output
    return trained / "out", json.loads(done.stdout)


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return load_run(trained / "mine")


def test_both_formats_are_written_and_told(exported):
    folder, told = exported
    assert sorted(path.name for path in folder.iterdir()) == ["mine.onnx", "mine.pt2"]
    assert [(file["path"], file["format"]) for file in told] == [
        (str(folder / f"mine.{name}"), name) for name in ("pt2", "onnx")
    ]
    for file in told:
        assert file["checked_on"] == ["random input", "evaluation 'own'", "evaluation 'random'"]
        assert 0 <= file["largest_difference_m"] < 1e-4
        assert {name: tensor["shape"] for name, tensor in file["inputs"].items()} == {
            "keypoints": ["N", 16, 2],
            "size": ["N", 2],
        }
        assert [tensor["unit"] for tensor in file["outputs"].values()] == ["metres"]


ELSEWHERE = """
import json, sys
import numpy as np, torch
sys.modules["poseplug"] = None
keypoints, size = (np.load(name + ".npy") for name in ("keypoints", "size"))
if sys.argv[1] == "pt2":
    about = {"poseplug.json": ""}
    lift = torch.export.load("mine.pt2", extra_files=about).module()
    joints, text = lift(torch.from_numpy(keypoints), torch.from_numpy(size))["joints"], about["poseplug.json"]
else:
    import onnxruntime
    session = onnxruntime.InferenceSession("mine.onnx")
    (joints,) = session.run(["joints"], {"keypoints": keypoints, "size": size})
    text = session.get_modelmeta().custom_metadata_map["poseplug"]
np.save(sys.argv[1], joints)
print(text)
"""


def test_files_are_used_and_explain_themselves_where_there_is_no_poseplug(run, exported, tmp_path):
    import numpy as np

    generator = torch.Generator().manual_seed(2)
    program = Program(run.model.cpu())
    keypoints = torch.rand(5, 16, 2, generator=generator) * 700
    size = torch.tensor([[640.0, 480.0], [1000.0, 1002.0], [720.0, 1280.0], [1920.0, 1080.0], [700.0, 700.0]])
    with torch.no_grad():
        expected = program(keypoints, size)["joints"].numpy()
    for path in exported[0].iterdir():
        shutil.copy(path, tmp_path)
    np.save("keypoints", keypoints.numpy())
    np.save("size", size.numpy())
    texts = []
    for name in ("pt2", "onnx"):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, name], capture_output=True, text=True, check=True, env=environment
        )
        assert np.abs(np.load(f"{name}.npy") - expected).max() < 1e-5
        texts.append(done.stdout)
    assert texts[0] == texts[1]
    assert str(run.path.parent) not in texts[0]
    about = json.loads(texts[0])
    assert about["skeleton"]["joints"] == list(H36M_16.joints)
    assert about["skeleton"]["parents"] == list(H36M_16.parents)
    assert (about["skeleton"]["name"], about["skeleton"]["root"]) == ("h36m16", "Hip")
    assert about["inputs"]["keypoints"]["unit"] == about["inputs"]["size"]["unit"] == "pixels"
    assert about["outputs"]["joints"]["shape"] == ["N", 16, 3]
    assert about["run"]["components"]["lifter"] == "mlp"
    assert about["run"]["lifter"] == {**run.experiment["lifter"]}
    assert (about["run"]["name"], about["run"]["steps"], about["run"]["seed"]) == ("mine", 2, 0)
    assert about["normalisation"] == "screen"
    assert about["flip"] is False
    assert {"poseplug", "torch", "poseplug-baselines"} <= about["versions"].keys()


def test_from_python_by_the_name_of_the_file_and_with_flip(run, trained, tmp_path):
    (written,) = run.export("models/flipped.pt2", flip=True)
    assert written.path == (tmp_path / "models" / "flipped.pt2").relative_to(tmp_path)
    about = {"poseplug.json": ""}
    torch.export.load("models/flipped.pt2", extra_files=about)
    assert json.loads(about["poseplug.json"])["flip"] is True
    assert [file.path.name for file in load_run(trained / "two" / "seed-1").export(tmp_path)] == ["two-seed-1.pt2"]


def test_without_the_run_s_data_it_is_checked_on_random_input(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "mine", "moved")
    text = (tmp_path / "moved" / "experiment.toml").read_text()
    gone = text.replace('name = "builtin"', 'name = "bvh"\npath = "not-here"')
    lines = [line for line in gone.splitlines() if not line.startswith(("takes", "frames"))]
    (tmp_path / "moved" / "experiment.toml").write_text("\n".join(lines))
    (written,) = load_run("moved").export()
    assert written.checked_on == ["random input"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "'nowhere' holds no run"),
        (["{two}"], "holds several seeds that were trained together; choose one of them"),
        (["{mine}", "--out", "here.pt2", "--format", "onnx"], "one file in the format pt2, and onnx was asked for"),
        (["{mine}", "--out", "here.onnx", "--format", "both"], "pt2 and onnx was asked for; give a folder"),
        (["{mine}", "--out", "there.pt2"], "'there.pt2' exists; choose another --out, or replace it with --force"),
        (["{mine}", "--out", "there.txt"], "'there.txt' is a file; give a folder, or a name that ends with .pt2"),
        (["{mine}", "--out", "here.pth"], "'here.pth' ends with .pth; give a folder, or a name that ends with .pt2"),
        (["{mine}", "--out", "THERE.PT2", "--format", "onnx"], "one file in the format pt2"),
        (["{mine}", "--out", "there.txt/below"], "Cannot write 'there.txt/below/mine.pt2'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(poseplug, trained, tmp_path, arguments, message):
    for name in ("there.pt2", "there.txt"):
        (tmp_path / name).write_text("mine")
    done = poseplug("export", *(word.format(mine=trained / "mine", two=trained / "two") for word in arguments))
    assert done.exit_code == 2
    assert message in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.pt2", "there.txt"]
    assert (tmp_path / "there.pt2").read_text() == "mine"


def test_a_file_is_replaced_where_that_is_asked_for(poseplug, trained, tmp_path):
    (tmp_path / "mine.pt2").write_text("old")
    done = poseplug("export", trained / "mine", "--force")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:4] == ["mine.pt2", "keypoints,", "size", "joints"]
    assert torch.export.load(tmp_path / "mine.pt2")


def test_other_formats_are_unknown(run):
    with pytest.raises(PoseplugError, match="There is no format 'onx' to export to. Did you mean 'onnx'"):
        run.export(".", "onx")


def test_without_the_extra_one_line_says_what_to_install(run, poseplug, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *a: None if name == "onnxscript" else find_spec(name, *a)
    )
    done = poseplug("export", run.path, "--format", "both")
    assert done.exit_code == 2
    assert done.stderr == "error: ONNX needs 'onnxscript', which is not installed: pip install 'poseplug[export]'\n"
    assert not list(tmp_path.iterdir())


def broken(kind):
    forward = MLP.forward

    def branching(self, joints_2d, **inputs):
        joints = forward(self, joints_2d)
        return joints if joints.detach().sum() < 1e9 else joints / 2

    def refusing(self, joints_2d, **inputs):
        if torch.compiler.is_compiling():
            raise PoseplugError("it goes on until it has converged")
        return forward(self, joints_2d)

    def another(self, joints_2d, **inputs):
        joints = forward(self, joints_2d)
        return joints + 1e-3 * torch.arange(48.0).view(16, 3) if torch.compiler.is_compiling() else joints

    def failing(self, joints_2d, **inputs):
        return forward(self, joints_2d, **inputs) + inputs["nothing"]

    return {"values": branching, "refuses": refusing, "another": another, "fails": failing}[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("values", "Lifter 'mlp' cannot be exported: what it does next depends on values that it computes"),
        ("refuses", "Lifter 'mlp' cannot be exported: it goes on until it has converged. Nothing was written."),
        ("another", "Lifter 'mlp' cannot be exported to pt2: exported, 'joints' of 1 people is up to 0.045 m off"),
        ("fails", "Lifter 'mlp' cannot be exported: KeyError: 'nothing'"),
    ],
)
def test_a_lifter_that_cannot_be_exported_is_named_with_the_reason(run, poseplug, tmp_path, monkeypatch, kind, message):
    monkeypatch.setattr(MLP, "forward", broken(kind))
    done = poseplug("export", run.path, "--format", "both")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_onnx_has_no_form_for_is_said_and_the_other_file_is_not_written_either(
    run, poseplug, tmp_path, monkeypatch
):
    mlp = MLP.forward
    monkeypatch.setattr(MLP, "forward", lambda self, x, **inputs: mlp(self, x) + torch.special.bessel_j0(x)[:, :1, :1])
    done = poseplug("export", run.path, "--format", "both")
    assert done.exit_code == 2
    assert "Lifter 'mlp' cannot be exported to onnx: " in done.stderr
    assert "bessel_j0" in done.stderr
    assert not list(tmp_path.iterdir())
    assert poseplug("export", run.path).exit_code == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError("No space left on device")])
def test_an_interrupted_write_leaves_nothing(run, poseplug, tmp_path, monkeypatch, stop):
    def fail(descriptor):
        raise stop

    monkeypatch.setattr("os.fsync", fail)
    done = poseplug("export", run.path, "--out", "models")
    assert done.exit_code == (130 if stop is KeyboardInterrupt else 2)
    assert not list((tmp_path / "models").iterdir())
