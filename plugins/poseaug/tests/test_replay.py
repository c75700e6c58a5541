from __future__ import annotations

import pytest
import torch

from poseplug_poseaug.replay import ReplayPool

CPU = torch.device("cpu")


def fakes(start: int, n: int) -> torch.Tensor:
    """Rows that can be told apart: their number, and its half."""
    numbers = torch.arange(start, start + n, dtype=torch.float32)
    return torch.stack([numbers, numbers / 2], dim=-1)


def one_after_the_other(stored: list[float], new: list[float], capacity: int, places: list[int], swaps: list[bool]):
    """The released code's loop over one batch, with given draws."""
    returned, full = [], len(stored) >= capacity
    for i, fake in enumerate(new):
        if len(stored) < capacity:
            stored.append(fake)
            returned.append(fake)
        elif swaps[i]:
            place = places[i] if full else (i + capacity - len(new)) % capacity
            returned.append(stored[place])
            stored[place] = fake
        else:
            returned.append(fake)
    return returned


@pytest.mark.parametrize("size", [3, 4, 7])
def test_it_does_what_a_loop_over_the_fakes_does(size: int) -> None:
    pool, capacity, stored = ReplayPool(12, (2,), CPU), 12, []
    generator, twin = (torch.Generator().manual_seed(5) for _ in range(2))
    for batch in range(30):
        new = fakes(batch * size, size)
        places = torch.randperm(capacity, generator=twin)[:size].tolist()
        swaps = (torch.rand(size, generator=twin) < 0.5).tolist()
        entering = max(0, capacity - len(stored))
        if 0 < entering < size:  # The batch that fills it takes the first places in turn.
            expected = new[:entering, 0].tolist()
            stored += expected
            for i in range(entering, size):
                place = i - entering
                expected.append(stored[place] if swaps[i] else float(new[i, 0]))
                stored[place] = float(new[i, 0]) if swaps[i] else stored[place]
        else:
            expected = one_after_the_other(stored, new[:, 0].tolist(), capacity, places, swaps)
        found = pool.mix(new, generator)
        assert found[:, 0].tolist() == expected
        assert torch.equal(found[:, 1], found[:, 0] / 2)
        assert pool.rows[: len(stored), 0].tolist() == stored
        assert int(pool.filled) == len(stored)


def test_a_full_pool_gives_back_half_of_what_it_holds(generator: torch.Generator) -> None:
    pool = ReplayPool(4096, (2,), CPU)
    for start in range(0, 4096, 512):
        assert torch.equal(pool.mix(fakes(start, 512), generator), fakes(start, 512))
    older = sum(int((pool.mix(fakes(10_000 + i * 512, 512), generator)[:, 0] < 4096).sum()) for i in range(8))
    # With 8 x 512 chances of one half each, many of the first 4096 came back, each at most once.
    assert 1200 < older < 2048
    assert int((pool.rows[:, 0] < 4096).sum()) == 4096 - older


def test_of_more_fakes_than_fit_the_rest_passes_by(generator: torch.Generator) -> None:
    pool = ReplayPool(4, (2,), CPU)
    assert torch.equal(pool.mix(fakes(0, 10), generator), fakes(0, 10))
    assert pool.rows[:, 0].tolist() == [0, 1, 2, 3]
    found = pool.mix(fakes(10, 10), generator)
    assert torch.equal(found[4:], fakes(14, 6))
    assert set(found[:4, 0].tolist()) <= {0, 1, 2, 3, 10, 11, 12, 13}


def test_its_whole_state_is_in_its_buffers() -> None:
    one, other = ReplayPool(6, (2,), CPU), ReplayPool(6, (2,), CPU)
    generators = [torch.Generator().manual_seed(2) for _ in range(2)]
    for start in (0, 4, 8):
        one.mix(fakes(start, 4), generators[0])
        torch.randperm(6, generator=generators[1])
        torch.rand(4, generator=generators[1])
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.mix(fakes(20, 4), generators[0]), other.mix(fakes(20, 4), generators[1]))
    assert torch.equal(one.rows, other.rows)
