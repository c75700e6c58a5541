"""Plugin discovery: every entry point is loaded on its own, so that a broken one is reported and the rest work."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import attrs
import pluggy

from poseplug.core.errors import PoseplugError
from poseplug.registry import hookspecs
from poseplug.registry.markers import API_VERSION, PROJECT

STRICT_VARIABLE = "POSEPLUG_STRICT"


@attrs.frozen
class Plugin:
    """An installed plugin, loaded or not.

    Attributes:
        name: its entry point.
        distribution: the distribution that brings it, with its version.
        hooks: calls its hook implementations; None if it failed.
        problem: why it failed, in one line; "" if it did not.
    """

    name: str
    distribution: str
    version: str
    hooks: pluggy.HookRelay | None = None
    problem: str = ""


def discover(points: Iterable[EntryPoint] | None = None) -> list[Plugin]:
    """Load every plugin of the entry-point group, each in isolation.

    Args:
        points: the entry points; by default those of the installed distributions.

    Raises:
        Exception: a plugin's own error, if the environment has POSEPLUG_STRICT=1 (for plugin authors).
    """
    found = entry_points(group=PROJECT) if points is None else points
    return [_load(point) for point in sorted(found, key=lambda point: (point.name != "core", point.name))]


def _load(point: EntryPoint) -> Plugin:
    distribution = point.dist.name if point.dist else "?"
    version = point.dist.version if point.dist else "?"
    try:
        hooks = _hooks_of(point.load())
    except Exception as error:  # a stranger's module may raise anything
        if os.environ.get(STRICT_VARIABLE) == "1":
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
        return Plugin(point.name, distribution, version, None, f"{type(error).__name__}: {reason}")
    return Plugin(point.name, distribution, version, hooks)


def _hooks_of(module: ModuleType) -> pluggy.HookRelay:
    """Validate a plugin's hooks, refuse misspelt ones, and return what calls them."""
    wanted = getattr(module, "POSEPLUG_API", API_VERSION)
    if wanted != API_VERSION:
        raise PoseplugError(
            f"written for plugin API {wanted}, this poseplug has {API_VERSION}; install a matching version"
        )
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    return manager.hook
