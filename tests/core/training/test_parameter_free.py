"""Parts with nothing to train take part in a run like any other: they are asked, and left alone."""

import json

import pytest
from safetensors.torch import load_file

PLUGIN = """
from poseplug.registry import hookimpl

@hookimpl
def register_lifters(register):
    register("standing", "parameter_free.parts:Standing", summary="always the same pose", paper="none: a test")

@hookimpl
def register_roots(register):
    register("middle", "parameter_free.parts:Middle", summary="learns one place for all", paper="none: a test")

@hookimpl
def register_discriminators(register):
    register("even", "parameter_free.parts:Even", summary="likes poses that spread evenly", paper="none: a test")
"""
PARTS = '''
import torch
from torch import nn

from poseplug.core.interfaces import Discriminator, Lifter, RootEstimator


class Standing(Lifter):
    """Knows one pose: metres, upright, whatever the picture shows."""

    def __init__(self, config, context):
        super().__init__()
        body = torch.tensor(context.layout.rest_directions, device=context.device).cumsum(0)
        self.body = nn.functional.pad(0.1 * body, (0, 0, 1, 0))  # no buffer either: nothing is kept of it

    def forward(self, joints_2d, **inputs):
        return self.body.expand(joints_2d.shape[0], -1, -1)


class Middle(RootEstimator):
    """Learns where people stand on average."""

    def __init__(self, config, context):
        super().__init__()
        self.where = nn.Parameter(torch.zeros(3, device=context.device))

    def forward(self, *, joints_2d, camera):
        return self.where.expand(joints_2d.shape[0], 3)

    def loss(self, roots, batch, **inputs):
        return {"distance": (roots - batch.root).square().sum(-1).mean()}


class Even(Discriminator):
    """Measures what it judges, and learns nothing."""

    def __init__(self, config, context):
        super().__init__()

    def forward(self, batch):
        return (batch.joints_2d / batch.camera.size[:, None]).std(1).mean(-1, keepdim=True)

    def loss(self, real, fake, generator):
        return (fake - real).mean()

    def adversarial_loss(self, fake):
        return -fake.mean()
'''
SHORT = ["--batch-size", "8", "--set", "log_every=1", "--eval", "builtin:takes=1,frames=4"]


@pytest.fixture
def train(poseplug, tmp_path_factory, monkeypatch):
    """Runs with the plugin above, as installed by pip."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "parameter_free").mkdir()
    (folder / "parameter_free" / "__init__.py").write_text(PLUGIN)
    (folder / "parameter_free" / "parts.py").write_text(PARTS)
    facts = folder / "parameter_free-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.4\nName: parameter-free\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[poseplug]\nparameter-free = parameter_free\n")
    monkeypatch.syspath_prepend(folder)

    def run(out, *arguments):
        result = poseplug("run", *SHORT, *arguments, "--out", out, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


def test_a_lifter_without_parameters_is_evaluated_and_never_changes(train, poseplug):
    few, more = (train(f"steps-{steps}", "--lifter", "standing", "--steps", steps) for steps in (2, 5))
    assert 0 < few["metrics"]["builtin"]["mpjpe_mm"] < 2000
    assert few["metrics"] == more["metrics"]
    assert (few["steps"], more["steps"]) == (2, 5)
    again = poseplug("eval", "steps-5", "--json")
    assert json.loads(again.stdout)["metrics"] == more["metrics"]
    assert poseplug("run", "--resume", "steps-5").exit_code == 0


def test_what_else_a_run_has_is_trained(train, poseplug):
    train("run", "--lifter", "standing", "--root", "middle", "--steps", "40", "--lr", "0.1")
    trained = load_file(poseplug("eval", "run").folder / "run" / "model.safetensors")
    assert trained["model/root.where"][2] > 1  # metres before the camera


def test_seeds_of_a_lifter_without_parameters_agree(train):
    result = train("run", "--lifter", "standing", "--steps", "2", "--seeds", "2")
    assert result["spread"]["builtin"]["mpjpe_mm"] == 0


def test_a_discriminator_without_parameters_is_asked_and_learns_nothing(train, poseplug):
    small = ["--lifter", "mlp:channels=8,blocks=1", "--objective", "reprojection", "--steps", "4"]
    train("run", *small, "--discriminate", "even")
    with_it = load_file(poseplug("eval", "run").folder / "run" / "model.safetensors")
    train("other", *small, "--discriminate", "even", "--set", "objective.adversarial=0")
    without = load_file(poseplug("eval", "run").folder / "other" / "model.safetensors")
    assert any(not with_it[name].equal(without[name]) for name in with_it)


@pytest.mark.parametrize("name", ["standing", "even"])
def test_they_keep_the_promises_of_their_interfaces(train, poseplug, name):
    result = poseplug("check", name)
    assert result.exit_code == 0, result.stdout
