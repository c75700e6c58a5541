"""Procrustes alignment of 100,000 poses of 16 joints beside the usual way, batched singular value decompositions.

    pytest benchmarks/test_procrustes.py --benchmark-only

Both take their turns in one process, on one thread. Times over ours, torch 2.13 on an Intel Xeon of family 6 that was
not idle, 2026-11-21, medians of three runs: 1.1 (float32, where ours computes in float64 all the same) and 1.3
(float64).

CUDA has not been measured. torch.linalg.svd gives batches of such matrices to cuSOLVER's gesvdjBatched and then copies
to the host whether each converged, so it waits for the device. pytorch/pytorch#143281 reports for 270,000 matrices in
float32 0.07 s on an H100 and 0.82 s on an RTX 5000 Ada, and 0.53 and 0.64 s on their CPUs.
"""

from functools import partial

import pytest
import torch

from poseplug.core.geometry.procrustes import alignment_errors

N, ROUNDS = 100_000, 9


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def errors_by_decomposition(predicted, target):
    """Return the distances [N, J] after alignment by Umeyama (1991)."""
    x, y = (points - points.mean(1, keepdim=True) for points in (predicted, target))
    u, s, vt = torch.linalg.svd(x.mT @ y)
    signs = torch.ones_like(s)
    signs[:, 2] = torch.sign(torch.linalg.det(u @ vt))
    factor = (s * signs).sum(1) / x.square().sum((1, 2))
    aligned = x @ ((u * signs[:, None]) @ vt) * factor[:, None, None]
    return torch.linalg.vector_norm(aligned - y, dim=-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_beside_decompositions(benchmark, ratio_of, dtype):
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(N, 16, 3, generator=generator, dtype=dtype) * 0.3
    predicted = target + torch.randn(N, 16, 3, generator=generator, dtype=dtype) * 0.05
    usual = partial(errors_by_decomposition, predicted, target)
    ours = partial(alignment_errors, predicted, target)
    torch.testing.assert_close(ours(), usual(), rtol=0, atol=2e-6)
    ratio = ratio_of(ours, usual, ROUNDS)
    benchmark.extra_info["decompositions over ours"] = round(ratio, 2)
    assert ratio > 1 or dtype is torch.float32
