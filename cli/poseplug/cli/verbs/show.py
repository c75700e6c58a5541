"""``poseplug show``: one component's settings, defaults, units and paper."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poseplug.cli.complete import names_of
from poseplug.cli.formats import Format


def _complete(incomplete: str) -> list[tuple[str, str]]:
    from poseplug.registry.discovery.catalogue import HOOKS

    return [name for kind in (*HOOKS, "recipe") for name in names_of(kind)(incomplete)]


def show(
    name: Annotated[str, typer.Argument(help="A component or recipe.", autocompletion=_complete)],
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Show what a component does and its settings."""
    from rich.markup import escape
    from rich.padding import Padding

    from poseplug.cli.render import out, print_json, reporting
    from poseplug.core.errors import PoseplugError, did_you_mean
    from poseplug.registry.discovery.catalogue import HOOKS, load_catalogue

    with reporting():
        catalogue = load_catalogue()
        known = {entry.name for entry in catalogue.entries}
        kinds = [k for k in (*HOOKS, "recipe") if any(e.name == name.rpartition(":")[2] for e in catalogue.of(k))]
        if not kinds:
            hint = catalogue.not_installed(name) or did_you_mean(name, known)
            raise PoseplugError(f"There is no component '{name}'.{hint}")
        shown = [_describe(catalogue.find(kind, name)) for kind in kinds]
        if output is Format.json:
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


def _describe(entry: Any) -> dict[str, Any]:
    facts = {key: getattr(entry, key) for key in ("kind", "name", "distribution", "summary", "paper")}
    if entry.kind == "recipe":
        from pathlib import Path

        return {**facts, "text": Path(entry.target).read_text(encoding="utf-8")}
    return {**facts, "settings": _settings(entry.load().Config)}


def _settings(config: type) -> list[dict[str, str]]:
    import attrs

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
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
