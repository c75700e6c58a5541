"""Files of tensors and facts: safetensors, written whole or not at all. Nothing here is a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_whole

FORMAT_VERSION = 1


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON-ready facts to a file; a reader sees the old file or the new one, never a part.

    Raises:
        PoseplugError: the file cannot be written (disk full, no permission).
    """
    # safetensors refuses tensors that share memory or are not contiguous.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    facts = {"poseplug": json.dumps({"format_version": FORMAT_VERSION, **meta})}
    write_whole(path, lambda temporary: save_file(plain, temporary, facts))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote: tensors on the CPU, and the facts.

    Raises:
        PoseplugError: the file is missing, damaged, not poseplug's, or of a later format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {})["poseplug"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise PoseplugError(f"There is no file '{path}'; a finished or interrupted run has one.") from None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise PoseplugError(f"'{path}' is damaged or was not written by poseplug ({error}).") from error
    if meta["format_version"] > FORMAT_VERSION:
        raise PoseplugError(f"'{path}' was written by a later poseplug; install that version to read it.")
    return tensors, meta


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with ``prefix/`` before their names."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def from_under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``prefix/``, without it."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
