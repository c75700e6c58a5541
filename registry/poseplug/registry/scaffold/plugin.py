"""From the one name that the user gives to a package: the names it needs, its files, written whole or not at all."""

from __future__ import annotations

import datetime
import json
import keyword
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import kind_of_example
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.markers import API_VERSION

_LONGEST = 30
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
class Names:
    """The names of a new plugin.

    Attributes:
        name: what the user types after a flag; also the entry point, the module and the recipe.
        distribution: what pip installs, and the folder.
        package: what is imported.
        cls: the component's class.
    """

    name: str
    distribution: str
    package: str
    cls: str


@attrs.frozen
class Example:
    """What is written for components of one kind, or of another example of it: ``facts.toml`` beside its templates.

    Attributes:
        usage: how ``poseplug run`` is told to use it; NAME stands for its name.
        summary: what the example does, for listings.
        paper: where it comes from, for listings.
        also: further components, so that it trains by itself: what each is, by its kind; ``KIND.py.txt`` holds it.
        first: a command that makes what the recipe needs; PACKAGE.NAME stands for its module.
        trains: the command that trains it, where it is no part of a run and has no recipe; NAME stands for its name.
    """

    usage: str
    summary: str
    paper: str
    also: Mapping[str, str] = attrs.field(factory=dict)
    first: str = ""
    trains: str = ""

    def commands(self, names: Names) -> list[str]:
        """Return the commands that train with a new component once it is installed."""
        first = self.first.replace("PACKAGE.NAME", f"{names.package}.{names.name}")
        trains = self.trains.replace("NAME", names.name) or f"poseplug run --recipe {names.name}"
        return [*([first] if first else []), trains]


def choose_names(given: str) -> Names:
    """Return the names that go with "tiny-lifter": tiny_lifter, poseplug-tiny-lifter, poseplug_tiny_lifter, TinyLifter.

    Raises:
        PoseplugError: it cannot be a name of all these things.
    """
    plain = given.removeprefix("poseplug-")
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", plain) or len(plain) > _LONGEST:
        raise PoseplugError(
            f"'{given}' cannot name a plugin; expected at most {_LONGEST} lowercase letters and digits, beginning with "
            "a letter, words joined by '-' or '_', such as tiny-lifter."
        )
    name = plain.replace("-", "_")
    cls = "".join(word.capitalize() for word in name.split("_"))
    if keyword.iskeyword(name) or keyword.iskeyword(cls):
        raise PoseplugError(f"'{given}' is a word of Python's; choose another name for the plugin.")
    return Names(name, f"poseplug-{name.replace('_', '-')}", f"poseplug_{name}", cls)


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
    _check_free(names, kind, catalogue)
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


def _check_free(names: Names, kind: str, catalogue: Catalogue) -> None:
    """Refuse names that installed components, recipes, distributions and entry points have taken."""
    for taken in (kind_of_example(kind).name, *example_of(kind).also, "recipe"):
        for entry in catalogue.of(taken):
            if entry.name == names.name:
                there_is = f"There is a {taken} '{names.name}' already, in {entry.distribution}"
                raise PoseplugError(f"{there_is}; choose another name.")
    for plugin in catalogue.plugins:
        if plugin.distribution == names.distribution or plugin.name == names.name:
            installed = f"A plugin '{plugin.name}' is installed already, by {plugin.distribution}"
            raise PoseplugError(f"{installed}; choose another name.")


def render_plugin(names: Names, kind: str, author: str = "") -> dict[str, str]:
    """Return the text of each file of the package, by its path in it.

    Raises:
        PoseplugError: there is no such kind; the class would be called what its module calls something else.
    """
    example, of = example_of(kind), kind_of_example(kind)
    # A kind's own templates take the place of the common ones.
    templates = {
        entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8")
        for folder in ("package", kind)
        for entry in (_TEMPLATES / folder).iterdir()
        if entry.name.endswith(".txt")
    }
    if re.search(rf"\b{names.cls}\b", "".join(templates.values())):
        raise PoseplugError(
            f"The class of '{names.name}' would be {names.cls}, a word that its module uses for something else; "
            "choose a name that says more."
        )
    author = " ".join(author.split()) or f"the authors of {names.distribution}"
    values = {
        **attrs.asdict(names),
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
