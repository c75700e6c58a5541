"""A grid: factors whose levels change a common experiment, and the cells that their combinations make."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.registry.config.experiment_file import Document, lay_over
from poseplug.registry.config.set_flag import set_at
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.plan import Plan, make_plan

SEED = "seed"
# What results are labelled by besides the factors of a grid.
_TAKEN = {SEED, "evaluation", "metric", "action", "joint", "value", "state", "reason", "seconds", "folder", "poses"}
Label = str | int | float | bool


@attrs.frozen
class Level:
    """One of the alternatives of a factor.

    Attributes:
        label: what results call it.
        document: laid over the common experiment; a part that is None is taken out.
        settings: values by path ("lifter.channels"), set after every level's document is laid over.
        after: the level of the same factor from whose finished weights this one starts; "" for none.
        only: for other factors (or "seed") the labels that it is combined with; all of those that are not named.
    """

    label: Label
    document: Document = attrs.field(factory=dict)
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    after: str = ""
    only: Mapping[str, tuple[Label, ...]] = attrs.field(factory=dict)


@attrs.frozen
class Factor:
    """What a grid varies: a dimension of its results.

    Raises:
        PoseplugError: it has no levels, two of one label, or one that starts from an unknown one.
    """

    name: str
    levels: tuple[Level, ...]

    def __attrs_post_init__(self) -> None:
        labels = [level.label for level in self.levels]
        if not labels:
            raise PoseplugError(f"Factor '{self.name}' of this grid has no alternatives; give it at least one.")
        if self.name in _TAKEN:
            raise PoseplugError(f"A factor of a grid cannot be called '{self.name}'; results use that name themselves.")
        for label in labels:
            if labels.count(label) > 1:
                raise PoseplugError(f"Factor '{self.name}' has the alternative '{label}' twice; label them apart.")
        for level in self.levels:
            if level.after and (level.after not in labels or level.after == level.label):
                known = [str(label) for label in labels if label != level.label]
                raise PoseplugError(
                    f"'{level.label}' of factor '{self.name}' goes on after '{level.after}', which is not there."
                    f"{did_you_mean(level.after, known)}"
                )


@attrs.frozen
class Grid:
    """Every combination of the levels of some factors, but for those that are excluded, for every seed.

    Attributes:
        base: the experiment that all cells have in common.
        factors: in the order of the dimensions of the results.
        seeds: of every combination.
        excludes: combinations to leave out: for factors (or "seed") the labels; what is not named matches.
        settings: values by path, set in every cell before those of its levels.
        together: train the seeds of a combination side by side in one process, where that can be.
    """

    base: Document
    factors: tuple[Factor, ...]
    seeds: tuple[int, ...] = (0,)
    excludes: tuple[Mapping[str, tuple[Label, ...]], ...] = ()
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    together: bool = False

    def __attrs_post_init__(self) -> None:
        names = [factor.name for factor in self.factors]
        for name in names:
            if names.count(name) > 1:
                raise PoseplugError(f"This grid varies '{name}' twice; say all its alternatives in one place.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise PoseplugError(f"The seeds of a grid are different numbers, at least one; got {list(self.seeds)}.")
        known = {factor.name: [level.label for level in factor.levels] for factor in self.factors}
        rules = [("exclude", rule) for rule in self.excludes]
        rules += [(f"only of '{lev.label}'", lev.only) for factor in self.factors for lev in factor.levels]
        for where, rule in rules:
            # Seeds that the grid does not have now match nothing: with --seeds 1 a file's rules still mean the same.
            seeds = [label for label in rule.get(SEED, ()) if type(label) is int]
            _check_rule(where, rule, {**known, SEED: seeds})

    @property
    def dimensions(self) -> dict[str, tuple[Label, ...]]:
        """The labels of every factor, and the seeds."""
        labels = {factor.name: tuple(level.label for level in factor.levels) for factor in self.factors}
        return {**labels, SEED: self.seeds}


def _check_rule(where: str, rule: Mapping[str, tuple[Label, ...]], known: Mapping[str, list[Any]]) -> None:
    for name, labels in rule.items():
        if name not in known:
            raise PoseplugError(f"'{where}' names '{name}', which this grid does not vary.{did_you_mean(name, known)}")
        for label in labels:
            if label not in known[name]:
                hint = did_you_mean(str(label), map(str, known[name]))
                raise PoseplugError(f"'{where}' names {name} '{label}', which is not in this grid.{hint}")


@attrs.frozen
class Cell:
    """A run of a grid.

    Attributes:
        labels: its place: for every factor the label, and under "seed" the seed.
        document: the experiment, every default spelt out; what it starts from is not in it, but in ``after``.
        identity: the same for equal experiments, however they were said and wherever they are kept.
        after: the identity of the cell from whose finished weights it starts; "" for none.
        obstacle: why it cannot be; "" if it can.
    """

    labels: Mapping[str, Label]
    document: Document
    identity: str
    after: str = ""
    obstacle: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return ", ".join(f"{name} {label}" for name, label in self.labels.items())


def cells_of(grid: Grid, catalogue: Catalogue) -> list[Cell]:
    """Return the cells of a grid, each behind the one that it starts from. Nothing is built.

    Raises:
        PoseplugError: every combination is excluded, or alternatives start from each other in a circle.
    """
    combinations = []
    for levels in itertools.product(*(factor.levels for factor in grid.factors)):
        places = [_place(grid, levels, seed) for seed in grid.seeds]
        wanted = [place for place in places if _wanted(grid, levels, place)]
        if wanted:
            combinations.append((levels, wanted))
    if not combinations:
        raise PoseplugError("Every combination of this grid is excluded; look at its 'exclude' and 'only'.")
    cells: dict[tuple[Label, ...], Cell] = {}
    for levels, places in sorted(combinations, key=lambda combination: _starts(grid, combination[0])):
        plan, first = _plan(grid, levels, catalogue), _first(levels)
        for place in places:
            after, obstacle = ("", "") if first is None else _start(cells.get((*first, place[SEED])))
            cells[tuple(place.values())] = _cell(grid, place, plan, after, obstacle)
    return list(cells.values())


def _place(grid: Grid, levels: Sequence[Level], seed: int) -> dict[str, Label]:
    labels = {factor.name: level.label for factor, level in zip(grid.factors, levels, strict=True)}
    return {**labels, SEED: seed}


def _wanted(grid: Grid, levels: Sequence[Level], place: Mapping[str, Label]) -> bool:
    if any(all(place[name] in labels for name, labels in rule.items()) for rule in grid.excludes):
        return False
    return all(place[name] in labels for level in levels for name, labels in level.only.items())


def _start(cell: Cell | None) -> tuple[str, str]:
    """Return the identity of the cell from whose weights another starts, and why it has none; None is excluded."""
    if cell is None:
        return "", "it starts from the weights of a cell that is excluded"
    return cell.identity, cell.obstacle and f"it starts from the weights of a cell that cannot be: {cell.obstacle}"


def _first(levels: Sequence[Level]) -> tuple[Label, ...] | None:
    """Return the labels of the combination from whose weights this one starts, or None."""
    after = [i for i, level in enumerate(levels) if level.after]
    if not after:
        return None
    # Of several, the last factor's counts; what that one starts from is its own matter.
    return tuple(level.after if i == after[-1] else level.label for i, level in enumerate(levels))


def _starts(grid: Grid, levels: Sequence[Level]) -> int:
    """Return how many combinations are trained one after the other before this one."""
    by_label = [{level.label: level for level in factor.levels} for factor in grid.factors]
    count, labels = 0, _first(levels)
    while labels is not None:
        count += 1
        if count > sum(map(len, by_label)):
            names = ", ".join(str(level.label) for level in levels)
            raise PoseplugError(f"The alternatives of this grid start from each other in a circle: {names}.")
        labels = _first([of[label] for of, label in zip(by_label, labels, strict=True)])
    return count


def _plan(grid: Grid, levels: Sequence[Level], catalogue: Catalogue) -> Plan | str:
    """Return the plan of a combination, or why it cannot be."""
    document = dict(grid.base)
    for level in levels:
        document = lay_over(document, level.document)
    try:
        for settings in (grid.settings, *(level.settings for level in levels)):
            for path, value in settings.items():
                document = set_at(document, path, value)
        return make_plan({**document, "seed": grid.seeds[0], "seeds": 1}, catalogue)
    except PoseplugError as error:
        return str(error)


def _cell(grid: Grid, place: Mapping[str, Label], plan: Plan | str, after: str, obstacle: str) -> Cell:
    if isinstance(plan, str):
        return Cell(place, {}, "", obstacle=plan)
    seed: Any = place[SEED]
    try:
        document = plan.for_seed(seed).document
    except ValueError as error:
        return Cell(place, {}, "", obstacle=str(error))
    if obstacle:
        return Cell(place, document, "", obstacle=obstacle)
    facts = json.dumps([document, after, grid.together], sort_keys=True)
    return Cell(place, document, hashlib.sha256(facts.encode()).hexdigest()[:16], after)
