"""Example predictions: the best and the worst cases of a trained model, beside the truth and beside a baseline's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError, in_words
from poseplug.core.evaluation.evaluate import default_batch, find_and_match
from poseplug.core.evaluation.metric import Comparison
from poseplug.core.evaluation.protocol import Protocol
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.statistics import Array
from poseplug.registry.runs.build import build_evaluations
from poseplug.registry.runs.context import run_context
from poseplug.registry.runs.plan import Plan
from poseplug.registry.runs.saved_model import open_run

# Of an evaluation so many poses are lifted; batches are small enough for any lifter.
_POSES, _BATCH = 20_480, 2048
# Cases that are as like as neighbouring frames would show the same thing several times.
_ALIKE_MM = 60.0
_SEEN_EVALUATIONS = 3


@attrs.frozen(eq=False)
class Case:
    """A pose, true and as models see it; root-relative, camera frame, metres.

    Attributes:
        evaluation: where it is from.
        rank: "best" or "worst" for the model that is looked at.
        what: its action, where it has one.
        truth: [J, 3].
        poses: [J, 3] by each model, in the order of ``Examples.models``.
        errors: mean error of joints in mm, by each model.
    """

    evaluation: str
    rank: str
    what: str
    truth: Array
    poses: Sequence[Array]
    errors: Sequence[float]


@attrs.frozen(eq=False)
class Examples:
    """Cases, and what they are of.

    Attributes:
        models: names of the models: the best row's, then the baseline's where it is another.
        seed: of the models.
        bones: (parent, child) joints.
        sides: for each bone "left", "right" or "".
        cases: the cases, by evaluation, the worst first.
        looked_at: how many poses of each evaluation were looked at.
    """

    models: Sequence[str]
    seed: int
    bones: Sequence[tuple[int, int]]
    sides: Sequence[str]
    cases: Sequence[Case]
    looked_at: dict[str, int]


def find_examples(question: Question, catalogue: Catalogue, device: torch.device, each: int) -> Examples:
    """Lift the evaluations' poses with the best row's model and the baseline's, and choose cases.

    Args:
        question: says which rows are the best and the baseline.
        catalogue: where components come from.
        device: where to compute.
        each: how many best and how many worst cases of an evaluation.

    Raises:
        PoseplugError: no model, or no data, is there any more; the message is a sentence for the page.
    """
    rows = question.rows
    best = question.ranked[0]
    shown = [best, *[question.baseline] * (question.baseline != best)]
    seed = _common_seed(question, shown)
    if seed is None:
        shown, seed = shown[:1], _common_seed(question, shown[:1])
    if seed is None:
        raise PoseplugError("The folder with the best row's trained model is not there any more.")
    folders = [Path(str(rows.folder[row, seed])) for row in shown]
    try:
        opened = [open_run(RunDirectory(folder), catalogue, device) for folder in folders]
        plan, model = opened[0]
        models = [lifter for _, lifter in opened if lifter.skeleton == model.skeleton]
        context = run_context(catalogue, device, plan.settings.seed, skeleton=model.skeleton)
        sources = build_evaluations(plan, context)
        named = list(sources.items())[:_SEEN_EVALUATIONS]
        found = [_of_evaluation(label, source, plan, models, each) for label, source in named]
    except PoseplugError:
        raise
    except Exception as error:  # a component of a stranger's may fail in any way, and a report should not
        raise PoseplugError(in_words(error)) from error
    skeleton = model.skeleton
    return Examples(
        models=[rows.name(row) for row in shown[: len(models)]],
        seed=rows.seeds[seed],
        bones=skeleton.bones,
        sides=skeleton.bone_sides,
        cases=[case for cases, _ in found for case in cases],
        looked_at={label: count for (label, _), (_, count) in zip(named, found, strict=True)},
    )


def _common_seed(question: Question, shown: Sequence[int]) -> int | None:
    """Return the place of the first seed of which all these rows have a trained model."""
    folders = question.rows.folder
    for seed in range(len(question.rows.seeds)):
        if all(folders[row, seed] and RunDirectory(Path(str(folders[row, seed]))).model.exists() for row in shown):
            return seed
    return None


def _of_evaluation(
    label: str, source: PoseSource, plan: Plan, models: Sequence[LiftingModel], each: int
) -> tuple[list[Case], int]:
    truth, actions = [], []
    poses: list[list[torch.Tensor]] = [[] for _ in models]
    errors: list[list[torch.Tensor]] = [[] for _ in models]
    with torch.inference_mode():
        for batch in _batches(
            source, models[0].device, min(_BATCH, plan.settings.eval_batch_size or min(map(default_batch, models)))
        ):
            truth.append(batch.root_relative.cpu())
            if "action" in batch.labels:
                actions.append(batch.labels["action"].cpu())
            for i, model in enumerate(models):
                comparison = _compared(model, batch, plan.protocol)
                poses[i].append(comparison.predicted.cpu())
                errors[i].append(comparison.errors.mean(-1).cpu())
    true = torch.cat(truth).double().numpy()
    lifted = [torch.cat(found).double().numpy() for found in poses]
    wrong = [torch.cat(found).double().numpy() for found in errors]
    names: Any = source.label_names.get("action", ())
    action = torch.cat(actions).tolist() if actions and names else []
    # Who was not found by all of them has no pose to show.
    known = np.isfinite(np.stack(wrong)).all(0)
    order = np.array([i for i in np.argsort(-wrong[0], kind="stable") if known[i]], dtype=int)
    cases = [
        Case(
            label,
            rank,
            str(names[action[i]]) if action else "",
            true[i],
            [found[i] for found in lifted],
            [float(found[i]) for found in wrong],
        )
        for rank, ranked in (("worst", order), ("best", order[::-1]))
        for i in _unlike(true, action, [int(i) for i in ranked], each)
    ]
    return cases, len(true)


def _compared(model: LiftingModel, batch: PoseBatch, protocol: Protocol) -> Comparison:
    if model.finds:
        return Comparison.of_found(*find_and_match(model, batch, protocol), batch, protocol)
    predicted = model.predict(batch, flip=protocol.flip)
    return Comparison(predicted - predicted[:, batch.skeleton.root, None], batch, protocol)


def _unlike(truth: Array, action: Sequence[int], ranked: Sequence[int], each: int) -> list[int]:
    """Return the first poses of a ranking that are not like one another, where there are actions one of each."""
    chosen: list[int] = []
    for i in ranked:
        if len(chosen) == each:
            break
        if any(action[i] == action[j] for j in chosen if action):
            continue
        if all(np.linalg.norm(truth[i] - truth[j], axis=-1).mean() * 1000 > _ALIKE_MM for j in chosen):
            chosen.append(i)
    return chosen


def _batches(source: PoseSource, device: torch.device, size: int) -> Iterator[PoseBatch]:
    if not isinstance(source, FiniteSource):
        generator = torch.Generator(device).manual_seed(0)
        for _ in range(_POSES // size):
            yield source.sample(size, generator)
        return
    seen = 0
    for batch in source.batches(size):
        yield batch
        seen += len(batch)
        if seen >= _POSES:
            return
