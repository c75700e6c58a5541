"""The global random states that a run keeps out of the hands of its parts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from poseplug.registry.conformance.verdict import require


def seed_globally(seed: int) -> None:
    """Seed torch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the old global state is the one to be watched
    random.seed(seed)


class RandomStates:
    """The global random states, as they are now."""

    def __init__(self) -> None:
        self.torch = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
        self.numpy: Any = np.random.get_state()  # noqa: NPY002 - see above
        self.python = random.getstate()

    def check(self, when: str, *, torch_too: bool) -> None:
        """Raise Broken if the states are other ones by now."""
        now = RandomStates()
        require(now.python == self.python, f"Python's global random state changed {when}")
        unchanged = all(np.array_equal(a, b) for a, b in zip(now.numpy, self.numpy, strict=True))
        require(unchanged, f"NumPy's global random state changed {when}")
        if torch_too:
            unchanged = torch.equal(now.torch, self.torch) and all(map(torch.equal, now.cuda, self.cuda))
            require(unchanged, f"torch's global random state changed {when}; draw from the generator it is handed")

    def restore(self) -> None:
        """Set the states to what they were."""
        torch.set_rng_state(self.torch)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
        np.random.set_state(self.numpy)  # noqa: NPY002 - see above
        random.setstate(self.python)
