"""Which runs can be trained for several seeds together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Lifter
from poseplug.core.models.modes import trainable
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Phase
from poseplug.registry.config.resolve import Parts


class SeedsApart(PoseplugError):
    """The seeds of a run cannot be trained together."""


def check_together(assembly: Assembly, parts: Parts, phases: Sequence[Phase]) -> None:
    """Refuse a run whose seeds cannot be trained together.

    Args:
        assembly: the run of one seed.
        parts: those that it was built from.
        phases: of the run.

    Raises:
        SeedsApart: naming the part that stands in the way.
    """
    obstacle = next(_obstacles(assembly, parts, phases), None)
    if obstacle:
        raise SeedsApart(
            f"--seeds trains lifters and discriminators of all seeds together, and {obstacle}; run the seeds one after "
            "the other with --seed, or leave that part out."
        )


def _obstacles(assembly: Assembly, parts: Parts, phases: Sequence[Phase]) -> Iterator[str]:
    for i, augmentor in enumerate(assembly.augmentors):
        if trainable(augmentor):
            yield f"augmentor '{parts.several('augmentor')[str(i)].name}' is trained too"
    if root := parts.one("root"):
        yield f"this run also trains root estimator '{root.name}'"
    if reweighter := parts.one("reweighter"):
        yield f"reweighter '{reweighter.name}' weighs the poses of one seed only"
    if type(assembly.model.lifter).begin_phase is not Lifter.begin_phase:  # only one of the seeds would be told
        yield f"lifter '{parts.the('lifter').name}' changes with the phases of the run"
    yield from (f"phase '{phase.name}' keeps poses" for phase in phases if phase.keep)
