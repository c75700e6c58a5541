"""Options that verbs share: one for each part, how to print, plugins to leave out; and what they ask for together."""

from __future__ import annotations

import enum
import glob
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, Signature, signature
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import Slot, slots
from poseplug.registry.config.experiment_file import Document, lay_over, read_document
from poseplug.registry.config.set_flag import set_value
from poseplug.registry.config.spec_syntax import parse_labelled, parse_spec

if TYPE_CHECKING:
    from poseplug.registry.discovery.catalogue import Catalogue

_NONE = "none"


class Format(enum.StrEnum):
    """A table to read, or JSON to compute with."""

    table = "table"
    json = "json"


PrintAs = Annotated[Format, typer.Option("--format", help="How to print.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
NoPlugin = Annotated[
    list[str],
    typer.Option("--no-plugin", metavar="NAME", help="Switch a plugin off (all: every one); repeatable."),
]


def part_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb an option for each slot of the table of kinds, in the place of its first parameter ``parts``.

    It declares ``parts: dict[str, list[str]]`` and is handed what was typed, in order, by the name of the slot.
    """

    @wraps(verb)
    def offering(**given: Any) -> None:
        verb({slot.name: given.pop(slot.name) for slot in slots()}, **given)

    _, *others = signature(verb, eval_str=True).parameters.values()
    parameters = [*map(_part_option, slots()), *(p.replace(kind=Parameter.KEYWORD_ONLY) for p in others)]
    offering.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return offering


def _part_option(slot: Slot) -> Parameter:
    metavar = f"{'[LABEL=]' if slot.arity == 'labelled' else ''}NAME[:key=value,...]"
    option = typer.Option(slot.flag, help=slot.help, metavar=metavar, autocompletion=names_of(slot.kind))
    return Parameter(slot.name, Parameter.KEYWORD_ONLY, default=[], annotation=Annotated[list[str], option])


def names_of(*kinds: str) -> Callable[[str], list[tuple[str, str]]]:
    """Return a completer for the components of these kinds, recipes among them, or of all; it imports no torch."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        from poseplug.registry.discovery.catalogue import listed_kinds, load_catalogue

        catalogue = load_catalogue()
        entries = [entry for kind in kinds or listed_kinds() for entry in catalogue.of(kind)]
        return [(e.name, e.summary) for e in entries if e.name.startswith(incomplete)]

    return complete


def runs(incomplete: str) -> list[str]:
    """Complete the folder of a run, or of one of several seeds: of those beside what was typed, or right below it."""
    typed = Path(incomplete)
    parent, start = (typed, "") if incomplete.endswith("/") else (typed.parent, typed.name)
    folders = sorted(folder for folder in parent.glob(f"{glob.escape(start)}*") if folder.is_dir())
    near = [below for folder in folders for below in (folder, *sorted(folder.glob("*/")))]
    return [str(folder) for folder in near if (folder / "experiment.toml").is_file()]


def runs_and_models(incomplete: str) -> list[str]:
    """Complete the folder of a run, or the name of a trained model that a plugin brings."""
    return [*runs(incomplete), *(name for name, _ in names_of("model")(incomplete))]


RunOrModel = Annotated[
    str,
    typer.Argument(
        help="The folder of a finished run, or the name of a model.", metavar="RUN", autocompletion=runs_and_models
    ),
]


@attrs.frozen(kw_only=True)
class Flags:
    """What the flags of a verb ask for.

    Attributes:
        parts: what was typed for each slot.
        settings: of the run, where they have flags of their own.
        assignments: ``--set KEY=VALUE``.
        recipe: name of a recipe, or "".
        config: an experiment file.
    """

    parts: Mapping[str, Sequence[str]]
    settings: Mapping[str, Any]
    assignments: Sequence[str] = ()
    recipe: str = ""
    config: Path | None = None

    def document(self, catalogue: Catalogue, below: Document | None = None) -> Document:
        """Lay recipe, experiment file, flags and --set over one another, in this order, over a document ``below``.

        Raises:
            PoseplugError: a recipe, file or specification that is no good.
        """
        document = dict(below or {})
        if self.recipe:
            document = lay_over(document, read_document(Path(catalogue.find("recipe", self.recipe).target)))
        if self.config is not None:
            document = lay_over(document, read_document(self.config))
        document = self._lay_over(document)
        for assignment in self.assignments:
            document = set_value(document, assignment)
        return document

    def _lay_over(self, document: Document) -> Document:
        if {"steps", "epochs"} <= self.settings.keys():
            raise PoseplugError("--steps and --epochs say the same thing twice; give one of them.")
        above: Document = dict(self.settings)
        removed = ["epochs"] if "steps" in self.settings else []
        for slot in slots():
            texts = self.parts.get(slot.name)
            if not texts:
                continue
            if slot.arity == "labelled":
                above[slot.name] = labelled_tables(texts)
            elif slot.arity == "several":
                above[slot.name] = [parse_spec(text) for text in texts if text != _NONE]
            elif texts[-1] == _NONE:
                removed.append(slot.name)
            else:
                above[slot.name] = parse_spec(texts[-1])
        return {key: value for key, value in lay_over(document, above).items() if key not in removed}


def labelled_tables(texts: Sequence[str]) -> dict[str, Document]:
    """Return the tables of ``[LABEL=]NAME...`` by label; what has no label of its own is told apart by number."""
    tables: dict[str, Document] = {}
    for text in texts:
        label, table = parse_labelled(text)
        labels = chain([label], (f"{label}-{number}" for number in count(2)))
        tables[next(free for free in labels if free not in tables)] = dict(table)
    return tables


@contextmanager
def switched_off(names: Sequence[str]) -> Iterator[None]:
    """Switch plugins off, besides those of POSEPLUG_DISABLE_PLUGINS, and warn of names that switch nothing off.

    The environment carries it, so that processes which the command starts leave out the same plugins.
    """
    from poseplug.registry.discovery.manager import DISABLE_VARIABLE

    before = os.environ.get(DISABLE_VARIABLE, "")
    os.environ[DISABLE_VARIABLE] = ",".join([before, *names])
    try:
        warn_of_unknown(names)
        yield
    finally:
        os.environ[DISABLE_VARIABLE] = before


def warn_of_unknown(names: Collection[str]) -> None:
    """Say on standard error which of these names switch nothing off."""
    if names:
        from poseplug.cli.render import warn
        from poseplug.registry.discovery.manager import unknown_switches

        for sentence in unknown_switches(names):
            warn(sentence)
