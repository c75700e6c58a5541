"""How a grid is said: parts and settings with alternatives, from a TOML file or from flags.

A grid file has these tables, all of them optional:

    seeds = 3                                # or a list: [0, 1, 2]
    [values]                                 # what ${mocap} stands for below; --define mocap=DIR says it anew
    mocap = "data/mocap"                     # a text that is "${NAME}" alone becomes the value as it is: number, list
    size.small = { steps = 100 }             # sets of values, one of which counts: the first, or --define size=large
    size.large = { steps = 4000 }
    [base]                                   # what all cells have in common: an experiment; a recipe to start from
    [vary]                                   # every key is a factor, every combination a cell
    lifter = ["mlp", "semgcn:channels=64"]
    augmentor = { plain = "none", both = "rigid+jitter" }       # labels of one's own
    lr = [1e-3, 3e-4]
    [[zip]]                                  # several keys that change together are one factor
    name = "size"
    labels = ["small", "large"]
    lifter.channels = [256, 1024]
    steps = [1000, 4000]
    [[arm]]                                  # named alternatives of a factor "arm": each changes the base as it likes
    name = "PoseAug"
    extends = "captured"                     # another arm's changes first
    after = "pretrained"                     # from that arm's finished weights
    only = { lifter = ["mlp"] }
    augmentor = "poseaug"
    set = { "lifter.channels" = 64 }
    [[exclude]]                              # combinations to leave out
    lifter = "semgcn"
    seed = [1, 2]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.kinds import Slot, slots
from poseplug.registry.config.experiment_file import Document, lay_over, read_document
from poseplug.registry.config.shorthand import experiment_of, part_of
from poseplug.registry.config.spec_syntax import split_values
from poseplug.registry.discovery.catalogue import RECIPE, Catalogue
from poseplug.registry.grids.grid import Factor, Grid, Label, Level
from poseplug.registry.grids.placeholders import filled, of_type, values_of

_TABLES = ("seeds", "together", "values", "base", "vary", "zip", "arm", "exclude")
_OF_ARMS = ("name", "extends", "after", "only", "set")


def read_grid(path: Path, catalogue: Catalogue, values: Mapping[str, str] | None = None) -> Grid:
    """Read a grid file.

    Args:
        path: the TOML file.
        catalogue: where recipes come from.
        values: what placeholders stand for, over those of the file.

    Raises:
        PoseplugError: the file is missing or not TOML, or something in it is not of the form at the top of this module.
    """
    said = read_document(path)
    try:
        return grid_from(said, catalogue, values)
    except PoseplugError as error:
        raise PoseplugError(f"'{path}': {error}") from None


def grid_from(said: Document, catalogue: Catalogue, values: Mapping[str, str] | None = None) -> Grid:
    """Return the grid that a document describes; see ``read_grid``."""
    known = values_of(of_type(said.get("values", {}), dict, "[values]"), values or {})
    said = filled({key: value for key, value in said.items() if key != "values"}, known)
    for key in said.keys() - set(_TABLES):
        raise PoseplugError(f"a grid has no table '{key}'; an experiment stands in [base].{did_you_mean(key, _TABLES)}")
    base = experiment_of(of_type(said.get("base", {}), dict, "[base]"), catalogue)
    factors = [factor_of(key, value, catalogue) for key, value in _flat(of_type(said.get("vary", {}), dict, "[vary]"))]
    factors += [_zipped(entry, catalogue) for entry in of_type(said.get("zip", []), list, "[[zip]]")]
    arms = of_type(said.get("arm", []), list, "[[arm]]")
    if arms:
        factors.insert(0, Factor("arm", tuple(_arms(arms, catalogue))))
    excludes = tuple(_rule(entry) for entry in of_type(said.get("exclude", []), list, "[[exclude]]"))
    together = of_type(said.get("together", False), bool, "together")
    return Grid(base, tuple(factors), seeds_of(said.get("seeds", 1), base), excludes, together=together)


def varies(slot: Slot) -> bool:
    """Say whether a grid can have alternatives for a place: what is trained can differ, not how it is measured."""
    return slot.arity != "labelled" and slot.kind not in ("metric", "hook", "input")


def grid_of_flags(
    base: Document,
    parts: Mapping[str, Sequence[str]],
    vary: Sequence[str],
    recipes: Sequence[str],
    seeds: int,
    catalogue: Catalogue,
) -> Grid:
    """Return the grid that flags ask for.

    Args:
        base: what all cells have in common.
        parts: for each slot that varies the alternatives, each a chain of parts; a single one is common to all cells.
        vary: "PATH=VALUE,VALUE,..." for settings.
        recipes: alternatives to start from.
        seeds: how many.
        catalogue: where recipes come from.

    Raises:
        PoseplugError: a specification that is no good.
    """
    by_name = {slot.name: slot for slot in slots()}
    factors = [factor_of(RECIPE, list(recipes), catalogue)] if len(recipes) > 1 else []
    for name, texts in parts.items():
        if len(texts) == 1:
            base = lay_over(base, {name: part_of(by_name[name], texts[0])})
        elif texts:
            factors.append(factor_of(name, list(texts), catalogue))
    for text in vary:
        key, equals, values = text.partition("=")
        alternatives = split_values(values)
        if not equals or not key.strip() or not alternatives:
            raise PoseplugError(
                f"--vary '{text}' names no alternatives; expected KEY=VALUE,VALUE such as lr=1e-3,3e-4."
            )
        factors.append(factor_of(key.strip(), {_number(value): value for value in alternatives}, catalogue))
    return Grid(base, tuple(factors), seeds_of(seeds, base))


def _number(text: str) -> Label:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def seeds_of(said: Any, base: Document) -> tuple[int, ...]:
    """Return the seeds that a number of them or a list means; a number counts from the seed of the experiment on."""
    first = base.get("seed", 0)
    seeds = range(first, first + said) if type(said) is int else said
    if not isinstance(seeds, range | list) or not all(type(seed) is int for seed in seeds):
        raise PoseplugError(f"'seeds' is the number of seeds or a list of them, got {said!r}.")
    return tuple(seeds)


def factor_of(key: str, alternatives: Any, catalogue: Catalogue) -> Factor:
    """Return the factor that a part's, a recipe's or a setting's alternatives make.

    Args:
        key: the slot, "recipe", or the path of a setting.
        alternatives: a list of values, which are their own labels; or values by label.
        catalogue: where recipes come from.

    Raises:
        PoseplugError: alternatives that are no alternatives, or not of this key.
    """
    if not isinstance(alternatives, list | dict):
        alternatives = [alternatives]
    labelled = alternatives.items() if isinstance(alternatives, dict) else [(_label(a), a) for a in alternatives]
    return Factor(key, tuple(_level(key, value, label, catalogue) for label, value in labelled))


def _level(key: str, value: Any, label: Label, catalogue: Catalogue) -> Level:
    if key == RECIPE:
        return Level(label, experiment_of({RECIPE: value}, catalogue))
    slot = next((slot for slot in slots() if slot.name == key), None)
    if slot is None:
        return Level(label, settings={key: value})
    if not varies(slot):
        raise PoseplugError(f"'{key}' cannot vary, all cells are measured and watched alike; put it into the base.")
    return Level(label, {key: part_of(slot, value)})


def _label(value: Any) -> Label:
    return value if isinstance(value, str | int | float | bool) else str(value)


def _zipped(entry: Document, catalogue: Catalogue) -> Factor:
    entry = of_type(entry, dict, "each [[zip]]")
    columns = dict(_flat({k: v for k, v in entry.items() if k not in ("name", "labels")}))
    lengths = {key: len(of_type(values, list, f"'{key}' of [[zip]]")) for key, values in columns.items()}
    if len({*lengths.values()}) != 1:
        raise PoseplugError(f"the lists of a [[zip]] are equally long and at least one; got {lengths or 'none'}.")
    rows = list(zip(*columns.values(), strict=True))
    labels = entry.get("labels") or [" ".join(str(_label(value)) for value in row) for row in rows]
    if len(of_type(labels, list, "'labels' of [[zip]]")) != len(rows):
        raise PoseplugError(f"a [[zip]] of {len(rows)} has {len(labels)} labels.")
    levels = []
    for label, row in zip(labels, rows, strict=True):
        each = [_level(key, value, label, catalogue) for key, value in zip(columns, row, strict=True)]
        document: Document = {}
        for one in each:
            document |= one.document
        levels.append(Level(label, document, {path: v for one in each for path, v in one.settings.items()}))
    return Factor(of_type(entry.get("name") or "+".join(columns), str, "'name' of [[zip]]"), tuple(levels))


def _arms(entries: Sequence[Document], catalogue: Catalogue) -> Iterator[Level]:
    made: dict[str, Level] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise PoseplugError(f"every [[arm]] has a name; got {entry!r}.")
        parent = entry.get("extends")
        if parent is not None and parent not in made:
            raise PoseplugError(
                f"arm '{name}' extends '{parent}', which is not among those before it.{did_you_mean(str(parent), made)}"
            )
        below = made[parent] if parent is not None else Level(name)
        own = experiment_of({k: v for k, v in entry.items() if k not in _OF_ARMS}, catalogue)
        made[name] = Level(
            name,
            {**below.document, **own},
            {**below.settings, **dict(_flat(of_type(entry.get("set", {}), dict, f"'set' of arm '{name}'")))},
            entry.get("after", below.after),
            _rule(entry["only"]) if "only" in entry else below.only,
        )
        yield made[name]


def _rule(said: Any) -> dict[str, tuple[Label, ...]]:
    rule = of_type(said, dict, "each 'exclude' or 'only'")
    return {key: tuple(labels) if isinstance(labels, list) else (labels,) for key, labels in rule.items()}


def _flat(said: Document) -> Iterator[tuple[str, Any]]:
    """Give every key with its value; tables of a part's settings ("lifter.channels = ...") by path."""
    parts = {slot.name for slot in slots()}
    for key, value in said.items():
        inner = value.values() if isinstance(value, dict) else ()
        if inner and key in parts and all(isinstance(one, list) for one in inner):
            yield from ((f"{key}.{setting}", values) for setting, values in value.items())
        else:
            yield key, value


def overlaid(below: Grid, above: Grid) -> Grid:
    """Return a grid with what another one says laid over it: its base, its factors in the place of those of their
    names, its settings. Seeds stay as they are.
    """
    factors = {factor.name: factor for factor in (*below.factors, *above.factors)}
    return attrs.evolve(
        below,
        base=lay_over(below.base, above.base),
        factors=tuple(factors.values()),
        settings={**below.settings, **above.settings},
    )
