"""What an exported file says about itself."""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs
import torch

from poseplug.core import __version__
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.export.agreement import NUMBERS, TOLERANCE
from poseplug.registry.export.program import Program
from poseplug.registry.runs.plan import Plan


def name_of(directory: RunDirectory) -> str:
    """Return the name of a run; that of one of several seeds begins with theirs."""
    run = directory.path.absolute()
    one_of_several = run.name.startswith("seed-") and RunDirectory(run.parent).experiment.exists()
    return f"{run.parent.name}-{run.name}" if one_of_several else run.name


def about(
    directory: RunDirectory, plan: Plan, program: Program, catalogue: Catalogue, checked_on: Sequence[str]
) -> str:
    """Return JSON: tensors with shapes, units and axes; the skeleton; the run; how it was checked; versions.

    No paths: a file may go to strangers.
    """
    skeleton = program.model.skeleton
    facts = {
        "made_by": "poseplug export",
        **program.described(),
        "skeleton": {
            **{name: value for name, value in attrs.asdict(skeleton).items() if name in ("name", "joints", "parents")},
            "root": skeleton.joints[skeleton.root],
            "pairs": skeleton.pairs,
        },
        "normalisation": str(program.model.normaliser.kind),
        "flip": program.flip,
        "run": {
            "name": name_of(directory),
            "components": plan.components(),
            "lifter": plan.parts.the("lifter").table(),
            "steps": plan.settings.steps,
            "seed": plan.settings.seed,
            "projection": plan.settings.projection,
        },
        "checked": {"on": checked_on, "people_at_a_time": NUMBERS, "tolerance_m": TOLERANCE},
        "versions": {"poseplug": __version__, "torch": str(torch.__version__), **catalogue.versions()},
    }
    return json.dumps(facts, indent=2)
