"""Evaluation of a lifting model on a source, under a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.metric import Metric
from poseplug.core.evaluation.protocol import Protocol
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.models.modes import evaluating

BATCH = 4096
# An endless source is judged by this many poses, always the same ones.
ENDLESS_POSES = 20_480


@attrs.frozen
class Evaluation:
    """What came out of an evaluation.

    Attributes:
        metrics: means over all poses, or as the protocol says; millimetres and per cent.
        per_action: the same for each action; empty where the source names none.
        poses: how many poses were lifted.
        per_joint: of the metrics of joints, the same for each joint.
        headings: how tables call the metrics; "" leaves one out of them.
    """

    metrics: Mapping[str, float]
    per_action: Mapping[str, Mapping[str, float]]
    poses: int
    per_joint: Mapping[str, Mapping[str, float]] = attrs.field(factory=dict)
    headings: Mapping[str, str] = attrs.field(factory=dict)


def evaluate(
    model: LiftingModel, source: PoseSource, protocol: Protocol, metrics: Mapping[str, Metric] = {}
) -> Evaluation:
    """Lift every pose of a source and score it by the standard metrics and further ones, named as messages call them.

    An endless source is judged by 20,480 poses, the same ones in every call.

    Raises:
        PoseplugError: see ``check_measurable``.
    """
    scores = Scores(protocol, source.label_names.get("action", ()), metrics)
    poses = 0
    with torch.inference_mode(), evaluating(model):
        for batch in _batches(source, model.device):
            with model.inputs.shared():
                joints, roots = model.place(batch, flip=protocol.flip)
                scores.add(joints, batch, roots)
            poses += len(batch)
        per_action = scores.by_action() if scores.actions else {}
        return Evaluation(scores.mean(), per_action, poses, scores.by_joint(), scores.headings)


def check_measurable(
    source: PoseSource, protocol: Protocol, metrics: Mapping[str, Metric], device: torch.device, *, roots: bool
) -> None:
    """Compare two poses of a source with themselves, to refuse before the training what would fail after it.

    The device is the source's; ``roots`` says whether roots will be predicted.

    Raises:
        PoseplugError: the source has no 3D joints to compare with, or no actions where the protocol averages over
            them; a metric needs roots and there are none; two metrics give figures of the same name.
    """
    needing = [name for name, metric in metrics.items() if metric.needs_root and not roots]
    if needing:
        raise PoseplugError(
            f"Metric '{needing[0]}' measures absolute positions; give the run a root estimator with --root, or leave "
            "the metric out."
        )
    batch = source.sample(2, torch.Generator(device))
    scores = Scores(protocol, source.label_names.get("action", ()), metrics)
    with torch.inference_mode():
        scores.add(batch.absolute, batch, batch.root if roots else None)


def _batches(source: PoseSource, device: torch.device) -> Iterable[PoseBatch]:
    if isinstance(source, FiniteSource):
        return source.batches(BATCH)
    generator = torch.Generator(device).manual_seed(0)
    return (source.sample(BATCH, generator) for _ in range(ENDLESS_POSES // BATCH))
