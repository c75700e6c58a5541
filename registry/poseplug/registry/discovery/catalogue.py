"""The catalogue: what is installed, by kind and name. Looking things up imports no component."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean, in_words
from poseplug.core.kinds import KINDS, kind_named, kind_names
from poseplug.registry.discovery.manager import (
    STRICT_VARIABLE,
    Plugin,
    discover,
    failed,
    hooks_of,
    strangers_code,
    strict,
)
from poseplug.registry.markers import PROJECT

RECIPE = "recipe"
MODEL = "model"
CARD = "README.md"


@attrs.frozen
class Entry:
    """A registered component, recipe or trained model.

    Attributes:
        kind: "source", "lifter", ... (see poseplug.core.kinds), "recipe" or "model".
        name: what the user types.
        target: "package.module:Class", the path of a recipe, or the folder of the run that a model is.
        summary, paper: for listings.
        distribution: the distribution it comes from.
    """

    kind: str
    name: str
    target: str
    summary: str
    paper: str
    distribution: str

    @property
    def is_component(self) -> bool:
        """Whether it is code, with a class to load."""
        return self.kind not in (RECIPE, MODEL)

    @property
    def text(self) -> Path:
        """The file that says what a recipe or a model is."""
        return Path(self.target) / CARD if self.kind == MODEL else Path(self.target)

    def load(self) -> Any:
        """Import and return the component's class.

        Raises:
            PoseplugError: the module or the class is missing, fails at import, or lacks a method.
        """
        whose = f"{self.kind} '{self.name}' of {self.distribution}"
        module, _, attribute = self.target.partition(":")
        with strangers_code():
            try:
                loaded = getattr(importlib.import_module(module), attribute)
            except BaseException as error:
                if strict():
                    raise
                raise PoseplugError(
                    f"{whose} cannot be loaded from '{self.target}' ({in_words(error)}). Repair or uninstall that "
                    f"plugin; {STRICT_VARIABLE}=1 shows where."
                ) from error
        kind = kind_named(self.kind)
        interface = kind.load_interface()
        if not isinstance(loaded, type) or not issubclass(loaded, interface):
            raise PoseplugError(
                f"{whose} is not a {interface.__name__}: '{self.target}' must name a subclass of "
                f"{kind.interface.replace(':', '.')}."
            )
        missing = sorted(getattr(loaded, "__abstractmethods__", ()))
        if missing:
            raise PoseplugError(f"{whose} is incomplete: it lacks {', '.join(missing)}.")
        return loaded


def listed_kinds() -> tuple[str, ...]:
    """Return what entries can be: a component of some kind, a recipe, or a trained model."""
    return (*kind_names(), RECIPE, MODEL)


@attrs.frozen
class Catalogue:
    """All plugins, and what those that work have registered."""

    plugins: tuple[Plugin, ...]
    entries: tuple[Entry, ...]

    def of(self, kind: str) -> list[Entry]:
        """Return the entries of one kind (or "recipe" or "model"), by name."""
        return sorted((e for e in self.entries if e.kind == kind), key=lambda e: (e.name, e.distribution))

    def listed(self, kind: str = "") -> list[Entry]:
        """Return the entries of one kind, or of all, kind by kind; raise PoseplugError if there is no such kind."""
        kinds = listed_kinds()
        if kind and kind not in kinds:
            raise PoseplugError(f"There is no kind '{kind}'.{did_you_mean(kind, kinds)}")
        return [entry for each in kinds if kind in ("", each) for entry in self.of(each)]

    def find(self, kind: str, name: str) -> Entry:
        """Return the entry that a name or "dist:name" means.

        Raises:
            PoseplugError: there is none (with the nearest name and the plugins that failed), or several.
        """
        distribution, _, plain = name.rpartition(":")
        found = [e for e in self.of(kind) if e.name == plain and distribution in ("", e.distribution)]
        if len(found) > 1:
            choices = " or ".join(f"'{e.distribution}:{e.name}'" for e in found)
            raise PoseplugError(f"Several plugins register {kind} '{name}'; say {choices}.")
        if not found:
            if distribution in {e.name for e in self.of(kind)}:
                raise PoseplugError(f"'{plain}' in '{name}' is not a setting; expected {distribution}:key=value.")
            raise PoseplugError(f"There is no {kind} '{name}'.{self._hint(kind, plain)}")
        return found[0]

    def named(self, name: str, kinds: Collection[str]) -> list[Entry]:
        """Return the entry of each of these kinds that a name or "dist:name" means.

        Raises:
            PoseplugError: there is none (with the nearest name), or several of one kind.
        """
        plain = name.rpartition(":")[2]
        found = [kind for kind in kinds if any(entry.name == plain for entry in self.of(kind))]
        if not found:
            known = {entry.name for entry in self.entries if entry.kind in kinds}
            hint = self.not_installed(plain) or did_you_mean(name, known)
            raise PoseplugError(f"There is no component '{name}'.{hint}")
        return [self.find(kind, name) for kind in found]

    def name_of(self, kind: str, distribution: str, name: str) -> str:
        """Return what picks a distribution's component: its name, or "dist:name" where others took that name too."""
        found = [e.distribution for e in self.of(kind) if e.name == name]
        return f"{distribution}:{name}" if distribution in found and len(found) > 1 else name

    def not_installed(self, name: str, kind: str = "") -> str:
        """Return how to install a component of poseplug's own plugins, of one kind or any; "" for every other name."""
        text = (files("poseplug.registry.discovery") / "own_plugins.toml").read_text(encoding="utf-8")
        installed = {plugin.distribution for plugin in self.plugins}
        for distribution, kinds in tomllib.loads(text).items():
            if distribution not in installed and any(name in kinds[k] for k in kinds if kind in ("", k)):
                return f" It comes with {distribution}: pip install {distribution}."
        return ""

    def versions(self) -> dict[str, str]:
        """Return the version of every plugin distribution that works, but poseplug's own."""
        return {p.distribution: p.version for p in self.plugins if not p.problem and p.distribution != PROJECT}

    def _hint(self, kind: str, name: str) -> str:
        if missing := self.not_installed(name, kind):
            return missing
        elsewhere = [e.kind for e in self.entries if e.name == name]
        hint = f" '{name}' is a {elsewhere[0]}." if elsewhere else did_you_mean(name, [e.name for e in self.of(kind)])
        for state, off in (("that failed to load", False), ("switched off", True)):
            named = [f"{p.name} ({p.distribution})" for p in self.plugins if p.problem and p.off is off]
            hint += f" Plugins {state}: {', '.join(named)}; see 'poseplug plugins'." if named else ""
        return hint

    def clashes(self) -> Iterator[tuple[str, str, list[str]]]:
        """Give (kind, name, distributions) for every name that several distributions register."""
        for kind in listed_kinds():
            for name, entries in groupby(self.of(kind), key=lambda entry: entry.name):
                distributions = [entry.distribution for entry in entries]
                if len(distributions) > 1:
                    yield kind, name, distributions


