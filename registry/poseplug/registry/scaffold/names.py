"""From the one name that the user gives to all those that a package needs, and whether they are free."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import Catalogue

_LONGEST = 30


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


def check_free(names: Names, kinds: Iterable[str], catalogue: Catalogue) -> None:
    """Refuse names that installed plugins have taken.

    Args:
        names: of the new plugin.
        kinds: of its components.
        catalogue: what is installed.

    Raises:
        PoseplugError: a component or recipe, a distribution or an entry point has such a name.
    """
    for taken in (*kinds, "recipe"):
        for entry in catalogue.of(taken):
            if entry.name == names.name:
                raise PoseplugError(
                    f"There is a {taken} '{names.name}' already, in {entry.distribution}; choose another name."
                )
    for plugin in catalogue.plugins:
        if plugin.distribution == names.distribution or plugin.name == names.name:
            raise PoseplugError(
                f"A plugin '{plugin.name}' is installed already, by {plugin.distribution}; choose another name."
            )
