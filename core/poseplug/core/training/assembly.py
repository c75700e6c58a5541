"""Assembly: the parts of one run, checked to fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import (
    Augmentor,
    Discriminator,
    Lifter,
    Objective,
    PoseSource,
    Reweighter,
    RootEstimator,
)
from poseplug.core.models.inputs import check_inputs
from poseplug.core.models.lifting_model import LiftingModel


@attrs.frozen
class Assembly:
    """The parts of a run, built and ready.

    Attributes:
        source: where the poses to train on come from.
        objective: what the lifter minimises.
        model: lifter, input normalisation and root estimator.
        reference: real poses, where a part of the run uses them.
        augmentors: applied in order.
        reweighter: weighs each step's poses.
        discriminators: by name.
        replicas: how many seeds are trained side by side; see poseplug.core.training.multi_seed.
    """

    source: PoseSource
    objective: Objective
    model: LiftingModel
    reference: PoseSource | None = None
    augmentors: tuple[Augmentor, ...] = ()
    reweighter: Reweighter | None = None
    discriminators: Mapping[str, Discriminator] = attrs.field(factory=dict)
    replicas: int = 1

    def __attrs_post_init__(self) -> None:
        uses_realism = self.objective.needs_discriminator or any(map(trainable, self.augmentors))
        if self.discriminators and not uses_realism:
            names = ", ".join(self.discriminators)
            raise PoseplugError(
                f"Discriminator {names}: nothing in this run learns from it. Add an augmentor that is trained, or an "
                "objective that uses discriminators, or leave it out."
            )

    def modules(self) -> nn.ModuleDict:
        """Return every part with parameters or buffers, as one module for checkpoints."""
        parts: dict[str, nn.Module] = {"model": self.model, "objective": self.objective}
        if self.reweighter is not None:
            parts["reweighter"] = self.reweighter
        parts |= {f"augmentor{i}": augmentor for i, augmentor in enumerate(self.augmentors)}
        # A module's name must not hold the colon of "dist:name".
        parts |= {f"discriminator{i}": d for i, d in enumerate(self.discriminators.values())}
        return nn.ModuleDict(parts)

    @property
    def uses_reference(self) -> bool:
        """Whether each step draws reference poses."""
        return self.objective.uses_reference(self.reweighter is not None) or self.reweighter is not None

    def diagnostics(self) -> dict[str, dict[str, float]]:
        """Return what each part reports about the run, by part; parts with nothing to say are left out."""
        parts: dict[str, object] = {"source": self.source, "lifter": self.model.lifter, "objective": self.objective}
        parts |= {"depth": self.model.reading if self.model.depth_only else None}
        parts |= {"reweighter": self.reweighter, "root": self.model.root}
        parts |= {f"augmentor{i}": augmentor for i, augmentor in enumerate(self.augmentors)} | dict(self.discriminators)
        reports = {name: dict(part.diagnostics()) for name, part in parts.items() if hasattr(part, "diagnostics")}
        return {name: report for name, report in reports.items() if report}


def trainable(module: nn.Module) -> bool:
    """Say whether a module has parameters to train."""
    return any(parameter.requires_grad for parameter in module.parameters())


def check_combination(
    *,
    sources: Mapping[str, type[PoseSource]],
    lifter: tuple[str, type[Lifter]],
    objective: tuple[str, type[Objective]],
    discriminators: Iterable[str],
    root: tuple[str, type[RootEstimator]] | None,
    reweighter: str | None,
    has_reference: bool,
) -> None:
    """Refuse what cannot work, from the classes alone, before anything is built.

    Raises:
        PoseplugError: naming both parts and the way out.
    """
    lifter_name, lifter_class = lifter
    objective_name, objective_class = objective
    if objective_class.needs_discriminator and not tuple(discriminators):
        raise PoseplugError(f"Objective '{objective_name}' learns from a discriminator; add one with --discriminate.")
    without_3d = [name for name, source in sources.items() if not source.has_3d]
    if without_3d:
        readers = {f"objective '{objective_name}'": objective_class.needs_3d}
        if root:
            readers[f"root estimator '{root[0]}'"] = True
        for reader, needs_3d in readers.items():
            if needs_3d:
                raise PoseplugError(
                    f"{reader[0].upper()}{reader[1:]} learns from 3D joints, and source '{without_3d[0]}' gives 2D "
                    "only; choose another source, or an objective that needs no 3D."
                )
    needing = [f"source '{name}'" for name, source in sources.items() if source.needs_reference]
    needing += [f"reweighter '{reweighter}'"] if reweighter else []
    if needing and not has_reference:
        raise PoseplugError(f"{needing[0][0].upper()}{needing[0][1:]} is made from reference poses; add --reference.")
    check_inputs(lifter_name, lifter_class.reads)
    if root:
        check_inputs(root[0], root[1].reads)
    if "roots" in lifter_class.reads and not root:
        raise PoseplugError(f"Lifter '{lifter_name}' reads predicted roots; add a root estimator with --root.")
