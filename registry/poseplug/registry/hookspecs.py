"""The hooks a plugin may implement: one for each interface, and one for recipes.

A plugin module (what the ``poseplug`` entry point names) holds hook implementations only. They say names, import
paths and summaries, so that listing never imports a component; the component's own module is imported when it is used.
The module may state ``POSEPLUG_API = 1``, the version of this API that it was written for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

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


@hookspec
def register_sources(register: Register) -> None:
    """Register classes of PoseSource."""


@hookspec
def register_augmentors(register: Register) -> None:
    """Register classes of Augmentor."""


@hookspec
def register_reweighters(register: Register) -> None:
    """Register classes of Reweighter."""


@hookspec
def register_lifters(register: Register) -> None:
    """Register classes of Lifter."""


@hookspec
def register_discriminators(register: Register) -> None:
    """Register classes of Discriminator."""


@hookspec
def register_roots(register: Register) -> None:
    """Register classes of RootEstimator."""


@hookspec
def register_objectives(register: Register) -> None:
    """Register classes of Objective."""


@hookspec
def register_hooks(register: Register) -> None:
    """Register classes of RunHook: loggers and other run-time hooks."""


@hookspec
def register_recipes(register: RegisterRecipe) -> None:
    """Register recipes."""
