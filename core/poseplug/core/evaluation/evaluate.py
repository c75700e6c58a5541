"""Evaluation of a lifting model on a source, under a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
import torch

from poseplug.core.data.found import Found, Matching, match
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.detection_scores import HEADINGS, DetectionScores
from poseplug.core.evaluation.joint_errors import MILLIMETRES
from poseplug.core.evaluation.metric import Metric
from poseplug.core.evaluation.proposals import Proposals
from poseplug.core.evaluation.protocol import Protocol
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.models.modes import evaluating

# How many poses, or scenes, an endless source is judged by.
ENDLESS_POSES = 20_480
# How many are lifted at a time; and how many where maps of whole scenes are made.
_BATCH, _SCENES = 4096, 32


@attrs.frozen
class Evaluation:
    """What came out of an evaluation.

    Attributes:
        metrics: means over all poses, or as the protocol says; millimetres and per cent. NaN for what is of nobody.
        per_action: the same for each action; empty where the source names none.
        poses: how many true poses there are.
        per_joint: of the metrics of joints, the same for each joint.
        headings: how tables call the metrics; "" leaves one out of them.
    """

    metrics: Mapping[str, float]
    per_action: Mapping[str, Mapping[str, float]]
    poses: int
    per_joint: Mapping[str, Mapping[str, float]] = attrs.field(factory=dict)
    headings: Mapping[str, str] = attrs.field(factory=dict)


def evaluate(
    model: LiftingModel,
    source: PoseSource,
    protocol: Protocol,
    metrics: Mapping[str, Metric] = {},
    *,
    batch_size: int | None = None,
    endless: int = ENDLESS_POSES,
) -> Evaluation:
    """Lift every pose of a source and score it by the standard metrics and further ones, named as messages call them.

    A model that searches for people is judged by those whom it finds, and by how well it finds them. What it is shown
    of the truth is what its inputs are made of; who was found the protocol says.

    Args:
        model: what is judged.
        source: the truth.
        protocol: how they are compared.
        metrics: further ones, by the names that messages call them.
        batch_size: how many poses, or scenes, are lifted at a time; None for as many as there is memory for on most
            machines.
        endless: by how many poses, or scenes, an endless source is judged, the same ones in every call.

    Raises:
        PoseplugError: see ``check_measurable``.
    """
    scores = Scores(protocol, source.label_names.get("action", ()), metrics)
    detected = DetectionScores()
    poses, batch_size = 0, batch_size or default_batch(model)
    with torch.inference_mode(), evaluating(model):
        for batch in _batches(source, model.device, batch_size, endless):
            if model.finds:
                proposals = Proposals(protocol, batch)
                found = model.find(batch, proposals)
                matching = _matched(found, batch, protocol)
                scores.add_found(found, matching, batch)
                detected.add(found, matching, batch, proposals.unsure)
            else:
                with model.inputs.shared():
                    joints, roots = model.place(batch, flip=protocol.flip)
                    scores.add(joints, batch, roots)
            poses += len(batch)
        per_action = scores.by_action() if scores.actions else {}
        means, headings = scores.mean(), scores.headings
        if model.finds:
            means, headings = {**means, **detected.figures()}, {**headings, **HEADINGS}
        return Evaluation(means, per_action, poses, scores.by_joint(), headings)


def find_and_match(model: LiftingModel, batch: PoseBatch, protocol: Protocol) -> tuple[Found, Matching]:
    """Return whom a model finds in the scenes of a batch, lifted, and who they are under a protocol."""
    found = model.find(batch, Proposals(protocol, batch))
    return found, _matched(found, batch, protocol)


def _matched(found: Found, batch: PoseBatch, protocol: Protocol) -> Matching:
    return match(
        found,
        batch,
        protocol.match_radius_mm / MILLIMETRES,
        score=protocol.least_score,
        by=protocol.match_by,
        rule=protocol.match_rule,
    )


def default_batch(model: LiftingModel) -> int:
    """Return how many poses, or scenes, of an evaluation a model lifts at a time where nobody says otherwise."""
    return _SCENES if model.sees_scenes else _BATCH


def check_measurable(
    source: PoseSource,
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    device: torch.device,
    *,
    roots: bool,
    finds: bool = False,
) -> None:
    """Compare two poses of a source with themselves, to refuse before the training what would fail after it.

    The device is the source's; ``roots`` says whether roots will be predicted, ``finds`` whether people are searched
    for.

    Raises:
        PoseplugError: the source has no 3D joints to compare with, or no actions where the protocol averages over
            them; a metric needs roots or found people and there are none; two metrics give figures of the same name.
    """
    needing = [name for name, metric in metrics.items() if metric.needs_root and not roots]
    if needing:
        raise PoseplugError(
            f"Metric '{needing[0]}' measures absolute positions; give the run a root estimator with --root, or leave "
            "the metric out."
        )
    needing = [name for name, metric in metrics.items() if metric.needs_found and not finds]
    if needing:
        raise PoseplugError(
            f"Metric '{needing[0]}' measures how people are found, and this run searches for nobody; choose a root "
            "estimator that does with --root, or leave the metric out."
        )
    batch = source.sample(2, torch.Generator(device))
    scores = Scores(protocol, source.label_names.get("action", ()), metrics)
    with torch.inference_mode():
        if not finds:
            scores.add(batch.absolute, batch, batch.root if roots else None)
            return
        rows, sure = batch.scene_rows, torch.ones(len(batch), device=batch.device)
        themselves = Found(rows, batch.root, sure, joints_3d=batch.absolute, most=batch.places.most)
        scores.add_found(themselves, _matched(themselves, batch, protocol), batch)
    taken = [name for name in HEADINGS if name in scores.headings]
    if taken:
        raise PoseplugError(
            f"Figure '{taken[0]}' is what every run that searches for people is measured by; leave the metric out that "
            "gives another of this name."
        )


def _batches(source: PoseSource, device: torch.device, size: int, endless: int) -> Iterable[PoseBatch]:
    if isinstance(source, FiniteSource):
        return source.batches(size)
    generator = torch.Generator(device).manual_seed(0)
    return (source.sample(min(size, endless - start), generator) for start in range(0, endless, size))
