"""What does not go together, told from classes and settings before anything is built: scenes, images, who is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.interfaces import ROOTS, InputProvider, PoseSource
from poseplug.core.training.schedule import ROLES, Phase
from poseplug.registry.config.resolve import Part, Parts, find_inputs, finds, reads_of
from poseplug.registry.config.run_settings import RunSettings
from poseplug.registry.discovery.catalogue import Catalogue

_MADE_OF = {"image": "images", "joints_3d": "3D joints"}


@attrs.frozen
class Reader:
    """A part that reads inputs.

    Attributes:
        called: as messages call it.
        role: which it has in the training.
        inputs: what makes its inputs, and what these are made of, by the names of inputs; of an input with itself.
        provides: of an input its name.
    """

    called: str
    role: str
    inputs: Mapping[str, Sequence[Part]]
    provides: str = ""

    @property
    def of_scenes(self) -> str | None:
        """Name an input of its that is about scenes, if there is one."""
        for name, made in self.inputs.items():
            if name == "scene" or any(part.component.per_scene for part in _plain(made)):
                return name
        return None


def idle_roles(phases: Sequence[Phase]) -> frozenset[str]:
    """Return the roles that no phase of a run trains."""
    return frozenset(role for role in ROLES if phases and all(phase.groups(role) is None for phase in phases))


def readers(parts: Parts, catalogue: Catalogue) -> list[Reader]:
    """Return the parts of a run that read inputs: lifter, root estimator, inputs that are trained for themselves."""
    root, makers = parts.one("root"), parts.makers()

    def reader(kind: str, part: Part, called: str) -> Reader:
        made = find_inputs(catalogue, called, reads_of(catalogue, kind, part), makers)
        itself = {part.provides: makers[part.provides]} if kind == "input" else {}
        return Reader(called, kind, {**made, **itself}, *itself)

    found = [reader("lifter", parts.the("lifter"), f"lifter '{parts.the('lifter').name}'")]
    if root is not None:
        found.append(reader("root", root, f"root estimator '{root.name}'"))
    read = {name for one in found for name in one.inputs}
    # What nothing else reads is here to be trained; what has a loss of its own learns whether its readers do or not.
    named = parts.several("input").values()
    own = [p for p in named if p.provides not in read or p.component.loss is not InputProvider.loss]
    return [*found, *(reader("input", part, f"input '{part.name}'") for part in own)]


def check_scenes(parts: Parts, settings: RunSettings, phases: Sequence[Phase], catalogue: Catalogue) -> None:
    """Refuse what parts that see whole scenes, or search them, cannot be combined with.

    Raises:
        PoseplugError: naming both parts and the way out.
    """
    root = parts.one("root")
    for reader in readers(parts, catalogue):
        name = reader.of_scenes
        if name is None:
            continue
        whole = f"{reader.called} reads '{name}', which is made of whole scenes"
        kept = (p for p in phases if p.poses == "kept" and p.groups(reader.role) is not None)
        if phase := next(kept, None):
            raise PoseplugError(
                f"Phase '{phase.name}' trains on kept poses, each of them alone, and {whole}; train it on augmented or "
                "drawn poses."
            )
        if settings.projection == "orthographic":
            raise PoseplugError(
                f"projection=orthographic shows everybody alone, and {whole}; leave projection as it is, or choose "
                "other parts."
            )
    if root is None or not finds(root):
        return
    if lookup(settings.protocol).flip:
        raise PoseplugError(
            f"Protocol '{settings.protocol}' averages with mirrored images, which is not offered where people are "
            f"searched for, and root estimator '{root.name}' searches; choose another --protocol."
        )
    lifter = parts.the("lifter")
    if not lifter.inner:  # one that is made of others reads what these read; then it is told when it is built
        check_found(root, lifter.name, lifter.component)


def check_found(root: Part, name: str, lifter: Any) -> None:
    """Refuse a lifter, or a class of such, that reads key points which the people whom a root estimator finds lack."""
    if finds(root) and not root.component.finds_joints_2d and lifter.normalisation is not None:
        raise PoseplugError(
            f"Root estimator '{root.name}' finds people without key points, and lifter '{name}' reads key points; "
            "choose a lifter that reads none, or a root estimator that finds them."
        )


@attrs.frozen
class Place:
    """Where poses come from.

    Attributes:
        called: as messages call it.
        has: whether it has what inputs may need; see ``InputProvider.needs``.
        roles: those that see its poses.
        trains: whether they learn there.
    """

    called: str
    has: Mapping[str, bool]
    roles: frozenset[str]
    trains: bool = True


def places(
    parts: Parts,
    settings: RunSettings,
    phases: Sequence[Phase],
    sources: Sequence[Any] = (),
    evaluations: Mapping[str, Any] = {},
) -> Iterator[Place]:
    """Give the places where a run trains and evaluates, by its sources: those that are built, else their classes."""
    named = [part.name for part in parts.several("source").values()]
    training = list(sources) or [part.component for part in parts.several("source").values()]
    trained = frozenset(ROLES) - idle_roles(phases)
    yield Place(f"source {' with '.join(map(repr, named))}", _has(training), trained)
    reference, weight = parts.one("reference"), settings.reference_weight
    if reference is not None and (weight if weight is not None else parts.one("reweighter")):
        together = [*training, reference.component] if settings.passes == "joint" else [reference.component]
        yield Place(f"reference '{reference.name}'", _has(together), trained & {"lifter"})
    for label, part in parts.several("eval").items():
        seen = _has([evaluations.get(label, part.component)])
        yield Place(f"evaluation '{label}'", seen, frozenset({"lifter", "root"}), trains=False)


def _has(sources: Sequence[Any]) -> dict[str, bool]:
    """Say what all of some sources have, and so a batch that is drawn from them."""
    return {
        "joints_3d": all(source.has_3d for source in sources),
        "image": all(source.has_images for source in sources),
    }


def check_served(parts: Parts, where: Iterable[Place], catalogue: Catalogue) -> None:
    """Refuse a run in which nobody can make an input of the poses of a place.

    Raises:
        PoseplugError: naming input, reader and source, and the way out.
    """
    objective, root, found = parts.the("objective"), parts.one("root"), readers(parts, catalogue)
    for place in where:
        for reader in (one for one in found if one.role in place.roles):
            # An objective that needs no 3D joints shows the lifter none.
            hidden = reader.role == "lifter" and place.trains and not objective.component.needs_3d
            has = {**place.has, "joints_3d": place.has["joints_3d"] and not hidden}
            for name, made in reader.inputs.items():
                # Of a finder the lifter gets the roots of true people.
                needs = [frozenset({"joints_3d"})] if name == ROOTS and finds(root) else []
                needs += [part.component.needs for part in _plain(made)]
                if not needs or any(all(has[need] for need in one) for one in needs):
                    continue
                lacking = sorted({need for one in needs for need in one if not has[need]})
                _refuse(reader, name, made, lacking, f"objective '{objective.name}'" if hidden else place.called)


def _refuse(reader: Reader, name: str, made: Sequence[Part], lacking: Sequence[str], giver: str) -> NoReturn:
    needed = " or ".join(_MADE_OF[need] for need in lacking)
    by = " or ".join(f"'{part.name}'" for part in made)
    reads = f"reads '{name}', which {by} makes of {needed}"
    if reader.role == "input" and name == reader.provides:
        reads = f"makes '{name}' of {needed}"
    raise PoseplugError(
        f"{reader.called[0].upper()}{reader.called[1:]} {reads}, and {giver} gives none; choose another one, or add "
        f"what makes '{name}' of something else with --input."
    )


def _plain(made: Sequence[Part]) -> list[Part]:
    """Return those that are input providers; predicted roots and found people come from the root estimator."""
    return [part for part in made if hasattr(part.component, "provides")]


def check_worlds(sources: Sequence[tuple[str, PoseSource]], generator: torch.Generator) -> None:
    """Refuse a mixture of sources, by name, of which only some know where their cameras are in the world.

    A batch of them all does not know it then, and a run that sees whole scenes would take all cameras for level.

    Raises:
        PoseplugError: naming one of each.
    """
    if len(sources) < 2:
        return
    known = [source.sample(1, generator).camera.rotation is not None for _, source in sources]
    if any(known) and not all(known):
        knows, other = (sources[known.index(which)][0] for which in (True, False))
        raise PoseplugError(
            f"Source '{knows}' knows where its cameras are in the world, '{other}' does not, and this run sees whole "
            "scenes, all of which would count as seen by level cameras; train on one after the other (--from)."
        )
