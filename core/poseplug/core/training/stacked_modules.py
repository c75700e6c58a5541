"""Modules that were built alike, as one module whose tensors are [S, ...]."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import attrs
import torch
from torch import Tensor, nn
from torch.func import functional_call

from poseplug.core.errors import PoseplugError
from poseplug.core.models.vectorise import vectorised
from poseplug.core.tensors import map_tensors

# On the CPU, replicas are computed together up to this product of a replica's poses and parameters: little work, of
# which starting each operation is a large part. Larger products keep the cores busy on their own, and then replicas
# one after the other are faster, because what one of them computes stays in the cache.
_SMALL = 8_000_000

State = dict[str, Tensor]


class Stack(nn.Module):
    """S modules that were built alike, as one whose parameters and buffers are [S, ...].

    What differs between the modules must be in their parameters and buffers.

    Attributes:
        template: the first module's structure with the stacked tensors.
        members: the modules given. Their tensors are slices of the stacked ones, without gradients; they serve to
            evaluate and to save a replica, and for everything but ``forward``.

    Raises:
        PoseplugError: the modules have different tensors.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = tuple(modules)
        self.template = _stacked(modules)
        self._parameters_each = sum(p.numel() for p in modules[0].parameters())
        # Whether torch.vmap can run the forward pass, in training and in evaluation; found out at the first call.
        self._vectorises: dict[bool, bool] = {}

    def forward(self, first: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Return ``forward(first, **inputs)`` of all replicas, row by row in the order of the poses.

        Args:
            first, inputs: tensors with a row for each pose, or records of such tensors.

        Raises:
            PoseplugError: the number of poses is not a multiple of that of the replicas.
        """
        call = _Call(first, inputs)
        poses, count = len(call.tensors[0]), len(self.members)
        if poses % count:
            raise PoseplugError(
                f"{count} seeds are trained together, and a part of this run makes batches of {poses} poses, which "
                f"they cannot share evenly; run the seeds one after the other with --seed."
            )
        busy = call.tensors[0].device.type == "cpu" and poses // count * self._parameters_each > _SMALL
        if not busy and self._can_vectorise(call):
            return self._together(call, self._state())
        return self._in_turn(call)

    def _state(self) -> State:
        return dict(_places(self.template))

    def _together(self, call: _Call, state: State) -> Tensor:
        count = len(self.members)
        shared = [tensor.reshape(-1, count, *tensor.shape[1:]) for tensor in call.tensors]

        def one(state: State, tensors: list[Tensor]) -> Tensor:
            return self._apply_template(state, call.with_tensors(tensors))

        with vectorised():
            result: Tensor = torch.vmap(one, in_dims=(0, 1), out_dims=1, randomness="different")(state, shared)
        return result.flatten(0, 1)

    def _in_turn(self, call: _Call) -> Tensor:
        count = len(self.members)
        # The gradient of ``unbind`` is one copy; slices of buffers must stay views that can be written into.
        slices = {
            name: tensor.unbind() if isinstance(tensor, nn.Parameter) else [tensor[i] for i in range(count)]
            for name, tensor in self._state().items()
        }
        results = []
        for i in range(count):
            state = {name: tensors[i] for name, tensors in slices.items()}
            own = [tensor[i::count].contiguous() for tensor in call.tensors]
            results.append(self._apply_template(state, call.with_tensors(own)))
        return torch.stack(results, 1).flatten(0, 1)

    def _apply_template(self, state: State, call: _Call) -> Tensor:
        # The state names every place of a tied tensor; let torch tie them, and a module with two names keeps a slice.
        result = functional_call(self.template, state, (call.first,), dict(call.inputs), tie_weights=False)
        return cast(Tensor, result)

    def _can_vectorise(self, call: _Call) -> bool:
        """Try two poses of each replica, leaving statistics and random state as they were."""
        training = self.template.training
        if training not in self._vectorises:
            few = call.with_tensors([tensor[: 2 * len(self.members)] for tensor in call.tensors])
            device = call.tensors[0].device
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                try:
                    self._together(few, {name: tensor.detach().clone() for name, tensor in self._state().items()})
                    self._vectorises[training] = True
                except RuntimeError:  # torch's, for operations and control flow that vmap does not take
                    self._vectorises[training] = False
        return self._vectorises[training]

    def adopt_buffers(self) -> None:
        """Take over buffers that a member has replaced by new tensors instead of writing into them."""
        for name, stacked in self.template.named_buffers():
            for member, kept in zip(self.members, stacked, strict=True):
                buffer = member.get_buffer(name)
                if buffer.data_ptr() != kept.data_ptr():
                    kept.copy_(buffer)
                    _put(member, name, kept)


@attrs.frozen
class _Call:
    """The arguments of a forward pass, and the tensors in them in a fixed order."""

    first: Any
    inputs: Mapping[str, Any]

    @cached_property
    def tensors(self) -> list[Tensor]:
        found: list[Tensor] = []

        def note(tensor: Tensor) -> Tensor:
            found.append(tensor)
            return tensor

        map_tensors(note, self._arguments())
        return found

    def with_tensors(self, tensors: Sequence[Tensor]) -> _Call:
        following = iter(tensors)
        arguments = map_tensors(lambda _: next(following), self._arguments())
        return _Call(arguments["first"], arguments["inputs"])

    def _arguments(self) -> dict[str, Any]:
        return {"first": self.first, "inputs": self.inputs}


def _stacked(modules: Sequence[nn.Module]) -> nn.Module:
    """Return a copy of the first module that holds the tensors of all; the modules become views of it."""
    template = copy.deepcopy(modules[0])
    for name, parameter in list(template.named_parameters()):
        values = [module.get_parameter(name) for module in modules]
        stacked = nn.Parameter(_pile(name, values), requires_grad=parameter.requires_grad)
        _put_everywhere(template, parameter, stacked)
        for value, kept in zip(values, stacked.detach(), strict=True):
            value.requires_grad_(False)
            value.data = kept
    for name, buffer in list(template.named_buffers()):
        stacked_buffer = _pile(name, [module.get_buffer(name) for module in modules])
        _put_everywhere(template, buffer, stacked_buffer)
        for module, kept in zip(modules, stacked_buffer, strict=True):
            _put(module, name, kept)
    return template


def _pile(name: str, values: Sequence[Tensor]) -> Tensor:
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) > 1:
        raise PoseplugError(f"'{name}' has another shape under another seed, so that seeds cannot be trained together.")
    return torch.stack([value.detach() for value in values])


def _places(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Give every place of a parameter or buffer once, by name; a tensor that parts share has several."""
    for prefix, child in module.named_modules():
        yield from child.named_parameters(prefix, recurse=False)
        yield from child.named_buffers(prefix, recurse=False)


def _put(module: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, tensor)


def _put_everywhere(module: nn.Module, old: Tensor, new: Tensor) -> None:
    for name in [name for name, tensor in _places(module) if tensor is old]:
        _put(module, name, new)
