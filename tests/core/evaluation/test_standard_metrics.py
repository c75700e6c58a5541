"""The standard metrics, which share errors and alignments, are to the last bit what each is when computed alone."""

import pytest
import torch
from comparisons import CHAIN, noisy, truth

from poseplug.core.evaluation.joint_errors import MILLIMETRES, auc, joint_errors, n_joint_errors, pck
from poseplug.core.evaluation.protocol import PROTOCOLS, Protocol
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.evaluation.standard_metrics import Pck
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.procrustes import alignment_errors
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext


def without(joints: torch.Tensor, index: int) -> torch.Tensor:
    return torch.cat([joints[:, :index], joints[:, index + 1 :]], 1)


def relative_figures(predicted: torch.Tensor, target: torch.Tensor, root: int, protocol: Protocol) -> dict:
    aligned = predicted, target
    if protocol.root != "counted":
        aligned = without(predicted, root), without(target, root)
    if protocol.root == "excluded":
        predicted, target = aligned
    errors, joints = joint_errors(predicted, target), predicted.shape[1]
    proper, mirrored = (
        (alignment_errors(*aligned, scale=protocol.scale, reflection=reflection) * MILLIMETRES).sum(-1) / joints
        for reflection in (False, True)
    )
    return {
        "mpjpe_mm": errors.mean(-1),
        "p_mpjpe_mm": mirrored if protocol.reflection else proper,
        "p_mpjpe_reflected_mm": mirrored,
        "n_mpjpe_mm": n_joint_errors(predicted, target).mean(-1),
        f"pck_{protocol.pck_mm:g}": pck(errors, protocol.pck_mm),
        "auc": auc(errors, protocol.auc_max_mm, protocol.auc_step_mm),
    }


def absolute_figures(predicted: torch.Tensor, target: torch.Tensor, root: int, protocol: Protocol) -> dict:
    x, y, z = (predicted[:, root] - target[:, root]).abs().mul(1000).unbind(-1)
    distance = joint_errors(predicted[:, root], target[:, root])
    if protocol.root == "excluded":
        predicted, target = without(predicted, root), without(target, root)
    return {
        "mrpe_mm": distance,
        "mrpe_x_mm": x,
        "mrpe_y_mm": y,
        "mrpe_z_mm": z,
        "pck_abs": pck(joint_errors(predicted, target), protocol.pck_mm),
        "pck_root": pck(distance[:, None], 250),
    }


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17, CHAIN], ids=lambda s: s.name)
def test_sharing_changes_no_bit(name: str, skeleton: Skeleton) -> None:
    protocol, root = PROTOCOLS[name], skeleton.root
    for n in (1, 7, 64, 501):
        batch = truth(n, skeleton=skeleton)
        predicted = noisy(batch)
        relative = predicted - predicted[:, root : root + 1]
        expected = relative_figures(relative, batch.root_relative, root, protocol)
        expected |= absolute_figures(relative + predicted[:, root, None], batch.absolute, root, protocol)
        scores = Scores(protocol, ("walk", "run", "wave"))
        scores.add(predicted, batch, root=predicted[:, root])
        found = scores.per_pose()
        assert list(found) == list(expected)
        for figure, values in expected.items():
            assert torch.equal(found[figure], values), figure


def test_a_threshold_of_one_s_own_names_the_figure() -> None:
    batch = truth(20)
    metric = Pck(Pck.Config(threshold_mm=62.5), BuildContext())
    scores = Scores(PROTOCOLS["default"], metrics={"pck (metric 0)": metric})
    scores.add(noisy(batch), batch)
    errors = (noisy(batch) - noisy(batch)[:, :1] - batch.root_relative).norm(dim=-1) * 1000
    found = scores.mean()
    assert found["pck_62.5"] == pytest.approx(100 * float((errors < 62.5).float().mean()))
    assert 0 < found["pck_62.5"] < found["pck_150"]
    assert scores.headings["pck_62.5"] == "PCK@62.5"
    assert scores.headings["pck_150"] == "PCK@150"
