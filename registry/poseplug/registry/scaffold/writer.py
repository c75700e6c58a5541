"""Filling in the templates, and writing the package whole or not at all."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import kind_of_example
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.markers import API_VERSION
from poseplug.registry.scaffold.names import Names, check_free, choose_names

_TEMPLATES = files("poseplug.registry.scaffold") / "templates"

# Template -> file of the package; further ones go beside the component.
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "init.py": "src/$package/__init__.py",
    "component.py": "src/$package/$name.py",
    "recipe.toml": "src/$package/recipes/$name.toml",
    "test.py": "tests/test_$name.py",
}


@attrs.frozen
class Example:
    """What is written for components of one kind, or of another example of it: ``facts.toml`` beside its templates.

    Attributes:
        usage: how ``poseplug run`` is told to use it; NAME stands for its name.
        summary: what the example does, for listings.
        paper: where it comes from, for listings.
        also: further components, so that it trains by itself: what each is, by its kind; ``KIND.py.txt`` holds it.
        first: a command that makes what the recipe needs; PACKAGE.NAME stands for its module.
    """

    usage: str
    summary: str
    paper: str
    also: Mapping[str, str] = attrs.field(factory=dict)
    first: str = ""

    def commands(self, names: Names) -> list[str]:
        """Return the commands that train with a new component once it is installed."""
        first = self.first.replace("PACKAGE.NAME", f"{names.package}.{names.name}")
        return [*([first] if first else []), f"poseplug run --recipe {names.name}"]


def example_of(kind: str) -> Example:
    """Return the example of a kind, or another one by its name; raise PoseplugError if there is none."""
    kind_of_example(kind)
    return Example(**tomllib.loads((_TEMPLATES / kind / "facts.toml").read_text(encoding="utf-8")))


def write_plugin(given: str, kind: str, folder: Path, catalogue: Catalogue, author: str = "") -> Path:
    """Write the package of a new plugin into a folder of its own; return that folder.

    Args:
        given: the plugin's name.
        kind: that of its component, or another example of one.
        folder: where the package's folder is made.
        catalogue: what is installed, to keep clear of.
        author: for its metadata and licence.

    Raises:
        PoseplugError: there is no such kind; the name is no name or taken; the folder exists or cannot be
            written. Nothing is written then.
    """
    names = choose_names(given)
    check_free(names, [kind_of_example(kind).name, *example_of(kind).also], catalogue)
    target = folder / names.distribution
    if target.exists():
        raise PoseplugError(f"'{target}' exists already; choose another name, or another folder with --into.")
    contents = render_plugin(names, kind, author)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".poseplug-new-") as temporary:
            draft = Path(temporary) / names.distribution
            for path, text in contents.items():
                (draft / path).parent.mkdir(parents=True, exist_ok=True)
                (draft / path).write_text(text, encoding="utf-8")
            shutil.move(draft, target)
    except OSError as error:
        raise PoseplugError(f"Cannot write '{target}': {error}. Choose another folder with --into.") from error
    return target


def render_plugin(names: Names, kind: str, author: str = "") -> dict[str, str]:
    """Return the text of each file of the package, by its path in it.

    Raises:
        PoseplugError: there is no such kind; the class would be called what its module calls something else.
    """
    example, of = example_of(kind), kind_of_example(kind)
    templates = _templates(kind)
    if re.search(rf"\b{names.cls}\b", "".join(templates.values())):
        raise PoseplugError(
            f"The class of '{names.name}' would be {names.cls}, a word that its module uses for something else; "
            "choose a name that says more."
        )
    author = " ".join(author.split()) or f"the authors of {names.distribution}"
    values = {
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "cls": names.cls,
        "kind": of.noun,
        "Kind": of.noun.capitalize(),
        "hook": of.hook,
        "usage": example.usage.replace("NAME", names.name),
        "summary": example.summary,
        "paper": example.paper,
        "commands": "\n    ".join(example.commands(names)),
        "api": str(API_VERSION),
        "author": author,
        "author_toml": json.dumps(author, ensure_ascii=False),
        "year": str(datetime.datetime.now(tz=datetime.UTC).year),
        "more_files": "".join(f"\n| `src/{names.package}/{k}.py` | {what} |" for k, what in example.also.items()),
    }
    contents = {f"src/{names.package}/py.typed": ""}
    for template, text in templates.items():
        path = Template(_FILES.get(template, f"src/$package/{template}")).substitute(values)
        contents[path] = Template(text).substitute(values)
    return contents


def _templates(kind: str) -> Mapping[str, str]:
    """Return the text of each template; a kind's own take the place of the common ones."""
    return {
        entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8")
        for folder in ("package", kind)
        for entry in _entries(_TEMPLATES / folder)
    }


def _entries(folder: Traversable) -> list[Traversable]:
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".txt")), key=lambda entry: entry.name)
