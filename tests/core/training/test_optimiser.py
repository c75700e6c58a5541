import torch
from torch import nn

from poseplug.core.training.roles import clip_each


def test_gradients_are_cut_for_each_replica():
    stacked = [nn.Parameter(torch.zeros(3, 4, 2)), nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3, 7))]
    for parameter in stacked[:2]:
        parameter.grad = torch.randn_like(parameter) * torch.tensor([0.01, 1.0, 9.0]).view(
            3, *[1] * (parameter.ndim - 1)
        )
    expected = []
    for i in range(3):
        alone = [nn.Parameter(torch.zeros_like(p[i])) for p in stacked[:2]]
        for parameter, whole in zip(alone, stacked, strict=False):
            parameter.grad = whole.grad[i].clone()
        nn.utils.clip_grad_norm_(alone, 0.5)
        expected.append([p.grad for p in alone])
    clip_each(stacked, 0.5)
    for i, gradients in enumerate(expected):
        for parameter, gradient in zip(stacked, gradients, strict=False):
            torch.testing.assert_close(parameter.grad[i], gradient)
    assert expected[0][0].norm() < 0.49  # small gradients are left alone
