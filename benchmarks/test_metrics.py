"""How fast the metrics are on 100,000 poses of 16 joints, beside the authors' public code.

The authors' figures are medians on two quiet cores of an AMD EPYC (torch 2.13, numpy 2.4, float32): PoseAug's own
functions on synthetic poses. Compare on such a machine, or read the ratio as a rough one.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.joint_errors import auc, joint_errors, n_joint_errors
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.procrustes import alignment_errors

N = 100_000
AUTHORS_MPJPE_MS = 3.88
AUTHORS_P_MPJPE_MS = 281.0
# Measured on 2,929 poses, the test set of MPI-INF-3DHP.
AUTHORS_AUC_MS_PER_POSE = 557 / 2929


@pytest.fixture(scope="module")
def poses() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(N, 16, 3, generator=generator) * 0.3
    return target + torch.randn(N, 16, 3, generator=generator) * 0.05, target


def timed(benchmark: Any, function: Callable[[], Any], authors_ms: float | None = None) -> Any:
    result = benchmark.pedantic(function, rounds=9, warmup_rounds=2)
    if not benchmark.enabled:
        return result
    milliseconds = benchmark.stats.stats.median * 1000
    benchmark.extra_info["poses_per_second"] = round(N / milliseconds * 1000)
    if authors_ms is not None:
        benchmark.extra_info |= {"authors_ms": authors_ms, "times_faster": round(authors_ms / milliseconds, 1)}
    return result


def test_mpjpe(benchmark: Any, poses: tuple[Tensor, Tensor]) -> None:
    assert timed(benchmark, lambda: joint_errors(*poses).mean(-1), AUTHORS_MPJPE_MS).shape == (N,)


@pytest.mark.parametrize("reflection", [False, True], ids=["proper", "reflection"])
def test_p_mpjpe(benchmark: Any, poses: tuple[Tensor, Tensor], reflection: bool) -> None:
    found = timed(benchmark, lambda: alignment_errors(*poses, reflection=reflection).mean(-1), AUTHORS_P_MPJPE_MS)
    assert (found * 1000 < joint_errors(*poses).mean(-1) + 10).all()


def test_p_mpjpe_of_poses_that_do_not_fit(benchmark: Any, poses: tuple[Tensor, Tensor]) -> None:
    predicted, target = poses
    unrelated = predicted.roll(1, 0)
    found = timed(benchmark, lambda: alignment_errors(unrelated, target).mean(-1), AUTHORS_P_MPJPE_MS)
    assert found.isfinite().all()


def test_n_mpjpe(benchmark: Any, poses: tuple[Tensor, Tensor]) -> None:
    assert timed(benchmark, lambda: n_joint_errors(*poses).mean(-1)).shape == (N,)


def test_auc(benchmark: Any, poses: tuple[Tensor, Tensor]) -> None:
    """Errors included, as in the authors' function."""
    authors = round(AUTHORS_AUC_MS_PER_POSE * N)
    assert timed(benchmark, lambda: auc(joint_errors(*poses), 150, 5), authors).shape == (N,)


def test_whole_evaluation_per_action(benchmark: Any, poses: tuple[Tensor, Tensor]) -> None:
    """Every metric of the default protocol in batches of 4096, with the tables of 15 actions."""
    predicted, target = poses
    camera = Camera.shared(N, (1145.0, 1145.0), (500.0, 500.0), (1000.0, 1000.0))
    joints = target + torch.tensor([0.0, 0.0, 5.0])
    batch = PoseBatch.seen(H36M_16, joints, camera, labels={"action": torch.arange(N) % 15})
    names = [f"action {number}" for number in range(15)]

    def evaluate() -> dict[str, dict[str, float]]:
        scores = Scores(lookup("default"), names)
        for start in range(0, N, 4096):
            rows = slice(start, start + 4096)
            scores.add(predicted[rows], batch.select(rows))
        return scores.by_action()

    assert list(timed(benchmark, evaluate)) == names
