"""The cascade against Algorithm 3 of the paper, step by step, written without autograd modules or optimisers.

All in double precision: the gradient of a bias before batch normalisation is zero up to rounding, which Adam enlarges.
"""

from __future__ import annotations

import copy

import pytest
import torch
from cascade_kit import TINY, Rounds, curve, people, trainer_of
from torch import Tensor

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.training.trainer import Trainer

PARTS, STEPS, SIZE, LR = 3, 10, 8, 1e-3
POSES = people(24, dtype=torch.float64)
ROOT = H36M_16.root
MOVING = [joint for joint in range(16) if joint != ROOT]
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def trained() -> tuple[list[State], Trainer]:
    """The state of each part before training, and the run."""
    trainer = trainer_of(
        {"name": "cascade", "part": TINY, "parts": PARTS}, PARTS * STEPS, Rounds(POSES, SIZE), batch_size=SIZE, lr=LR
    )
    trainer.assembly.modules().double()
    lifter = trainer.assembly.model.lifter
    before = [{name: tensor.clone() for name, tensor in part.state_dict().items()} for part in lifter.parts]
    trainer.run()
    return before, trainer


def layer(state: State, name: str, x: Tensor, learning: bool) -> Tensor:
    """Linear map, batch normalisation (statistics move by a tenth), ReLU."""
    x = x @ state[f"{name}.linear.weight"].T + state[f"{name}.linear.bias"]
    mean, var = state[f"{name}.norm.running_mean"], state[f"{name}.norm.running_var"]
    if learning:
        seen_mean, seen_var = x.mean(0), ((x - x.mean(0)) ** 2).mean(0)
        mean.copy_(0.9 * mean + 0.1 * seen_mean.detach())
        var.copy_(0.9 * var + 0.1 * seen_var.detach() * len(x) / (len(x) - 1))
        mean, var = seen_mean, seen_var
    x = (x - mean) / (var + 1e-5).sqrt() * state[f"{name}.norm.weight"] + state[f"{name}.norm.bias"]
    return x * (x > 0)


def learner(state: State, x: Tensor, learning: bool) -> Tensor:
    x = layer(state, "enter", x, learning)
    x = x + layer(state, "blocks.0.second", layer(state, "blocks.0.first", x, learning), learning)
    return x @ state["leave.weight"].T + state["leave.bias"]


def train_network(state: State, inputs: Tensor, targets: Tensor, first_step: int) -> list[float]:
    """Follow the mean squared error down by Adam, in rounds over the data; return the errors."""
    names = [name for name in state if "running" not in name and "num_batches" not in name]
    moments = {name: (torch.zeros_like(state[name]), torch.zeros_like(state[name])) for name in names}
    errors = []
    for step in range(1, STEPS + 1):
        rows = slice((first_step + step - 1) * SIZE % len(inputs), None)
        for name in names:
            state[name] = state[name].detach().requires_grad_()
        error = ((learner(state, inputs[rows][:SIZE], True) - targets[rows][:SIZE]) ** 2).mean()
        gradients = torch.autograd.grad(error, [state[name] for name in names])
        for name, gradient in zip(names, gradients, strict=True):
            first, second = moments[name]
            first.copy_(0.9 * first + 0.1 * gradient)
            second.copy_(0.999 * second + 0.001 * gradient**2)
            rate = LR * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
            state[name] = state[name].detach() - rate
        errors.append(error.item())
    return errors


def standardised() -> tuple[Tensor, Tensor]:
    """Inputs and targets, each coordinate by its mean and deviation over all poses."""
    pixels = POSES.joints_2d.flatten(1)
    joints = (POSES.absolute - POSES.absolute[:, [ROOT]])[:, MOVING].flatten(1)
    inputs = (pixels - pixels.mean(0)) / pixels.std(0)
    return inputs, (joints - joints.mean(0)) / ((joints - joints.mean(0)) ** 2).mean(0).sqrt()


def test_parts_are_those_of_algorithm_3(trained: tuple[list[State], Trainer]) -> None:
    before, trainer = trained
    inputs, targets = standardised()
    estimate, errors = torch.zeros_like(targets), []
    for i, state in enumerate(before):
        errors += train_network(state, inputs, targets - estimate, i * STEPS)
        estimate = estimate + learner(state, inputs, False).detach()
        found = trainer.assembly.model.lifter.parts[i].state_dict()
        for name, tensor in state.items():
            if "num_batches" not in name:
                torch.testing.assert_close(found[name], tensor.detach(), rtol=1e-7, atol=1e-9, msg=f"part {i} {name}")
        assert found["enter.norm.num_batches_tracked"] == STEPS
    assert curve(trainer, "standardised") == pytest.approx(errors, rel=1e-6)  # kept in single precision
    # And the sum, in metres.
    joints = (POSES.absolute - POSES.absolute[:, [ROOT]])[:, MOVING].flatten(1)
    metres = estimate * ((joints - joints.mean(0)) ** 2).mean(0).sqrt() + joints.mean(0)
    lifted = trainer.assembly.model.predict(POSES)
    torch.testing.assert_close(lifted[:, MOVING].flatten(1), metres, rtol=1e-7, atol=1e-9)
    assert not lifted[:, ROOT].any()


def test_a_step_of_a_later_part_is_a_step_on_the_residual(trained: tuple[list[State], Trainer]) -> None:
    """With dropout, drawn alike: what is frozen draws nothing, and gets no gradient from it."""
    lifter = copy.deepcopy(trained[1].assembly.model.lifter)
    seen, targets = torch.randn(8, 16, 2, dtype=torch.float64), torch.randn(8, 16, 3, dtype=torch.float64)
    last = lifter.parts[2]
    for module in (last.enter, last.blocks[0].first, last.blocks[0].second):
        module.probability = 0.5
    lifter.eval()
    last.train()
    gradients = []
    for whole in (True, False):
        torch.manual_seed(3)
        residual = targets if whole else targets - (lifter.parts[0](seen) + lifter.parts[1](seen)).detach()
        error = ((lifter(seen) if whole else last(seen)) - residual).square().mean()
        gradients.append(torch.autograd.grad(error, list(last.parameters())))
    assert all(gradient.any() for gradient in gradients[0][-2:])
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-14)
