"""Assembly: the parts of one run, checked to fit together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property

import attrs
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Augmentor, Discriminator, Objective, PoseSource, Reweighter, RootEstimator, Trained
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.models.modes import trainable
from poseplug.core.training.lifter_step import Learned, LifterStep
from poseplug.core.training.stacked_modules import Stack
from poseplug.core.training.trained_inputs import TrainedInputs


@attrs.frozen
class Assembly:
    """The parts of a run, built and ready.

    Attributes:
        model: lifter, inputs, output head and root estimator.
        reference: real poses, where a part of the run uses them.
        augmentors: applied in order.
        reference_weight: factor on what the lifter learns from reference poses; 0 where it learns nothing from them.
        stack: what computes the steps of several seeds side by side; see poseplug.core.training.multi_seed.
    """

    source: PoseSource
    objective: Objective
    model: LiftingModel
    reference: PoseSource | None = None
    augmentors: tuple[Augmentor, ...] = ()
    reweighter: Reweighter | None = None
    discriminators: Mapping[str, Discriminator] = attrs.field(factory=dict)
    reference_weight: float = attrs.field()
    stack: Stack | None = None

    @reference_weight.default
    def _of_reweighted_poses(self) -> float:
        return 0.0 if self.reweighter is None else 1.0

    def __attrs_post_init__(self) -> None:
        if self.discriminators and not (self.objective.needs_discriminator or any(map(trainable, self.augmentors))):
            raise PoseplugError(
                f"Discriminator {', '.join(self.discriminators)}: nothing in this run learns from it. Add an augmentor "
                "that is trained, or an objective that uses discriminators, or leave it out."
            )

    @cached_property
    def lifter_step(self) -> Callable[..., Learned]:
        """What the lifter learns in a step, of all seeds; see ``LifterStep.forward``."""
        return self.stack or LifterStep(self.objective, self.model, self.discriminators)

    @property
    def seeds(self) -> int:
        """How many seeds are trained side by side."""
        return 1 if self.stack is None else len(self.stack.members)

    @property
    def uses_reference(self) -> bool:
        """Whether each step draws reference poses."""
        return self.reference_weight > 0 or self.reweighter is not None

    def modules(self) -> nn.ModuleDict:
        """Return every part with parameters or buffers, as one module for checkpoints."""
        parts: dict[str, nn.Module] = {"model": self.model, "objective": self.objective}
        if self.reweighter is not None:
            parts["reweighter"] = self.reweighter
        return nn.ModuleDict(parts | self._numbered())

    def trained(self) -> dict[str, Trained]:
        """Return what has parameters to train, by role: "lifter", "root", "input", "augmentor<i>", "discriminator<i>".

        All inputs that are trained are one role.
        """
        parts: dict[str, Trained | None] = {"lifter": self.model.lifter, "root": self.model.root}
        parts |= {"input": TrainedInputs(self.model.inputs), **self._numbered()}
        return {role: part for role, part in parts.items() if part is not None and trainable(part)}

    def _numbered(self) -> dict[str, Trained]:
        parts: dict[str, Trained] = {f"augmentor{i}": augmentor for i, augmentor in enumerate(self.augmentors)}
        # A module's name must not hold the colon of "dist:name".
        return parts | {f"discriminator{i}": d for i, d in enumerate(self.discriminators.values())}

    def diagnostics(self) -> dict[str, dict[str, float]]:
        """Return what each part reports about the run, by part; parts with nothing to say are left out."""
        parts: dict[str, object] = {"source": self.source, "lifter": self.model.lifter, "objective": self.objective}
        parts |= {f"input:{name}": provider for name, provider in self.model.inputs.providers.items()}
        parts |= {"head": self.model.head, "reweighter": self.reweighter, "root": self.model.root}
        parts |= {f"augmentor{i}": augmentor for i, augmentor in enumerate(self.augmentors)} | dict(self.discriminators)
        reports = {name: dict(part.diagnostics()) for name, part in parts.items() if hasattr(part, "diagnostics")}
        return {name: report for name, report in reports.items() if report}


def check_combination(
    *,
    sources: Mapping[str, type[PoseSource]],
    objective: tuple[str, type[Objective]],
    discriminators: Iterable[str],
    judges_3d: Iterable[str] = (),
    root: tuple[str, type[RootEstimator]] | None,
    reweighter: str | None,
    has_reference: bool,
    made_from_reference: Iterable[str] = (),
    idle: Collection[str] = (),
) -> None:
    """Refuse what cannot work, from the classes alone, before anything is built.

    Args:
        sources: by name, as are all others.
        objective, root, reweighter: those of the run.
        discriminators: all of them.
        judges_3d: those of them that need 3D joints.
        has_reference: whether there are reference poses.
        made_from_reference: sources that are made from such.
        idle: roles that no phase of the run trains; these learn from nothing.

    Raises:
        PoseplugError: naming both parts and the way out.
    """
    objective_name, objective_class = objective
    if objective_class.needs_discriminator and not tuple(discriminators):
        raise PoseplugError(f"Objective '{objective_name}' learns from a discriminator; add one with --discriminate.")
    if objective_class.needs_discriminator and not objective_class.shows_3d and (judges := tuple(judges_3d)):
        raise PoseplugError(
            f"Discriminator '{judges[0]}' judges 3D joints, and objective '{objective_name}' shows it key points only; "
            "choose a discriminator of key points, or another objective."
        )
    check_3d(
        has_3d={name: source.has_3d for name, source in sources.items()},
        objective=(objective_name, objective_class.needs_3d and "lifter" not in idle),
        root=root[0] if root and "root" not in idle else None,
    )
    needing = [f"Source '{name}'" for name in made_from_reference]
    needing += [f"Reweighter '{reweighter}'"] if reweighter else []
    if needing and not has_reference:
        raise PoseplugError(f"{needing[0]} is made from reference poses; add --reference.")


def check_3d(*, has_3d: Mapping[str, bool], objective: tuple[str, bool], root: str | None) -> None:
    """Refuse sources without 3D joints where somebody learns from them; of some only their data tells.

    Raises:
        PoseplugError: naming both parts and the way out.
    """
    without_3d = [name for name, has in has_3d.items() if not has]
    readers = [f"Objective '{objective[0]}'"] if objective[1] else []
    readers += [f"Root estimator '{root}'"] if root else []
    if without_3d and readers:
        raise PoseplugError(
            f"{readers[0]} learns from 3D joints, and source '{without_3d[0]}' gives 2D only; choose another source, "
            "or an objective that needs no 3D."
        )
