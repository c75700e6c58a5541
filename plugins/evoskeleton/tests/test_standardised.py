"""Standardised joints as what any lifter is trained on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cascade_kit import Rounds, curve, people, trainer_of
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, NoConfig, OutputHead, Step, Stream
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.multi_seed import models_of
from poseplug_evoskeleton.moving_joints import with_root, without_root
from poseplug_evoskeleton.standardised import Standardised, StandardisedHead

STAR = Skeleton("star", ("a", "root", "b"), ("root", "", "root"))
OBJECTIVE = {"name": "standardised"}


def star(joints: list[list[list[float]]]) -> PoseBatch:
    camera = Camera.shared(len(joints), (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    return PoseBatch.seen(STAR, torch.tensor(joints), camera)


class Doubled(OutputHead):
    """A lifter's own head: twice as large, half a metre to the right, and with a state to fit."""

    needs_fit = True
    labelled_poses = 7

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def forward(self, batch: PoseBatch, output: Tensor) -> Tensor:
        return 2 * output + torch.tensor([0.5, 0.0, 0.0])

    def fit(self, batch: PoseBatch) -> None:
        self.calls.append(len(batch))

    def calibrate(self, batch: PoseBatch, output: Tensor) -> dict[str, Tensor]:
        return {"seen": torch.tensor(float(len(batch)))}

    def diagnostics(self) -> dict[str, float]:
        return {"fits": float(len(self.calls))}


def test_statistics_by_hand() -> None:
    """Two people about their roots: a at (1, 0, 0) and (3, 0, 4), b at (0, 2, 0) both times."""
    root = [0.0, 0.0, 5.0]
    poses = star([[[1.0, 0.0, 5.0], root, [0.0, 2.0, 5.0]], [[3.0, 0.0, 9.0], root, [0.0, 2.0, 5.0]]])
    head = StandardisedHead(STAR)
    head.fit(poses)
    torch.testing.assert_close(head.mean, torch.tensor([[2.0, 0.0, 2.0], [0.0, 2.0, 0.0]]))
    # What does not vary counts as if it varied by a millimetre.
    torch.testing.assert_close(head.std, torch.tensor([[1.0, 0.001, 2.0], [0.001, 0.001, 0.001]]))
    lifted = head(poses, torch.ones(2, 3, 3))
    torch.testing.assert_close(lifted[0], torch.tensor([[3.0, 0.001, 4.0], [0.0, 0.0, 0.0], [0.001, 2.001, 0.001]]))
    # The target is (-1, 0, -1) and (1, 0, 1) of a, and zero of b; what is said of the root does not count.
    errors = head.errors(poses, torch.ones(2, 3, 3) * torch.tensor([1.0, 9.0, 0.0])[:, None])
    torch.testing.assert_close(errors[:, 0], torch.tensor([[2.0, 1.0, 2.0], [0.0, 1.0, 0.0]]))
    assert not errors[:, 1].any()


def test_the_root_is_taken_out_and_put_back_at_the_origin() -> None:
    joints = torch.randn(4, 5, 3)
    for root in range(5):
        moving = without_root(joints, root)
        assert torch.equal(moving, joints[:, [joint for joint in range(5) if joint != root]])
        back = with_root(moving, root)
        assert not back[:, root].any()
        assert torch.equal(without_root(back, root), moving)


def test_a_head_of_the_lifter_makes_metres_that_are_standardised_then() -> None:
    poses, own = people(40), Doubled()
    head, plain = StandardisedHead(H36M_16, own), StandardisedHead(H36M_16)
    head.fit(poses)
    plain.fit(poses)
    output = torch.randn(40, 16, 3)
    metres = own(poses, output)
    torch.testing.assert_close(head(poses, output), metres)
    # As if the lifter had returned what makes these metres.
    metres = metres - metres[:, [H36M_16.root]]
    said = with_root((without_root(metres, H36M_16.root) - plain.mean) / plain.std, H36M_16.root)
    torch.testing.assert_close(head.errors(poses, output), plain.errors(poses, said), rtol=1e-4, atol=1e-4)
    assert (own.calls, head.labelled_poses, head.diagnostics()) == ([40], 7, {"fits": 1})
    assert head.calibrate(poses, output) == {"seen": 40}
    assert (plain.labelled_poses, plain.calibrate(poses, output), plain.diagnostics()) == (0, {}, {})


