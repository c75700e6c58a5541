"""Evaluation of a lifting model on a source, under a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import torch

from poseplug.core.data.batch import PoseBatch
from poseplug.core.evaluation.protocol import Protocol
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.core.models.lifting_model import LiftingModel

BATCH = 4096
# An endless source is judged by this many poses, always the same ones.
_ENDLESS_POSES = 20_480


@attrs.frozen
class Evaluation:
    """What came out of an evaluation.

    Attributes:
        metrics: means over all poses, or as the protocol says; millimetres and per cent.
        per_action: the same for each action; empty where the source names none.
        poses: how many poses were lifted.
    """

    metrics: Mapping[str, float]
    per_action: Mapping[str, Mapping[str, float]]
    poses: int


def evaluate(model: LiftingModel, source: PoseSource, protocol: Protocol) -> Evaluation:
    """Lift every pose of a source and score it.

    An endless source is judged by 20,480 poses, the same ones in every call.

    Raises:
        PoseplugError: the source has no 3D joints to compare with, or no actions where the protocol averages over them.
    """
    scores = Scores(protocol, source.label_names.get("action", ()))
    poses = 0
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in _batches(source, model.device):
            root = None if model.root is None else model.locate(batch)
            scores.add(model.predict(batch, flip=protocol.flip), batch, root)
            poses += len(batch)
        metrics, per_action = scores.mean(), scores.by_action() if scores.actions else {}
    model.train(was_training)
    return Evaluation(metrics, per_action, poses)


def _batches(source: PoseSource, device: torch.device) -> Iterator[PoseBatch]:
    if isinstance(source, FiniteSource):
        yield from source.batches(BATCH)
        return
    generator = torch.Generator(device).manual_seed(0)
    for _ in range(_ENDLESS_POSES // BATCH):
        yield source.sample(BATCH, generator)
