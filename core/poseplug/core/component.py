"""What components have in common, whatever their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs
from torch import Tensor, nn


@attrs.frozen
class NoConfig:
    """The configuration of a component without settings."""


class Component:
    """What all components share: a configuration class, and figures that they may report.

    Attributes:
        Config: the frozen attrs class of the component's settings; its fields, made by
            ``poseplug.core.settings.setting``, explain themselves.
    """

    Config: ClassVar[type] = NoConfig

    def diagnostics(self) -> Mapping[str, float]:
        """Return figures about the run so far; they are stored in its results."""
        return {}

    def logs(self) -> Mapping[str, Tensor]:
        """Return scalars about the last step, left on the device, for the history.

        An augmentor, a reweighter, or a part that is trained.
        """
        return {}


class Reader:
    """What components share that read inputs.

    Attributes:
        reads: names of the inputs that it is handed by keyword; see ``InputProvider``. Where its settings decide, one
            that is built has its own, and ``reads_with`` tells them beforehand.
    """

    reads: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def reads_with(cls, config: Any, reads_of: Callable[[str], frozenset[str]]) -> frozenset[str]:  # noqa: ARG003
        """Return the names of the inputs that one with these settings reads.

        Args:
            config: the settings.
            reads_of: tells those of another of its kind that the settings name, from a specification such as
                "mlp:channels=256".
        """
        return cls.reads


class Trained(Component, nn.Module):
    """What components that are trained share; one without parameters is used as it is.

    Attributes:
        learning_rate: where it differs from the run's.
        update_every: how many of the run's steps go by for each update.
    """

    learning_rate: float | None = None
    update_every: int = 1

    def parameter_groups(self) -> Mapping[str, list[nn.Parameter]]:
        """Return its trainable parameters by name of the group, each in one group.

        A phase may train some groups and leave the others ("lifter:legs"); an objective may give each group of the
        lifter a loss of its own.
        """
        return {"all": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def begin_phase(self, groups: frozenset[str]) -> None:
        """Take note of the groups that are trained from now on, before the first step and whenever they change."""
