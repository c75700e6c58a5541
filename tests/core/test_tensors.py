from collections.abc import Mapping

import attrs
import pytest
import torch
from torch import Tensor

from poseplug.core.tensors import TensorRecord


@attrs.frozen(eq=False)
class Inner(TensorRecord):
    value: Tensor
    extra: Tensor | None = None


@attrs.frozen(eq=False)
class Outer(TensorRecord):
    name: str
    value: Tensor
    inner: Inner
    labels: Mapping[str, Tensor] = attrs.field(factory=dict)
    _private: Tensor | None = None


def outer(n: int, start: int = 0, **labels: Tensor) -> Outer:
    rows = torch.arange(start, start + n)
    return Outer("x", rows, Inner(rows[:, None] * 10), labels or {"a": rows * 2}, private=rows * 3)


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 3), [1, 2]),
        (torch.tensor([3, 0, 0]), [3, 0, 0]),
        (torch.tensor([True, False, False, True]), [0, 3]),
        (slice(0, 0), []),
    ],
)
def test_select_reaches_every_field(index: Tensor | slice, rows: list[int]) -> None:
    found = outer(4).select(index)
    assert found.name == "x"
    assert found.value.tolist() == rows
    assert found.inner.value.tolist() == [[10 * r] for r in rows]
    assert found.inner.extra is None
    assert found.labels["a"].tolist() == [2 * r for r in rows]
    assert found._private.tolist() == [3 * r for r in rows]


def test_select_by_slice_copies_nothing() -> None:
    record = outer(4)
    assert record.select(slice(1, 3)).value.untyped_storage().data_ptr() == record.value.untyped_storage().data_ptr()


def test_to_moves_every_field() -> None:
    found = outer(4).to("meta")
    assert found.name == "x"
    for tensor in (found.value, found.inner.value, found.labels["a"], found._private):
        assert tensor.device.type == "meta"


def test_join_is_the_reverse_of_select() -> None:
    record = outer(5)
    joined = Outer.join([record.select(slice(0, 2)), record.select(slice(2, 2)), record.select(slice(2, 5))])
    assert torch.equal(joined.value, record.value)
    assert torch.equal(joined.inner.value, record.inner.value)
    assert torch.equal(joined.labels["a"], record.labels["a"])


def test_join_keeps_what_all_have() -> None:
    first = outer(1, a=torch.tensor([1]), b=torch.tensor([2]))
    second = outer(1, a=torch.tensor([3]), c=torch.tensor([4]))
    joined = Outer.join([first, attrs.evolve(second, private=None)])
    assert {name: tensor.tolist() for name, tensor in joined.labels.items()} == {"a": [1, 3]}
    assert joined._private is None
    with_extra = attrs.evolve(first, inner=Inner(torch.zeros(1, 1), torch.zeros(1)))
    assert Outer.join([with_extra, second]).inner.extra is None
    assert Outer.join([with_extra, with_extra]).inner.extra.shape == (2,)


def test_join_of_one_is_itself() -> None:
    record = outer(3)
    assert Outer.join([record]) is record
