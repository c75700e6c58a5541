"""Modules that were built alike, as one module whose tensors are [S, ...]."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from poseplug.core.errors import PoseplugError
from poseplug.core.models.modes import vectorised
from poseplug.core.tensors import map_tensors

# On the CPU, replicas are computed together up to this product of a replica's poses and parameters: little work, of
# which starting each operation is a large part. Larger products keep the cores busy on their own, and then replicas
# one after the other are faster, because what one of them computes stays in the cache.
_SMALL = 8_000_000

State = dict[str, Tensor]


class Stack(nn.Module):
    """S modules that were built alike, as one whose parameters and buffers are [S, ...].

    What differs between the modules must be in their parameters and buffers. Row i of what it is handed belongs to
    replica i mod S, so that joined batches stay right; each replica is called with its own rows and knows of no other.

    Args:
        template: the structure of one module, with the stacked tensors.
        members: the modules. Their tensors are slices of the stacked ones, without gradients; they serve to evaluate
            and to save a replica.
    """

    def __init__(self, template: nn.Module, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.template = template
        self.members = tuple(members)
        self._parameters_each = sum(p.numel() for p in template.parameters()) // len(self.members)
        # What was one number in the last call, of each replica [S], without gradient, in the order of ``tensors_in``.
        self.numbers: list[Tensor] = []
        # Whether torch.vmap can run the forward pass, in training and in evaluation; found out at the first call.
        self._vectorises: dict[bool, bool] = {}

    @classmethod
    def of(cls, modules: Sequence[nn.Module]) -> Stack:
        """Stack modules, whose tensors become slices of the stacked ones.

        Raises:
            PoseplugError: the modules have different tensors.
        """
        template = copy.deepcopy(modules[0])
        for name, parameter in template.named_parameters():
            values = [module.get_parameter(name) for module in modules]
            parameter.data = _pile(name, values)
            for value, kept in zip(values, parameter.detach(), strict=True):
                value.requires_grad_(False)
                value.data = kept
        for name, buffer in template.named_buffers():
            buffer.data = _pile(name, [module.get_buffer(name) for module in modules])
            for module, kept in zip(modules, buffer, strict=True):
                _put(module, name, kept)
        return cls(template, modules)

    def part(self, name: str) -> Stack:
        """Return the stack of a submodule of each; it shares this stack's tensors."""
        return Stack(self.template.get_submodule(name), [member.get_submodule(name) for member in self.members])

    def forward(self, first: Any, *others: Any) -> Any:
        """Return what the modules return for their rows.

        Args:
            first: a tensor with a row for each pose, or a record, or a mapping of such.
            others: what all are given alike.

        Returns:
            The same structure of tensors that one module returns: a scalar is the mean over the replicas, anything
            else has the rows of all in the order of the poses.

        Raises:
            PoseplugError: the number of poses is not a multiple of that of the replicas.
        """
        tensors = tensors_in(first)
        poses, count = len(tensors[0]), len(self.members)
        for tensor in tensors:
            if len(tensor) % count:
                raise PoseplugError(
                    f"{count} seeds are trained together, and a part of this run makes batches of {len(tensor)} poses, "
                    f"which they cannot share evenly; run the seeds one after the other with --seed."
                )
        busy = tensors[0].device.type == "cpu" and poses // count * self._parameters_each > _SMALL
        if not busy and self._can_vectorise(first, others):
            return self._together(first, others, self._state())
        return self._in_turn(first, others)

    def _state(self) -> State:
        """Return every place of a parameter or buffer by name, of modules with two names by one of them."""
        state: State = {}
        for prefix, child in self.template.named_modules():
            state |= child.named_parameters(prefix, recurse=False)
            state |= child.named_buffers(prefix, recurse=False)
        return state

    def _together(self, first: Any, others: Sequence[Any], state: State) -> Any:
        count, returned = len(self.members), None
        shared = [tensor.reshape(-1, count, *tensor.shape[1:]) for tensor in tensors_in(first)]

        def one(state: State, tensors: list[Tensor]) -> tuple[Tensor, ...]:
            nonlocal returned
            returned = self._apply_template(state, with_tensors(first, tensors), others)
            return tuple(tensors_in(returned))

        with vectorised():
            results = torch.vmap(one, in_dims=(0, 1), randomness="different")(state, shared)
        return self._gathered(returned, results)

    def _in_turn(self, first: Any, others: Sequence[Any]) -> Any:
        count = len(self.members)
        # The gradient of ``unbind`` is one copy; slices of buffers must stay views that can be written into.
        slices = {
            name: tensor.unbind() if isinstance(tensor, nn.Parameter) else [tensor[i] for i in range(count)]
            for name, tensor in self._state().items()
        }
        returned = []
        for i in range(count):
            state = {name: tensors[i] for name, tensors in slices.items()}
            own = [tensor[i::count].contiguous() for tensor in tensors_in(first)]
            returned.append(self._apply_template(state, with_tensors(first, own), others))
        results = zip(*map(tensors_in, returned), strict=True)
        return self._gathered(returned[0], list(map(torch.stack, results)))

    def _gathered(self, returned: Any, results: Sequence[Tensor]) -> Any:
        self.numbers = [result.detach() for result in results if result.ndim == 1]
        return with_tensors(returned, list(map(_of_all, results)))

    def _apply_template(self, state: State, first: Any, others: Sequence[Any]) -> Any:
        # The state names every place of a tied tensor; let torch tie them, and a module with two names keeps a slice.
        return functional_call(self.template, state, (first, *others), tie_weights=False)

    def _can_vectorise(self, first: Any, others: Sequence[Any]) -> bool:
        """Try two poses of each replica, leaving statistics and random states as they were."""
        training = self.template.training
        if training not in self._vectorises:
            tensors = tensors_in(first)
            few = with_tensors(first, [tensor[: 2 * len(self.members)] for tensor in tensors])
            own = [other.clone_state() if isinstance(other, torch.Generator) else other for other in others]
            device = tensors[0].device
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                try:
                    state = {name: tensor.detach().clone() for name, tensor in self._state().items()}
                    self._together(few, own, state)
                    self._vectorises[training] = True
                except RuntimeError:  # torch's, for operations and control flow that vmap does not take
                    self._vectorises[training] = False
        return self._vectorises[training]

    def tell(self, name: str, call: Callable[[Any], None]) -> None:
        """Call something that changes a submodule of each of the modules, other than by its parameters.

        What it writes into buffers of the members stays; the template is called with copies of one member's tensors.
        """
        part = self.part(name)
        tensors = {f"module.{place}": tensor[0].detach().clone() for place, tensor in part._state().items()}
        functional_call(_Told(part.template, call), tensors, (), tie_weights=False)
        for member in part.members:
            call(member)
        part.adopt_buffers()
        self._vectorises.clear()

    def adopt_buffers(self) -> None:
        """Take over buffers that a member has replaced by new tensors instead of writing into them."""
        for name, stacked in self.template.named_buffers():
            for member, kept in zip(self.members, stacked, strict=True):
                buffer = member.get_buffer(name)
                if buffer.data_ptr() != kept.data_ptr():
                    kept.copy_(buffer)
                    _put(member, name, kept)


class _Told(nn.Module):
    """What calls a module, as a module: its tensors can then be others for the time of the call."""

    def __init__(self, module: nn.Module, call: Callable[[Any], None]) -> None:
        super().__init__()
        self.module = module
        self.call = call

    def forward(self) -> None:
        self.call(self.module)


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors in a structure of records, mappings and tuples, in a fixed order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(note, value)
    return found


def with_tensors(value: Any, tensors: Sequence[Tensor]) -> Any:
    """Return the structure with other tensors in the places of its own."""
    following = iter(tensors)
    return map_tensors(lambda _: next(following), value)


def _of_all(results: Tensor) -> Tensor:
    """Return the mean of scalars [S], or of rows [S, N / S, ...] all [N, ...] in the order of the poses."""
    return results.mean() if results.ndim == 1 else results.transpose(0, 1).flatten(0, 1)


def _pile(name: str, values: Sequence[Tensor]) -> Tensor:
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) > 1:
        raise PoseplugError(f"'{name}' has another shape under another seed, so that seeds cannot be trained together.")
    return torch.stack([value.detach() for value in values])


def _put(module: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, tensor)
