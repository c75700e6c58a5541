"""The hooks a plugin may implement: one for each kind of component, one for recipes, and one for trained models.

A plugin module (what the ``poseplug`` entry point names) holds hook implementations only. They say names, import
paths and summaries, so that listing never imports a component; the component's own module is imported when it is used.
The module may state ``POSEPLUG_API = 1``, the version of this API that it was written for.

The hooks of the kinds are made from ``poseplug.core.kinds``: ``register_lifters(register: Register)`` and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from poseplug.core.kinds import KINDS, Kind
from poseplug.registry.markers import hookspec


class Register(Protocol):
    """Registers one component."""

    def __call__(self, name: str, target: str, *, summary: str, paper: str = "") -> None:
        """Register a component.

        Args:
            name: what the user types.
            target: where its class is, as "package.module:Class".
            summary: one line, for listings.
            paper: the paper it implements, for listings and result files.
        """


class RegisterRecipe(Protocol):
    """Registers one recipe."""

    def __call__(self, name: str, path: Path, *, summary: str) -> None:
        """Register a TOML file of settings, as ``poseplug run --recipe NAME`` takes it."""


class RegisterModel(Protocol):
    """Registers one trained model."""

    def __call__(self, name: str, path: Path, *, summary: str) -> None:
        """Register the folder of a finished run, to be named where a run is expected.

        It needs ``experiment.toml``, ``model.safetensors`` and ``result.json``, and has a ``README.md``, its card: what
        it was trained on, what it was measured to do, what it is bad at, and the command that trains it again.
        """


@hookspec
def register_recipes(register: RegisterRecipe) -> None:
    """Register recipes."""


@hookspec
def register_models(register: RegisterModel) -> None:
    """Register trained models."""


def _spec(kind: Kind) -> Callable[[Register], None]:
    """Return the hook by which components of a kind are registered."""

    def register_components(register: Register) -> None: ...

    register_components.__name__ = register_components.__qualname__ = kind.hook
    register_components.__doc__ = f"Register classes of {kind.interface.partition(':')[2]}: {kind.question}"
    return hookspec(register_components)


globals().update({kind.hook: _spec(kind) for kind in KINDS})
