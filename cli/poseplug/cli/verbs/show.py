"""``poseplug show``: settings of components and of the run, with defaults and units; recipes, models, protocols."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from poseplug.cli.options import AsJson, Format, PrintAs, names_of

if TYPE_CHECKING:
    from poseplug.core.evaluation.protocol import Protocol
    from poseplug.registry.discovery.catalogue import Entry

EPILOG = """\b
Examples:
  poseplug show rigid
  poseplug show run
"""

# What can be shown besides what plugins register, which may bear the same names: both are shown then.
_TOPICS = {
    "run": "the run's own settings: flags, --set NAME=VALUE, or the top of an experiment file",
    "phase": "the settings of a phase: [[phase]] in an experiment file, or --set phase.K.NAME=VALUE",
    "protocol": "how results can be measured: --protocol NAME",
}


def _names(incomplete: str) -> list[tuple[str, str]]:
    return [*names_of()(incomplete), *((name, says) for name, says in _TOPICS.items() if name.startswith(incomplete))]


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A component, recipe or model; run, phase or protocol for what belongs to none.", autocompletion=_names
        ),
    ],
    output: PrintAs = Format.table,
    as_json: AsJson = False,
) -> None:
    """Show what a component does and its settings."""
    from poseplug.cli.render import print_json, print_text, reporting
    from poseplug.registry.discovery.catalogue import listed_kinds, load_catalogue

    with reporting():
        catalogue = load_catalogue()
        if name in _TOPICS:
            same = [entry for kind in listed_kinds() for entry in catalogue.of(kind) if entry.name == name]
            shown = [_describe_topic(name), *map(_describe, same)]
        else:
            shown = [_describe(entry) for entry in catalogue.named(name, listed_kinds())]
        if as_json or output is Format.json:
            print_json(shown)
            return
        for facts in shown:
            print_text(f"{facts['kind']} {facts['name']}  ({facts['distribution']})", bold=True)
            print_text(facts["summary"] + (f"\n{facts['paper']}" if facts["paper"] else ""))
            if "text" in facts:
                typer.echo("\n" + facts["text"].strip())
            for protocol in facts.get("protocols", ()):
                print_text("")
                print_text(protocol["name"], bold=True)
                print_text(f"{protocol['source']}\n{protocol['counts']}", indent=4)
            for setting in facts.get("settings", ()):
                print_text("")
                flag = f"  {setting['flag']}" if setting.get("flag") else ""
                typed = f", typed {setting['name']}={setting['typed']}" if setting["typed"] else ""
                print_text(f"{setting['name']} = {setting['default']}  ({setting['type']}{typed}){flag}", bold=True)
                print_text(setting["doc"], indent=4)


def _describe(entry: Entry) -> dict[str, Any]:
    facts = {key: getattr(entry, key) for key in ("kind", "name", "distribution", "summary", "paper")}
    if not entry.is_component:
        return {**facts, "text": entry.text.read_text(encoding="utf-8")}
    return {**facts, "settings": _settings(entry.load().Config)}


def _describe_topic(name: str) -> dict[str, Any]:
    from poseplug.cli.verbs.run import run
    from poseplug.core.evaluation.protocol import PROTOCOLS
    from poseplug.core.training.schedule import Phase
    from poseplug.registry.config.run_settings import RunSettings

    kind = "protocols" if name == "protocol" else "settings"
    facts = {"kind": kind, "name": name, "distribution": "poseplug", "summary": _TOPICS[name], "paper": ""}
    if name == "protocol":
        return {**facts, "protocols": [_describe_protocol(protocol) for protocol in PROTOCOLS.values()]}
    settings = _settings(RunSettings if name == "run" else Phase)
    if name == "run":
        flags = signature(run).parameters
        for setting in settings:
            setting["flag"] = f"--{setting['name'].replace('_', '-')}" if setting["name"] in flags else ""
    return {**facts, "settings": settings}


def _describe_protocol(protocol: Protocol) -> dict[str, str]:
    from poseplug.core.evaluation.protocol import matching_in_words

    roots = {
        "counted": "all joints count, the root among them",
        "unaligned": "all joints count, the root with an error of 0 and no part in the alignment",
        "excluded": "all joints but the root count",
    }
    aligned = ["rotation", "translation", *["scale"] * protocol.scale, *["reflection"] * protocol.reflection]
    counts = (
        f"{roots[protocol.root]}; Procrustes alignment by {', '.join(aligned)}; "
        f"{'predictions averaged with those for the mirror image' if protocol.flip else 'no mirror image'}; mean over "
        f"{protocol.average}; PCK at {protocol.pck_mm:g} mm, AUC up to {protocol.auc_max_mm:g} mm; where people are "
        f"searched for: {matching_in_words(attrs.asdict(protocol))}"
    )
    return {"name": protocol.name, "source": protocol.source, "counts": counts}


def _settings(config: type) -> list[dict[str, str]]:
    from poseplug.registry.config.read_settings import type_name, typed_example

    settings = []
    for field in attrs.fields(attrs.resolve_types(config)):
        choices = field.metadata.get("choices", ())
        unit = f" [{field.metadata['unit']}]" if field.metadata.get("unit") else ""
        default = "required" if field.default is attrs.NOTHING else _as_typed(field.default)
        kind = " | ".join(choices) if choices else type_name(field.type)
        typed = typed_example(field.type)
        if typed and isinstance(field.default, tuple) and field.default:
            typed = default.replace(", ", ",")
        doc = field.metadata["doc"] + unit
        settings.append({"name": field.name, "type": kind, "default": default, "doc": doc, "typed": typed})
    return settings


def _as_typed(value: object) -> str:
    """Write a default as the user would type it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_typed, value))}]"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
