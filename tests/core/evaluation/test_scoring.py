import attrs
import numpy as np
import pytest
import torch
from comparisons import CHAIN, noisy, truth

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.protocol import Protocol, lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton

DEFAULT = lookup("default")
NAMES = {"mpjpe_mm", "p_mpjpe_mm", "p_mpjpe_reflected_mm", "n_mpjpe_mm", "pck_150", "auc"}
ROOT_NAMES = {"mrpe_mm", "mrpe_x_mm", "mrpe_y_mm", "mrpe_z_mm", "pck_abs", "pck_root"}


def similarity_errors(predicted: np.ndarray, target: np.ndarray, reflection: bool) -> np.ndarray:
    """Distances in mm after aligning one pose by singular value decomposition."""
    x, y = predicted - predicted.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    signs = np.array([1.0, 1.0, 1.0 if reflection else np.linalg.det(u @ vt)])
    return np.linalg.norm(x @ (u * signs) @ vt * ((s * signs).sum() / (x * x).sum()) - y, axis=1) * 1000


def expected_by_hand(predicted: torch.Tensor, batch: PoseBatch, protocol: Protocol) -> dict[str, float]:
    """The protocol in plain words, one pose at a time."""
    root = batch.skeleton.root
    rows = []
    for p, t in zip(predicted.double().numpy(), batch.absolute.double().numpy(), strict=True):
        p, t = p - p[root], t - t[root]
        others = [j for j in range(len(p)) if j != root]
        counted = others if protocol.root == "excluded" else list(range(len(p)))
        aligned = counted if protocol.root == "counted" else others
        errors = np.linalg.norm(p - t, axis=1)[counted] * 1000
        scaled = (p * t).sum() / (p * p).sum() * p
        both = [similarity_errors(p[aligned], t[aligned], r).sum() / len(counted) for r in (False, True)]
        rows.append(
            {
                "mpjpe_mm": errors.mean(),
                "p_mpjpe_mm": both[protocol.reflection],
                "p_mpjpe_reflected_mm": both[True],
                "n_mpjpe_mm": np.linalg.norm(scaled - t, axis=1)[counted].mean() * 1000,
                "pck_150": 100 * (errors < 150).mean(),
                "auc": np.mean([100 * (errors < threshold).mean() for threshold in range(0, 151, 5)]),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


@pytest.mark.parametrize("name", ["default", "pose2drep", "evoskeleton"])
@pytest.mark.parametrize("skeleton", [H36M_16, CHAIN], ids=lambda s: s.name)
def test_every_metric_by_hand(name: str, skeleton: Skeleton) -> None:
    batch = truth(20, skeleton=skeleton)
    protocol = attrs.evolve(lookup(name), average="poses")
    scores = Scores(protocol, ("walk", "run", "wave"))
    predicted = noisy(batch)
    scores.add(predicted, batch)
    expected = expected_by_hand(predicted, batch, protocol)
    assert scores.mean() == pytest.approx(expected, rel=1e-4)


def test_batches_add_up_to_the_whole() -> None:
    batch = truth(50)
    predicted = noisy(batch)
    whole, parts = Scores(DEFAULT, ("a", "b", "c")), Scores(DEFAULT, ("a", "b", "c"))
    whole.add(predicted, batch)
    for start in (0, 7, 40):
        rows = slice(start, {0: 7, 7: 40, 40: 50}[start])
        parts.add(predicted[rows], batch.select(rows))
    assert parts.mean() == pytest.approx(whole.mean(), rel=1e-6)
    for name, values in whole.per_pose().items():
        assert values.shape == (50,)
        torch.testing.assert_close(parts.per_pose()[name], values)


def test_the_predicted_root_is_subtracted() -> None:
    batch = truth(10)
    scores = Scores(DEFAULT)
    scores.add(batch.root_relative + torch.tensor([3.0, -2.0, 1.0]), batch)
    found = scores.mean()
    assert found["mpjpe_mm"] == pytest.approx(0, abs=1e-2)
    assert found["pck_150"] == 100
    assert found.keys() == NAMES


def test_evoskeleton_reports_16_of_17() -> None:
    protocols = [attrs.evolve(DEFAULT, root=root) for root in ("unaligned", "excluded")]
    batch = truth(10)
    predicted = noisy(batch)
    found = []
    for protocol in protocols:
        scores = Scores(protocol)
        scores.add(predicted, batch)
        found.append(scores.mean())
    for name in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm"):
        assert found[0][name] == pytest.approx(found[1][name] * 15 / 16, rel=1e-5)


def test_per_action_by_hand() -> None:
    batch = truth(30)
    batch = attrs.evolve(batch, labels={"action": torch.tensor([0] * 20 + [2] * 10)})
    predicted = noisy(batch)
    scores, over_actions = (
        Scores(attrs.evolve(DEFAULT, average=average), ("walk", "never", "wave")) for average in ("poses", "actions")
    )
    for rows in (slice(0, 25), slice(25, 30)):
        scores.add(predicted[rows], batch.select(rows))
        over_actions.add(predicted[rows], batch.select(rows))
    per_pose, table = scores.per_pose(), scores.by_action()
    assert list(table) == ["walk", "wave"]
    for name, values in per_pose.items():
        assert table["walk"][name] == pytest.approx(values[:20].mean().item(), rel=1e-5)
        assert table["wave"][name] == pytest.approx(values[20:].mean().item(), rel=1e-5)
        expected = (values[:20].mean() + values[20:].mean()).item() / 2
        assert over_actions.mean()[name] == pytest.approx(expected, rel=1e-5)
        assert scores.mean()[name] == pytest.approx(values.mean().item(), rel=1e-5)


def test_a_mean_over_actions_needs_actions() -> None:
    with pytest.raises(PoseplugError, match="'evoskeleton' averages over actions, but this data has no label 'action'"):
        Scores(lookup("evoskeleton"))


def test_absolute_roots_by_hand() -> None:
    batch = truth(3)
    offset = torch.tensor([[0.03, -0.04, 0.12], [0.0, 0.12, -0.16], [0.1, 0.2, -0.2]])
    scores = Scores(DEFAULT)
    # Where the lifter puts its root is of no consequence.
    scores.add(batch.root_relative + torch.tensor([1.0, 2.0, 3.0]), batch, root=batch.root + offset)
    found = scores.mean()
    assert found.keys() == NAMES | ROOT_NAMES
    # 130, 200 and 300 mm: joints count within 150 mm, roots within 250 mm.
    assert found["mrpe_mm"] == pytest.approx(210, rel=1e-4)
    assert [found[f"mrpe_{axis}_mm"] for axis in "xyz"] == pytest.approx([130 / 3, 120, 160], rel=1e-4)
    assert found["pck_abs"] == pytest.approx(100 / 3)
    assert found["pck_root"] == pytest.approx(200 / 3)
    assert found["mpjpe_mm"] == pytest.approx(0, abs=1e-2)


def test_roots_for_every_batch_or_none() -> None:
    batch = truth(2)
    scores = Scores(DEFAULT)
    scores.add(batch.absolute, batch, root=batch.root)
    with pytest.raises(ValueError, match="every batch or for none"):
        scores.add(batch.absolute, batch)


def test_nothing_evaluated() -> None:
    with pytest.raises(PoseplugError, match="Nothing was evaluated"):
        Scores(DEFAULT).mean()


@pytest.mark.parametrize("action", [(), ("walk", "run", "wave")])
def test_a_nan_prediction_shows(action: tuple[str, ...]) -> None:
    batch = truth(6)
    predicted = noisy(batch)
    predicted[1, 4, 0] = float("nan")
    scores = Scores(DEFAULT, action)
    scores.add(predicted, batch)
    assert all(np.isnan(value) for value in scores.mean().values())
    if action:
        table = scores.by_action()
        assert np.isnan(table["run"]["p_mpjpe_mm"])
        assert np.isfinite(table["walk"]["p_mpjpe_mm"])


def test_targets_without_3d() -> None:
    batch = attrs.evolve(truth(2), joints_3d=None)
    with pytest.raises(PoseplugError, match="needs 3D joints"):
        Scores(DEFAULT).add(torch.zeros(2, 16, 3), batch)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_adding_does_not_make_the_gpu_wait() -> None:
    batch = truth(64)
    predicted = noisy(batch)
    on_gpu, gpu_predicted = batch.to("cuda"), predicted.cuda()
    names = ("walk", "run", "wave")
    scores, expected = Scores(lookup("pose2drep"), names), Scores(lookup("pose2drep"), names)
    expected.add(predicted, batch, root=predicted[:, 0])
    Scores(lookup("pose2drep"), names).add(gpu_predicted, on_gpu, root=gpu_predicted[:, 0])
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        scores.add(gpu_predicted, on_gpu, root=gpu_predicted[:, 0])
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    assert scores.mean() == pytest.approx(expected.mean(), rel=1e-4)
    assert scores.by_action()["run"] == pytest.approx(expected.by_action()["run"], rel=1e-4)
