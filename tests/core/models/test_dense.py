import pytest
import torch
from torch.nn import functional

from poseplug.core.models.dense import Norm, dense, dropout


@pytest.mark.parametrize("rows", [(0,), (5,), (3, 300), (16, 64), (1001,)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_dense_is_a_linear_map(rows, bias, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x = torch.randn(*rows, 40, requires_grad=True)
        weight, offset = torch.randn(24, 40, requires_grad=True), torch.randn(24) if bias else None
        found, expected = dense(x, weight, offset), functional.linear(x, weight, offset)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        upstream = torch.randn_like(expected)
        for a, b in zip(*(torch.autograd.grad(y, (x, weight), upstream) for y in (found, expected)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)
    finally:
        torch.set_num_threads(before)


def test_norm_counts_all_leading_axes():
    norm = Norm(3).train()
    x = torch.randn(5, 7, 3) * 4 + 2
    flat = x.reshape(-1, 3)
    expected = (flat - flat.mean(0)) / (flat.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(norm(x), expected.view(5, 7, 3))
    torch.testing.assert_close(norm(x, relu=True), expected.view(5, 7, 3).clamp(min=0))


@pytest.mark.parametrize("p", [0.05, 0.25, 0.9])
def test_dropout_drops_the_right_share(p):
    torch.manual_seed(0)
    x = torch.full((333, 301), 2.0, requires_grad=True)
    y = dropout(x, p, training=True)
    share = (y == 0).double().mean().item()
    assert share == pytest.approx(p, abs=5 * (p * (1 - p) / x.numel()) ** 0.5)
    assert y[y != 0].unique().numel() == 1
    assert y.max().item() == pytest.approx(2 / (1 - p), rel=2e-4)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, y.detach() / 2)
    # Neighbours come from the same random word; they must be independent all the same.
    surplus = (y.detach().flatten() == 0).double() - p
    for lag in (1, 2, 3, 4):
        together = (surplus[lag:] * surplus[:-lag]).mean().item()
        assert together == pytest.approx(0, abs=6 * p * (1 - p) / x.numel() ** 0.5)


def test_dropout_at_its_ends():
    x = torch.randn(50)
    assert torch.equal(dropout(x, 0.5, training=False), x)
    assert torch.equal(dropout(x, 0.0, training=True), x)
    assert torch.equal(dropout(x, 1.0, training=True), torch.zeros(50))
    assert dropout(torch.ones(0, 3), 0.5, training=True).shape == (0, 3)
    assert (dropout(torch.ones(4000), 0.999999, training=True).isfinite()).all()


def test_dropout_repeats_with_the_seed():
    results = []
    for _ in range(2):
        torch.manual_seed(9)
        results.append(dropout(torch.ones(1000), 0.3, training=True))
    assert torch.equal(*results)
