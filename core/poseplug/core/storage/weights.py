"""Weights that others have trained: tensors by name, from safetensors or from checkpoints of PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from poseplug.core.errors import PoseplugError, one_line

# Where checkpoints keep their tensors, and what wrappers of modules put before each name.
_KEYS = ("state_dict", "model_state_dict", "model")
_WRAPPERS = ("module.", "model.")
_SHOWN = 3


def load_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, on the CPU; nothing that a checkpoint names is run.

    A checkpoint may hold them under "state_dict" or "model"; "module." before every name is left out.

    Raises:
        PoseplugError: there is no such file, it is damaged, or it asks for more than tensors.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(16)
    except OSError as error:
        raise PoseplugError(f"Cannot read the weights '{path}': {error.strerror or error}; check the path.") from None
    # Safetensors begin with the length of a header in JSON.
    found = _safetensors(path) if beginning[8:9] == b"{" else _checkpoint(path)
    for prefix in _WRAPPERS:
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise PoseplugError(f"The weights '{path}' are damaged ({one_line(error)}); get the file anew.") from error


def _checkpoint(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            # PyTorch warns of old formats, which users can do nothing about.
            warnings.simplefilter("ignore")
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise PoseplugError(f"The weights '{path}' do not fit into memory.") from None
    except Exception as error:  # of unpickling, zip files and old formats
        said = one_line(error)
        if "Unsupported" in said or "weights_only" in said or "GLOBAL" in said:
            raise PoseplugError(
                f"The weights '{path}' ask for more than tensors; they were refused, and nothing of them was run. "
                "Save the state_dict() alone, best as safetensors."
            ) from error
        raise PoseplugError(
            f"The weights '{path}' are damaged, or neither safetensors nor a checkpoint of PyTorch's ({said:.160})."
        ) from error
    for key in _KEYS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    tensors = isinstance(loaded, Mapping) and {
        name: value for name, value in loaded.items() if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise PoseplugError(f"The weights '{path}' hold no tensors by name; save a module's state_dict().")
    return tensors


@attrs.frozen
class Taken:
    """Which tensors of a file a module has taken.

    Attributes:
        fresh: of the module, not in the file, or of another shape there: they stayed as they were.
        left: of the file, not taken.
    """

    fresh: tuple[str, ...]
    left: tuple[str, ...]


def take_weights(module: nn.Module, tensors: Mapping[str, Tensor], optional: tuple[str, ...], where: str) -> Taken:
    """Copy tensors into a module of the same names, all of it or nothing.

    Args:
        module: what is to have them.
        tensors: by name.
        optional: parts of the module, such as "final_layer", that stay as they are where the file has none that fit.
        where: the file, for messages.

    Raises:
        PoseplugError: tensors of other parts are missing or have another shape; names them.
    """
    own = module.state_dict()
    fits = {name: tensors[name] for name in own if name in tensors and tensors[name].shape == own[name].shape}
    # A part is taken as a whole: half of it would be worse than none.
    parts = [part for part in optional if any(_of(part, name) and name not in fits for name in own)]
    fits = {name: tensor for name, tensor in fits.items() if not any(_of(part, name) for part in parts)}
    fresh = tuple(name for name in own if name not in fits and not name.endswith("num_batches_tracked"))
    wrong = [name for name in fresh if not any(_of(part, name) for part in optional)]
    if wrong:
        raise PoseplugError(f"{where} do not fit: {_listed([_told(name, own, tensors) for name in wrong])}.")
    module.load_state_dict({**own, **fits})
    return Taken(fresh, tuple(name for name in tensors if name not in fits))


def _of(part: str, name: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def _told(name: str, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    wanted = list(own[name].shape)
    return f"{name} is {list(tensors[name].shape)} instead of {wanted}" if name in tensors else f"{name} is not there"


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return "; ".join(words[:_SHOWN]) + more
