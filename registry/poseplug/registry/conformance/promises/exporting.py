"""The promise that a finished run with the component can be a program for elsewhere."""

from __future__ import annotations

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import ROOTS, NoConfig
from poseplug.core.models.inputs import standard_inputs
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.conformance.poses import plausible_poses
from poseplug.registry.conformance.stand_ins import (
    FixedDepthRoot,
    LinearLifter,
    context_of,
    sees_scenes,
    stand_in_inputs,
)
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.verdict import Broken, NotChecked, promise


@promise(
    "export",
    "exported as a program it does what it does here, for any number of people",
    kinds=["lifter", "root"],
    needs=("sizes",),
)
def export(subject: Subject) -> None:
    """Make a graph of it with torch.export, and compare what the two find of one, two and seven people.

    A component whose method cannot be exported refuses, with a PoseplugError where ``torch.compiler.is_compiling()``.
    """
    from poseplug.registry.export.agreement import NUMBERS, largest_difference
    from poseplug.registry.export.program import as_seen, random_people
    from poseplug.registry.export.trace import CannotExport, traced

    poses = plausible_poses(64, subject.context().layout, subject.device)
    if sees_scenes(subject.ready(), context_of(poses)):
        raise NotChecked("it is about scenes, and a program is handed people one by one")
    model = _model(subject, poses).eval()
    people = [as_seen(poses), random_people(max(NUMBERS), poses.skeleton, subject.device)]
    try:
        program, graph = traced(model)
        module = graph.module()
        largest_difference(program, lambda arguments: module(*arguments.values()), people)
    except PoseplugError as refusal:
        raise NotChecked(f"refuses to be exported: {refusal}") from refusal
    except CannotExport as reason:
        raise Broken(f"cannot be exported: {reason}") from reason


def _model(subject: Subject, poses: PoseBatch) -> LiftingModel:
    """Return a model with the component; where it is a lifter that reads roots, with a root estimator for it."""
    part, context = subject.ready(), context_of(poses)
    inputs = standard_inputs() | stand_in_inputs(part, context).providers
    if subject.kind == "root":
        model = LiftingModel(LinearLifter(NoConfig(), context), poses.skeleton, part, inputs=inputs)
    else:
        model = LiftingModel(part, poses.skeleton, FixedDepthRoot() if ROOTS in inputs else None, inputs=inputs)
    model.normaliser.fit(poses)
    return model.to(poses.device)
