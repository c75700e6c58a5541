"""What the paper's figures are errors of: protocol ``evoskeleton``, on its 17 joints."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch
from cascade_kit import people

from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.geometry.layouts import H36M_17

MOVING = [joint for joint in range(17) if joint != H36M_17.root]


def aligned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Turn, move and scale one pose onto another, without mirroring."""
    x, y = x - x.mean(0), y - y.mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return x @ (u * signs) @ vt * (s * signs).sum() / (x**2).sum() - y


def test_what_is_reported_is_16_of_17_of_the_error_of_the_joints_that_are_predicted() -> None:
    """The mean over all slots, of which the root's is zero, of each action; then the mean of the actions."""
    protocol = lookup("evoskeleton")
    assert (protocol.root, protocol.scale, protocol.reflection, protocol.flip) == ("unaligned", True, False, False)
    actions = torch.tensor([0] * 9 + [1] * 3)
    poses = attrs.evolve(people(12, H36M_17), labels={"action": actions})
    predicted = poses.root_relative + 0.1 * torch.randn(12, 17, 3)
    scores = Scores(protocol, ("walk", "sit"))
    scores.add(predicted, poses)
    found = scores.mean()
    by_action: dict[str, list[list[float]]] = {"mpjpe_mm": [[], []], "p_mpjpe_mm": [[], []]}
    said, true = ((p - p[:, [H36M_17.root]]).double().numpy()[:, MOVING] for p in (predicted, poses.absolute))
    for p, t, action in zip(said, true, actions.tolist(), strict=True):
        by_action["mpjpe_mm"][action].append(np.linalg.norm(p - t, axis=1).mean() * 1000)
        by_action["p_mpjpe_mm"][action].append(np.linalg.norm(aligned(p, t), axis=1).mean() * 1000)
    for name, errors in by_action.items():
        assert found[name] == pytest.approx(16 / 17 * np.mean([np.mean(each) for each in errors]), rel=1e-4)
