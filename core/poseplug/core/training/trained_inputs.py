"""Inputs that are trained: their role in a run, and the seam at which the gradients of those who read them meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import InputProvider, Trained
from poseplug.core.models.inputs import Inputs
from poseplug.core.models.modes import trainable
from poseplug.core.storage.tensor_file import under
from poseplug.core.tensors import map_tensors
from poseplug.core.training.stacked_modules import tensors_in


class TrainedInputs(Trained):
    """The trained ones of a model's input providers as one part: each is a parameter group, by its name.

    Rate and pace are the providers' own where they are of one mind.
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.providers = nn.ModuleDict(
            {name: made for name, made in inputs.networks.items() if isinstance(made, Trained) and trainable(made)}
        )
        rates = {provider.learning_rate for provider in self._each().values()}
        paces = {provider.update_every for provider in self._each().values()}
        self.learning_rate = rates.pop() if len(rates) == 1 else None
        self.update_every = paces.pop() if len(paces) == 1 else 1

    def _each(self) -> dict[str, Any]:
        return dict(self.providers.items())

    def parameter_groups(self) -> Mapping[str, list[nn.Parameter]]:
        return {name: [p for p in made.parameters() if p.requires_grad] for name, made in self.providers.items()}

    def begin_phase(self, groups: frozenset[str]) -> None:
        for name, provider in self._each().items():
            if name in groups:
                provider.begin_phase(frozenset(provider.parameter_groups()))

    def logs(self) -> Mapping[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, provider in self._each().items():
            found |= under(name, provider.logs())
        return found


@attrs.define(eq=False)
class _Made:
    """What a provider made of a batch: the value, what its readers got of it, and its own losses on it."""

    provider: InputProvider
    batch: PoseBatch
    value: Any
    leaves: Any
    own: list[Tensor] = attrs.field(factory=list)

    @property
    def pulled(self) -> list[tuple[Tensor, Tensor | None]]:
        """Those tensors of the value that somebody learned from, with the gradient that they were given."""
        pairs = zip(tensors_in(self.value), tensors_in(self.leaves), strict=True)
        return [(made, leaf.grad) for made, leaf in pairs if leaf.grad is not None]


class Seam:
    """Where trained inputs end and their readers begin.

    Readers get the same tensors cut off, as leaves that want gradients, and each role is updated by a backward pass of
    its own, which ends there. What has come together at the leaves goes back through the providers once.
    """

    def __init__(self) -> None:
        self._made: list[_Made] = []

    def cut(self, provider: InputProvider, batch: PoseBatch, value: Any) -> Any:
        """Return what readers get of a value."""
        leaves = map_tensors(lambda made: made.detach().requires_grad_() if made.requires_grad else made, value)
        self._made.append(_Made(provider, batch, value, leaves))
        return leaves

    @property
    def leaves(self) -> list[Tensor]:
        """All tensors that readers send gradients to."""
        return [leaf for made in self._made for leaf in tensors_in(made.leaves) if leaf.requires_grad]

    def judge(self, provider: InputProvider, batch: PoseBatch, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return a provider's own losses on what it has made of a batch; none if it has made nothing of it."""
        for made in self._made:
            if made.provider is provider and made.batch is batch:
                losses = dict(provider.loss(made.value, batch, **inputs))
                made.own += losses.values()
                return losses
        return {}

    def send_back(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add to the parameters' gradients what the readers and the providers' own losses ask for."""
        wanted = [*parameters, *self.leaves]  # of what is made of another trained input, too
        for made in reversed(self._made):
            roots = [(loss, None) for loss in made.own] + made.pulled
            if roots:
                tensors, gradients = zip(*roots, strict=True)
                torch.autograd.backward(tensors, gradients, inputs=wanted)
