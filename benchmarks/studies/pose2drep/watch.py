"""Evaluates every seed of a run again and again while it trains, and keeps the curves beside the run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import torch

from poseplug.core.data.normalise import max_normalised
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.evaluate import evaluate
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.storage.files import write_text
from poseplug.core.training.multi_seed import models_of
from poseplug.core.training.trainer import Trainer
from poseplug_pose2drep.depth_head import DepthHead

# The paper's joints: the root left out. p_mpjpe_mm keeps the handedness, ERROR, the paper's, may mirror.
PROTOCOL = attrs.evolve(lookup("pose2drep"), name="pose2drep without reflection", reflection=False)
ERROR = "p_mpjpe_reflected_mm"
CURVES = "curves.json"
# Of the training source; the run's own labelled poses come from another seed.
_LABELLED_SEED, _LABELLED = 20220, 100


class Watch(RunHook):
    """Evaluates all seeds every so many steps.

    What it has seen is written at once, so that a run that is killed and resumed loses none of it.

    Args:
        sets: the poses to evaluate on, by label, as the run sees them.
        signs_on: the label of those that the depth signs of the parts are taken from.
        every: steps between evaluations.
    """

    def __init__(self, sets: Mapping[str, PoseTable], signs_on: str, every: int) -> None:
        self.sets = dict(sets)
        self.signs_on = signs_on
        self.every = every
        self.records: list[dict[str, Any]] = []
        self._flat = {label: flat_error(table.poses) for label, table in self.sets.items()}

    def begin(self, trainer: Trainer) -> None:
        """Get to know the run; ``poseplug.registry.runs.execute.execute`` calls it before the first step."""
        self._trained = models_of(trainer.assembly)
        generator = torch.Generator(trainer.device).manual_seed(_LABELLED_SEED)
        self._labelled = trainer.assembly.source.sample(_LABELLED, generator)

    def configure(self, facts: RunFacts) -> None:
        assert facts.directory is not None, "the study's runs keep what they do"
        self._path = facts.directory / CURVES
        if facts.start and self._path.exists():
            self.records = [r for r in json.loads(self._path.read_text())["records"] if r["step"] <= facts.start]

    def on_step(self, step: int, losses: Mapping[str, torch.Tensor]) -> None:
        if step % self.every == 0:
            self.records.append({"step": step, "seeds": [self._look(model) for model in self._models()]})
            write_text(self._path, json.dumps({"flat": self._flat, "records": self.records}))

    def _models(self) -> Iterator[LiftingModel]:
        """Give every seed's lifter as a model with a reading of depth of its own."""
        for model in self._trained:
            was_training = model.lifter.training
            head = DepthHead(model.skeleton, model.lifter.group_joints(), _LABELLED)
            yield LiftingModel(model.lifter, model.skeleton, head=head).to(model.device)
            model.lifter.train(was_training)

    def _look(self, model: LiftingModel) -> dict[str, Any]:
        found = model.eval().calibrate(self._labelled)
        evaluations = {label: evaluate(model, table, PROTOCOL) for label, table in self.sets.items()}
        return {
            "sign": float(found["sign"]),
            "correlations": correlations(model, self.sets[self.signs_on].poses),
            "sets": {
                label: {
                    "metrics": dict(evaluation.metrics),
                    "actions": {name: row[ERROR] for name, row in evaluation.per_action.items()},
                }
                for label, evaluation in evaluations.items()
            },
        }


def flat_error(poses: PoseBatch) -> float:
    """Return the paper's error of the image plane itself, all depths zero: what a lifter that learned nothing has."""
    planar = max_normalised(poses.joints_2d, poses.skeleton.root, poses.extent)
    scores = Scores(PROTOCOL)
    scores.add(torch.cat([planar, torch.zeros_like(planar[..., :1])], dim=-1), poses)
    return scores.mean()[ERROR]


def halves_and_limbs(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Return the joints of legs and upper body, and of every named part."""
    parts = {name: tuple(skeleton.index(j) for j in joints) for name, joints in skeleton.parts.items()}
    legs = tuple(joint for name, joints in parts.items() if name.endswith("leg") for joint in joints)
    upper = tuple(joint for joint in range(skeleton.num_joints) if joint not in (*legs, skeleton.root))
    return {"legs": legs, "upper": upper, **parts}


@torch.no_grad()
def correlations(model: LiftingModel, poses: PoseBatch) -> dict[str, float]:
    """Return for halves and limbs how predicted depths, with the best global sign, go with the true ones, -1 to 1."""
    head = DepthHead(model.skeleton, halves_and_limbs(model.skeleton)).to(model.device)
    found = head.calibrate(poses, model(poses))
    start = "correlation_"
    return {name.removeprefix(start): float(value) for name, value in found.items() if name.startswith(start)}