def test_streams_count_by_their_weights() -> None:
    training, reference = people(6, seed=1), people(4, seed=2)
    objective = Standardised(NoConfig(), BuildContext(skeleton=H36M_16))
    objective.head.fit(training)
    said = {6: torch.randn(6, 16, 3), 4: torch.randn(4, 16, 3)}
    weights = torch.tensor([0.0, 1.0, 2.0, 5.0])
    streams = (Stream("training", training), Stream("reference", reference, weights, 0.5))
    step = Step(streams, lambda batch: said[len(batch)], lambda *_: {}, torch.Generator(), 0.0, one_pass=False)
    losses = objective.loss(step)
    moving = [joint for joint in range(16) if joint != H36M_16.root]
    errors = {}
    for poses in (training, reference):
        truth = (poses.root_relative[:, moving] - objective.head.mean) / objective.head.std
        errors[len(poses)] = (said[len(poses)][:, moving] - truth).square().mean((1, 2))
    torch.testing.assert_close(losses["standardised"], errors[6].mean())
    torch.testing.assert_close(losses["reference"], 0.5 * (weights * errors[4]).mean())


@pytest.mark.parametrize("lifter", ["mlp", "semgcn", "full2d", "independent_legtorso"])
def test_any_lifter_learns_it(lifter: str) -> None:
    settings: dict[str, Any] = {"reference": {"name": "builtin", "takes": 1, "frames": 8}, "lr": 3e-3}
    settings |= {"reweighter": {"name": "cips"}} if lifter == "mlp" else {"reference_weight": 0.5}
    trainer = trainer_of({"name": lifter, "channels": 16}, 60, objective=OBJECTIVE, **settings)
    trainer.run()
    for name in ("standardised", "reference"):
        values = curve(trainer, name)
        assert sum(values[-10:]) < 0.9 * sum(values[:10]), name
    # Labels and lifter are compared by one head, which is stored with the model.
    assert trainer.assembly.objective.head is trainer.assembly.model.head
    assert {"head.mean", "head.std"} <= trainer.assembly.model.state_dict().keys()


def test_what_is_learnt_is_read_in_metres() -> None:
    """One person is learnt by heart: the error in millimetres goes the way of the loss."""
    poses = people(8)
    trainer = trainer_of({"name": "mlp", "channels": 64, "dropout": 0.0}, 150, Rounds(poses, 8), objective=OBJECTIVE)
    before = _error(trainer.assembly.model, poses)
    trainer.run()
    assert _error(trainer.assembly.model, poses) < 0.2 * before


def _error(model: LiftingModel, poses: PoseBatch) -> float:
    """Return the mean error in metres, as the batch statistics of the training have it."""
    with torch.no_grad():
        return float((model.train().predict(poses) - poses.root_relative).norm(dim=-1).mean())


def test_seeds_side_by_side_share_statistics_and_are_trained_alike() -> None:
    poses, lifter = people(32), {"name": "mlp", "channels": 8}
    settings = {"optimiser": "SGD", "lr": 0.05, "objective": OBJECTIVE}
    lifter["dropout"] = 0.0
    together = trainer_of(lifter, 6, Rounds(poses, 16, 2), seeds=2, **settings)
    together.run()
    for seed, model in enumerate(models_of(together.assembly)):
        alone = trainer_of(lifter, 6, Rounds(poses, 16), seed=seed, **settings)
        alone.run()
        torch.testing.assert_close(model.state_dict(), alone.assembly.model.state_dict(), rtol=1e-3, atol=1e-5)
        own = [row[seed] for row in together.history.by_seed["standardised"].values()]
        assert own == pytest.approx(curve(alone, "standardised"), rel=1e-4)
