"""The network over voxels: its size, and that what it computes in fewer passes is the same."""

import torch
from torch import nn
from torch.nn import functional

from poseplug_virtualpose.voxels.v2v import V2V, ConvNorm, Doubling, Residual


def unlike(network):
    """Give a network weights and statistics that leave nothing to chance, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(-0.2, 0.2, generator=generator)
        for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm3d)):
            norm.running_var.uniform_(0.5, 2, generator=generator)
            norm.weight.uniform_(0.5, 2, generator=generator)
    return network.eval()


def test_the_papers_network_has_3_32_million_parameters():
    """Counted from the layers of the released code."""

    def norm(c):
        return 2 * c

    def conv(i, o, k):
        return i * o * k**3 + o + norm(o)

    def residual(i, o):
        return conv(i, o, 3) + conv(o, o, 3) + (conv(i, o, 1) if i != o else 0)

    expected = conv(15, 16, 7) + residual(16, 32) + residual(32, 64) + residual(64, 128) + 2 * residual(128, 128)
    expected += residual(64, 64) * 2 + residual(32, 32)
    expected += sum(i * o * 8 + o + norm(o) for i, o in ((128, 64), (64, 32))) + 32 + 1
    count = sum(parameter.numel() for parameter in V2V(15, 1).parameters())
    assert count == expected == 3_317_921


def test_weights_are_small_at_first():
    network = V2V(15, 15, 4)
    weights = torch.cat(
        [m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
    )
    assert 0.0009 < weights.std() < 0.0011


def test_in_evaluation_normalisation_is_part_of_the_convolutions():
    x = torch.rand(2, 3, 4, 8, 4, generator=torch.Generator().manual_seed(1))
    for part in (ConvNorm(3, 5, 3), ConvNorm(3, 5, 1), Doubling(3, 5)):
        unlike(part)
        expected = part.norm(part.conv(x))
        found = part(x)
        torch.testing.assert_close(found, expected.relu() if isinstance(part, Doubling) else expected)


def plainly(network, x):
    """Return what the released code's layers make of volumes, one after the other."""

    def conv_norm(part, x):
        return part.norm(part.conv(x))

    def residual(part: Residual, x):
        y = conv_norm(part.second, functional.relu(conv_norm(part.first, x)))
        return functional.relu(y + (x if isinstance(part.skip, nn.Identity) else conv_norm(part.skip, x)))

    def doubling(part: Doubling, x):
        return functional.relu(part.norm(part.conv(x)))

    full = residual(network.front, functional.relu(conv_norm(network.first, x)))
    half = residual(network.down_half, functional.max_pool3d(full, 2))
    quarter = residual(network.down_quarter, functional.max_pool3d(half, 2))
    quarter = residual(network.up_quarter, residual(network.middle, quarter))
    half = doubling(network.to_half, quarter) + residual(network.skip_half, half)
    return network.last(doubling(network.to_full, residual(network.up_half, half)) + residual(network.skip_full, full))


def test_scores_are_those_of_the_plain_layers_in_training_and_evaluation():
    network = unlike(V2V(3, 2, 2))
    x = torch.rand(2, 3, 8, 4, 12, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network(x), plainly(network, x), rtol=1e-4, atol=1e-5)
        network.train()
        torch.testing.assert_close(network(x), plainly(network, x), rtol=1e-4, atol=1e-5)
        assert network(x).shape == (2, 2, 8, 4, 12)


def test_everything_learns():
    network = V2V(3, 2, 2)
    network(torch.rand(2, 3, 8, 4, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