def load_catalogue(plugins: Iterable[Plugin] | None = None) -> Catalogue:
    """Collect what plugins register, by default the installed ones; one that fails meanwhile takes no part."""
    checked: list[Plugin] = []
    entries: list[Entry] = []
    for plugin in discover() if plugins is None else plugins:
        with strangers_code():
            try:
                entries += _entries_of(plugin)
                checked.append(plugin)
            except BaseException as error:
                checked.append(failed(plugin, error))
    return Catalogue(tuple(checked), tuple(entries))


def _entries_of(plugin: Plugin) -> list[Entry]:
    entries: list[Entry] = []

    def add(kind: str, name: str, target: str, *, summary: str, paper: str = "") -> None:
        if not all(isinstance(text, str) for text in (name, target, summary, paper)):
            raise PoseplugError(f"registers {kind} {name!r} with a summary or another text that is no text")
        if any(e.kind == kind and e.name == name for e in entries):
            raise PoseplugError(f"registers {kind} '{name}' twice")
        if not name or ":" in name or "=" in name or "," in name:
            raise PoseplugError(f"registers the {kind} name '{name}'; a name is not empty and holds no ':', '=' or ','")
        entries.append(Entry(kind, name, target, summary, paper, plugin.distribution))

    def add_file(kind: str, name: str, path: Path, *, summary: str) -> None:
        add(kind, name, str(path), summary=summary)

    if plugin.module is not None:
        with hooks_of(plugin.module) as hooks:
            for kind in KINDS:
                getattr(hooks, kind.hook)(register=partial(add, kind.name))
            hooks.register_recipes(register=partial(add_file, RECIPE))
            hooks.register_models(register=partial(add_file, MODEL))
    return entries
