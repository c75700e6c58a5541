"""Plugin discovery: every entry point is loaded on its own, so that a broken one is reported and the rest work."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import EntryPoint, entry_points
from types import FrameType, ModuleType

import attrs
import pluggy

from poseplug.core.errors import PoseplugError, did_you_mean, in_words
from poseplug.registry import hookspecs
from poseplug.registry.markers import API_VERSION, PROJECT

STRICT_VARIABLE = "POSEPLUG_STRICT"
DISABLE_VARIABLE = "POSEPLUG_DISABLE_PLUGINS"
ALL = "all"


@attrs.frozen
class Plugin:
    """An installed plugin, loaded or not.

    Attributes:
        name: its entry point.
        distribution: the distribution that brings it, with its version.
        module: holds its hook implementations; None if it was not loaded.
        api: the version of the plugin API that it was written for; None where it is not known.
        problem: why it takes no part, in one line; "" if it does.
        off: the user switched it off.
    """

    name: str
    distribution: str
    version: str
    module: ModuleType | None = None
    api: int | None = None
    problem: str = ""
    off: bool = False


def discover(points: Iterable[EntryPoint] | None = None) -> list[Plugin]:
    """Load every plugin that is not switched off, each in isolation; by default of the installed distributions.

    Raises:
        Exception: a plugin's own error, if the environment has POSEPLUG_STRICT=1 (for plugin authors).
    """
    found = entry_points(group=PROJECT) if points is None else points
    off = switched_off()
    return [_load(point, off) for point in sorted(found, key=lambda point: (point.name != "core", point.name))]


def _load(point: EntryPoint, off: frozenset[str]) -> Plugin:
    name, version = _distribution(point)
    plugin = Plugin(point.name, name, version)
    if name != PROJECT and off & {ALL, _plain(point.name), _plain(name)}:
        return attrs.evolve(plugin, off=True, problem="switched off")
    with strangers_code():
        try:
            module = point.load()
            api = getattr(module, "POSEPLUG_API", API_VERSION)
            plugin = attrs.evolve(plugin, module=module, api=api if type(api) is int else None)
            if plugin.api != API_VERSION:
                raise PoseplugError(
                    f"written for plugin API {api!r}, this poseplug has {API_VERSION}; install a matching version"
                )
        except BaseException as error:  # some scripts call sys.exit() when they are imported
            return failed(plugin, error)
    return plugin


@contextmanager
def strangers_code() -> Iterator[None]:
    """Run code of a plugin, which may raise anything without ending the command, while a Ctrl-C always ends it.

    A KeyboardInterrupt alone does not tell which of the two it is, and a plugin may catch the user's; so the signal is
    noted. What the code prints goes to standard error, as standard output may be read by a program.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C meanwhile.
    """
    pressed: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        signal.default_int_handler(number, frame)

    main = threading.current_thread() is threading.main_thread()
    noting = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if noting:
        signal.signal(signal.SIGINT, note)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if noting:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if pressed:
            raise KeyboardInterrupt


def failed(plugin: Plugin, error: BaseException) -> Plugin:
    """Return the plugin with the reason why it takes no part; in strict mode raise it instead."""
    if strict():
        raise error
    return attrs.evolve(plugin, module=None, problem=in_words(error).splitlines()[0])


def strict() -> bool:
    """Say whether a plugin's own error is to end the command, with its traceback; for plugin authors."""
    return os.environ.get(STRICT_VARIABLE) == "1"


def _distribution(point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution that an entry point belongs to."""
    text = ""
    if point.dist is not None:
        text = point.dist.read_text("METADATA") or point.dist.read_text("PKG-INFO") or ""
    # importlib.metadata would parse all of it, README included.
    head = dict(line.partition(":")[::2] for line in text.partition("\n\n")[0].splitlines())
    return head.get("Name", "?").strip(), head.get("Version", "?").strip()


# Plugins take turns in one manager, as making it is slow.
_manager = pluggy.PluginManager(PROJECT)
_manager.add_hookspecs(hookspecs)


@contextmanager
def hooks_of(module: ModuleType) -> Iterator[pluggy.HookRelay]:
    """Give what calls the hook implementations of one plugin, and of no other.

    Raises:
        pluggy.PluginValidationError: a hook is misspelt, or its arguments are not those of the specification.
    """
    _manager.register(module)
    try:
        _manager.check_pending()
        yield _manager.hook
    finally:
        _manager.unregister(module)


def switched_off() -> frozenset[str]:
    """Return the plugins that POSEPLUG_DISABLE_PLUGINS names, by entry point or distribution; "all" is all of them."""
    return frozenset(_plain(name) for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip())


def unknown_switches(names: Iterable[str]) -> list[str]:
    """Return a sentence for each of these names that switches nothing off; imports no plugin."""
    by_point = {point.name: _distribution(point)[0] for point in entry_points(group=PROJECT)}
    own = {PROJECT, *(name for name, distribution in by_point.items() if distribution == PROJECT)}
    known = {ALL, *by_point, *by_point.values()} - own
    sentences = []
    for name in sorted({_plain(name) for name in names}):
        if name in own:
            sentences.append(f"'{name}' is poseplug itself, which cannot be switched off.")
        elif name not in map(_plain, known):
            sentences.append(f"There is no plugin '{name}' to switch off.{did_you_mean(name, known)}")
    return sentences


def _plain(name: str) -> str:
    """Return a name as distributions compare theirs: case and the choice of -, _ and . do not matter."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
