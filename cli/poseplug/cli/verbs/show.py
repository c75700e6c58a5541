"""``poseplug show``: one component's settings, defaults, units and paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from poseplug.cli.options import AsJson, Format, PrintAs, names_of

if TYPE_CHECKING:
    from poseplug.registry.discovery.catalogue import Entry


def show(
    name: Annotated[str, typer.Argument(help="A component or recipe.", autocompletion=names_of())],
    output: PrintAs = Format.table,
    as_json: AsJson = False,
) -> None:
    """Show what a component does and its settings."""
    from rich.markup import escape
    from rich.padding import Padding

    from poseplug.cli.render import out, print_json, reporting
    from poseplug.registry.discovery.catalogue import listed_kinds, load_catalogue

    with reporting():
        shown = [_describe(entry) for entry in load_catalogue().named(name, listed_kinds())]
        if as_json or output is Format.json:
            print_json(shown)
            return
        for facts in shown:
            console = out()
            console.print(f"[bold]{facts['kind']} {facts['name']}[/]  ({facts['distribution']})")
            console.print(facts["summary"] + (f"\n{facts['paper']}" if facts["paper"] else ""), markup=False)
            if facts["kind"] == "recipe":
                console.print("\n" + facts["text"].strip(), markup=False)
            for setting in facts.get("settings", ()):
                value, kind = escape(setting["default"]), escape(setting["type"])
                console.print(f"\n[bold]{setting['name']}[/] = {value}  ({kind})")
                console.print(Padding(escape(setting["doc"]), (0, 0, 0, 4)))


def _describe(entry: Entry) -> dict[str, Any]:
    facts = {key: getattr(entry, key) for key in ("kind", "name", "distribution", "summary", "paper")}
    if entry.kind == "recipe":
        return {**facts, "text": Path(entry.target).read_text(encoding="utf-8")}
    return {**facts, "settings": _settings(entry.load().Config)}


def _settings(config: type) -> list[dict[str, str]]:
    from poseplug.registry.config.read_settings import type_name

    settings = []
    for field in attrs.fields(attrs.resolve_types(config)):
        choices = field.metadata.get("choices", ())
        unit = f" [{field.metadata['unit']}]" if field.metadata.get("unit") else ""
        default = "required" if field.default is attrs.NOTHING else _as_typed(field.default)
        kind = " | ".join(choices) if choices else type_name(field.type)
        settings.append({"name": field.name, "type": kind, "default": default, "doc": field.metadata["doc"] + unit})
    return settings


def _as_typed(value: object) -> str:
    """Write a default as the user would type it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_typed, value))}]"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
