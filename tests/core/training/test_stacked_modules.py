"""A stack computes what its modules would."""

import copy
import itertools

import pytest
import torch
from torch import nn
from toys import DeepLifter, LinearConfig, LinearLifter, StubbornLifter

from poseplug.core.errors import PoseplugError
from poseplug.core.training import stacked_modules
from poseplug.core.training.stacked_modules import Stack

SEEDS = (3, 4, 5)


def test_what_vmap_cannot_run_is_computed_in_turn(monkeypatch):
    monkeypatch.setattr(stacked_modules, "_SMALL", float("inf"))
    lifters = {cls: Stack.of([cls() for _ in SEEDS]).train() for cls in (LinearLifter, StubbornLifter)}
    torch.manual_seed(8)
    expected = torch.rand(3)
    torch.manual_seed(8)
    for lifter in lifters.values():
        lifter(torch.randn(30, 5, 2, generator=torch.Generator().manual_seed(1)))
    assert [lifter._vectorises for lifter in lifters.values()] == [{True: True}, {True: False}]
    torch.testing.assert_close(torch.rand(3), expected)
    for lifter in lifters.values():  # the attempt left no trace in the statistics
        assert lifter.template.norm.num_batches_tracked.tolist() == [1, 1, 1]


def test_the_attempt_draws_nothing_from_a_generator():
    class Drawing(nn.Linear):
        def forward(self, x, generator):
            return super().forward(x) + torch.rand(len(x), 1, generator=generator)

    stack, x = Stack.of([Drawing(2, 2) for _ in SEEDS]), torch.randn(30, 2)
    first, second = (stack(x, torch.Generator().manual_seed(0)) for _ in range(2))
    assert stack._vectorises == {True: True}
    assert torch.equal(first, second)


@pytest.mark.parametrize("lifter", [DeepLifter(0.5), LinearLifter(LinearConfig(dropout=0.5))])
def test_replicas_drop_different_units(manner, lifter):
    lifters = Stack.of([copy.deepcopy(lifter) for _ in SEEDS])
    x = torch.randn(40, 5, 2).repeat_interleave(len(SEEDS), 0)
    outputs = lifters.train()(x).unflatten(0, (-1, len(SEEDS))).unbind(1)
    assert all(not torch.allclose(a, b) for a, b in itertools.combinations(outputs, 2))
    outputs = lifters.eval()(x).unflatten(0, (-1, len(SEEDS))).unbind(1)
    torch.testing.assert_close(outputs[0], outputs[1])


def test_replicas_follow_the_stack():
    lifters = Stack.of([LinearLifter() for _ in SEEDS])
    with torch.no_grad():
        lifters.template.depth.bias += torch.tensor([1.0, 2.0, 3.0])[:, None]
        lifters.template.norm.running_mean += 5
    lifters.load_state_dict({name: tensor + 1 for name, tensor in lifters.state_dict().items()})
    x = torch.randn(30, 5, 2)
    whole = lifters.eval()(x)
    for index, replica in enumerate(lifters.members):
        torch.testing.assert_close(whole[index::3], replica.eval()(x[index::3]))
        assert not any(p.requires_grad for p in replica.parameters())


def test_batches_that_cannot_be_shared_are_refused():
    with pytest.raises(PoseplugError, match="3 seeds are trained together.*batches of 31 poses.*--seed"):
        Stack.of([LinearLifter() for _ in SEEDS])(torch.zeros(31, 5, 2))


def test_parts_that_differ_in_shape_are_refused():
    with pytest.raises(PoseplugError, match="'weight' has another shape under another seed"):
        Stack.of([nn.Linear(2, 3), nn.Linear(2, 4)])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_stack_on_a_cuda_device_is_computed_together():
    lifters = Stack.of([DeepLifter().cuda() for _ in SEEDS]).train()
    x = torch.randn(3 * 500, 5, 2, device="cuda")
    alone = [copy.deepcopy(member).requires_grad_(True) for member in lifters.members]
    lifters(x).square().mean().backward()
    assert lifters._vectorises == {True: True}
    for index, lifter in enumerate(alone):
        (lifter(x[index::3]).square().mean() / 3).backward()
        for name, parameter in lifter.named_parameters():
            if name != "leave.bias":  # which is not trained
                found = lifters.template.get_parameter(name).grad[index]
                torch.testing.assert_close(found, parameter.grad, rtol=1e-3, atol=1e-5)
