"""Options that verbs share: one for each part, how to print, plugins to leave out; and what they ask for together."""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from poseplug.core.kinds import Slot, slots

if TYPE_CHECKING:
    from poseplug.registry.config.experiment_file import Document
    from poseplug.registry.discovery.catalogue import Catalogue

Verb = Callable[..., None]
_NONE = "none"


# ------------------------------------------------------------------ options that are made


def part_options(verb: Verb) -> Verb:
    """Give a verb an option for each slot of the table of kinds, in the place of its parameter ``parts``.

    It declares ``parts: dict[str, list[str]]`` and is handed what was typed, in order, by the name of the slot.
    """
    offered = [_parameter(slot.name, list[str], [], _part_option(slot)) for slot in slots()]
    return _offering(verb, "parts", offered, dict)


def _part_option(slot: Slot) -> Any:
    metavar = f"{'[LABEL=]' if slot.arity == 'labelled' else ''}NAME[:key=value,...]"
    return typer.Option(slot.flag, help=slot.help, metavar=metavar, autocompletion=names_of(slot.kind))


class Format(enum.StrEnum):
    """A table to read, or JSON to compute with."""

    table = "table"
    json = "json"


def format_options(verb: Verb) -> Verb:
    """Give a verb that lists things ``--format`` and, for short, ``--json``, in the place of its ``as_json: bool``."""
    offered = [
        _parameter("output", Format, Format.table, typer.Option("--format", help="How to print.")),
        _parameter("as_json", bool, False, typer.Option("--json", help="The same as --format json.")),
    ]
    return _offering(verb, "as_json", offered, lambda given: given["as_json"] or given["output"] is Format.json)


def _parameter(name: str, kind: Any, default: Any, option: Any) -> inspect.Parameter:
    annotation = Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _offering(
    verb: Verb, taken: str, offered: Sequence[inspect.Parameter], gather: Callable[[dict[str, Any]], Any]
) -> Verb:
    """Return a verb with other parameters in the place of ``taken``, which is gathered from them."""
    signature = inspect.signature(verb, eval_str=True)

    @wraps(verb)
    def offering(**given: Any) -> None:
        verb(**{taken: gather({p.name: given.pop(p.name) for p in offered}), **given})

    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()]
    parameters = [new for p in kept for new in (offered if p.name == taken else [p])]
    described: Any = offering
    described.__signature__ = signature.replace(parameters=parameters)
    described.__annotations__ = {p.name: p.annotation for p in parameters}
    return offering


def names_of(kind: str) -> Callable[[str], list[tuple[str, str]]]:
    """Return a completer for the components of one kind (or recipes): (name, summary) pairs; it imports no torch."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        from poseplug.registry.discovery.catalogue import load_catalogue

        return [(e.name, e.summary) for e in load_catalogue().of(kind) if e.name.startswith(incomplete)]

    return complete


# ------------------------------------------------------------------ what they ask for


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
        from poseplug.registry.config.experiment_file import lay_over, read_document
        from poseplug.registry.config.set_flag import set_value

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
        from poseplug.core.errors import PoseplugError
        from poseplug.registry.config.experiment_file import lay_over, table
        from poseplug.registry.config.spec_syntax import parse_spec

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
                above[slot.name] = [table(parse_spec(text)) for text in texts if text != _NONE]
            elif texts[-1] == _NONE:
                removed.append(slot.name)
            else:
                above[slot.name] = table(parse_spec(texts[-1]))
        return {key: value for key, value in lay_over(document, above).items() if key not in removed}


def labelled_tables(texts: Sequence[str]) -> dict[str, Document]:
    """Return the tables of ``[LABEL=]NAME...`` by label; what has no label of its own is told apart by number."""
    from poseplug.registry.config.experiment_file import table
    from poseplug.registry.config.spec_syntax import parse_labelled

    tables: dict[str, Document] = {}
    for text in texts:
        label, spec = parse_labelled(text)
        number, free = 1, label
        while free in tables:
            number += 1
            free = f"{label}-{number}"
        tables[free] = table(spec)
    return tables


# ------------------------------------------------------------------ switching plugins off

NoPlugin = Annotated[
    list[str],
    typer.Option("--no-plugin", metavar="NAME", help="Switch a plugin off (all: every one); repeatable."),
]


@contextmanager
def switched_off(names: Sequence[str]) -> Iterator[None]:
    """Switch plugins off, besides those of POSEPLUG_DISABLE_PLUGINS, and warn of names that switch nothing off.

    The environment carries it, so that processes which the command starts leave out the same plugins.
    """
    from poseplug.registry.discovery.manager import DISABLE_VARIABLE

    before = os.environ.get(DISABLE_VARIABLE)
    if names:
        os.environ[DISABLE_VARIABLE] = ",".join([*filter(None, [before]), *names])
    try:
        warn_of_unknown(names)
        yield
    finally:
        if before is not None:
            os.environ[DISABLE_VARIABLE] = before
        elif names:
            del os.environ[DISABLE_VARIABLE]


def names_of_environment() -> list[str]:
    """Return the plugins that POSEPLUG_DISABLE_PLUGINS names."""
    from poseplug.registry.discovery.manager import DISABLE_VARIABLE

    return [name for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip()]


def warn_of_unknown(names: Sequence[str]) -> None:
    """Say on standard error which of these names switch nothing off."""
    if names:
        from poseplug.cli.render import err
        from poseplug.registry.discovery.manager import unknown_switches

        for sentence in unknown_switches(names):
            err().print(f"warning: {sentence}", markup=False, soft_wrap=True)
