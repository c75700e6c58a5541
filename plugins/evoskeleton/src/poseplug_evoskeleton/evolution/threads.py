"""Small tensors on several cores: a thread for each, as an operation on a chunk is too small to be divided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

T = TypeVar("T")
# Just below the largest block by which glibc lets its thresholds grow.
_BLOCK = (32 << 20) - (64 << 10)


def in_threads(device: torch.device, function: Callable[..., T], *arguments: Iterable[Any]) -> Iterator[T]:
    """Give what a function of tensors returns for each of its arguments, in their order.

    On a CPU as many threads work as PyTorch may use, each operation in one of them alone.
    """
    if device.type != "cpu":
        yield from map(function, *arguments)
        return
    # Freeing a large block once lets glibc keep what is freed later, instead of returning it page by page.
    torch.empty(_BLOCK, dtype=torch.uint8)
    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(function, *arguments)
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(function, *arguments)
    finally:
        torch.set_num_threads(threads)


def draw_seeds(n: int, generator: torch.Generator) -> list[int]:
    """Return seeds of chunks that draw for themselves, so that nothing depends on who works on which."""
    return torch.randint(1 << 62, (n,), generator=generator, device=generator.device).tolist()
