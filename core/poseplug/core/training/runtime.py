"""Where and how a run computes: device and memory."""

from __future__ import annotations

import ctypes
import sys

import torch

from poseplug.core.errors import PoseplugError

# Parameters of glibc's mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def pick_device(name: str) -> torch.device:
    """Return the device for "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:K".

    Raises:
        PoseplugError: the device is not known or not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise PoseplugError(f"--device '{name}' is not known; expected auto, cpu, cuda or cuda:K.")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= count:
            there = f"{count} CUDA devices are" if count else "no CUDA device is"
            raise PoseplugError(f"--device {name} was asked for, but {there} available; use --device cpu or auto.")
        return torch.device("cuda", int(number or 0))
    return torch.device("cpu")


def retain_freed_memory() -> None:
    """Make glibc keep freed memory for the next step instead of returning it to the system.

    A training step frees what the next one needs again, and fresh pages cost more than much of the arithmetic: a
    SemGCN step at batch 1024 takes a sixth longer without this. Elsewhere than on Linux with glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)
