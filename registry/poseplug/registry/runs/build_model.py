"""The lifting model that a plan describes."""

from __future__ import annotations

from poseplug.core.interfaces import BuildContext, Lifter, Objective
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.config.resolve import construct
from poseplug.registry.runs.plan import Plan


def build_model(plan: Plan, context: BuildContext) -> tuple[LiftingModel, Objective]:
    """Construct the lifting model of a plan, and the objective, which may declare its output head."""
    lifter: Lifter = construct(plan.parts.the("lifter"), context)
    root = construct(plan.parts.one("root"), context)
    objective: Objective = construct(plan.parts.the("objective"), context)
    inputs = {part.plain_name: construct(part, context) for part in plan.parts.several("input").values()}
    head = objective.output_head(lifter, context.layout)
    return LiftingModel(lifter, context.layout, root, head, inputs), objective
