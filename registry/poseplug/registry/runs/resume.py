"""Going on with a run: what may change of it, and what a changed length asks for."""

from __future__ import annotations

from collections.abc import Callable

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.experiment_file import Document, differences, read_document, write_document
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.plan import Plan, make_plan

_LENGTH = ("steps", "epochs")


def resumed_plan(directory: RunDirectory, asked: Callable[[Document], Document], catalogue: Catalogue) -> Plan:
    """Return the plan of a run that is to be continued: its own, but for its length, which may be another.

    Args:
        directory: the run.
        asked: what is wanted of it, laid over its experiment.
        catalogue: where components come from.

    Raises:
        PoseplugError: there is no run, it is one of several seeds, other settings are asked for, or it is finished and
            what it could be trained on from is gone.
    """
    directory.check_resumable()
    stored = read_document(directory.experiment)
    own, plan = make_plan(stored, catalogue), make_plan(asked(stored), catalogue)
    changed = differences(_without_length(own.document), _without_length(plan.document))
    if changed:
        listed = "\n  ".join(changed)
        raise PoseplugError(
            f"'{directory.path}' was started with other settings, and a resumed run keeps its own:\n  {listed}\n"
            "Leave those flags out, or start a new run with another --out."
        )
    if has_other_length(directory, plan) and directory.result.exists() and not directory.checkpoint.exists():
        start = directory.of_seed(plan.seeds[0]) if len(plan.seeds) > 1 else directory
        raise PoseplugError(
            f"'{directory.path}' is finished and its checkpoint is gone, so it cannot be trained on (a grid keeps "
            f"checkpoints with --keep-checkpoints). Start a new run from its weights with --from {start.path}."
        )
    return plan


def has_other_length(directory: RunDirectory, plan: Plan) -> bool:
    """Say whether the experiment in a run's folder has another number of steps or epochs than a plan."""
    stored, document = read_document(directory.experiment), plan.document
    return any(stored.get(key) != document.get(key) for key in _LENGTH)


def change_length(directory: RunDirectory, plan: Plan) -> None:
    """Make the run in a folder one of a plan's length: unfinished, whatever it was before."""
    directory.forget_results()
    write_document(directory.experiment, plan.document)


def _without_length(document: Document) -> Document:
    return {key: value for key, value in document.items() if key not in _LENGTH}
