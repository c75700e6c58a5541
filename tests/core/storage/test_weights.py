"""Weights of others: read without running anything, taken as a whole or not at all."""

import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.weights import load_weights, take_weights

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(1, dtype=torch.int64)}


def same(found):
    assert list(found) == list(TENSORS)
    return all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize(
    "kept",
    [
        TENSORS,
        OrderedDict(TENSORS),
        {"state_dict": TENSORS, "epoch": 7, "optimizer": {"lr": 0.1}},
        {"model": {f"module.{name}": tensor for name, tensor in TENSORS.items()}},
        {f"module.{name}": tensor for name, tensor in TENSORS.items()},
    ],
    ids=["plain", "ordered", "state_dict", "model", "module"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_are_unwrapped(tmp_path, kept, zipped):
    torch.save(kept, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert same(load_weights(tmp_path / "w.pth"))


def test_safetensors_are_told_by_what_is_in_them(tmp_path):
    save_file(TENSORS, tmp_path / "w.bin")
    assert same(dict(sorted(load_weights(tmp_path / "w.bin").items())))


class Hostile:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("how", ["torch", "old", "pickle"])
def test_a_hostile_pickle_runs_nothing(tmp_path, how):
    path, trace = tmp_path / "w.pth", tmp_path / "trace"
    kept = {"state_dict": {**TENSORS, "x": Hostile(trace)}}
    if how == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Hostile(trace)}))
    else:
        torch.save(kept, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(
        PoseplugError, match=r"ask for more than tensors; they were refused, and nothing of them was run"
    ):
        load_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_damaged_files_are_named(tmp_path, suffix):
    path = tmp_path / f"w.{suffix}"
    torch.save(TENSORS, path) if suffix == "pth" else save_file(TENSORS, path)
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:12], b"", b"hello", whole[:40] + b"\0" * (len(whole) - 40)):
        path.write_bytes(data)
        with pytest.raises(PoseplugError, match=r"damaged|more than tensors") as caught:
            load_weights(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(PoseplugError, match="check the path"):
        load_weights(tmp_path / "none")


@pytest.mark.parametrize("kept", [[1, 2], {"a": 1}, 5, TENSORS["b"]])
def test_what_are_no_weights_is_refused(tmp_path, kept):
    torch.save(kept, tmp_path / "w.pth")
    with pytest.raises(PoseplugError, match="hold no tensors by name"):
        load_weights(tmp_path / "w.pth")


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, classes)


def test_optional_parts_are_taken_whole_or_not_at_all():
    torch.manual_seed(0)
    given, module = Net(5).state_dict() | {"extra": torch.ones(1)}, Net(2)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    del given["head.bias"]
    taken = take_weights(module, given, ("head",), "The weights 'w'")
    after = module.state_dict()
    assert taken.fresh == ("head.weight", "head.bias")
    assert taken.left == ("head.weight", "extra")
    assert torch.equal(after["body.weight"], given["body.weight"])
    assert torch.equal(after["head.weight"], before["head.weight"])


def test_weights_that_do_not_fit_name_the_tensors_and_change_nothing():
    module = Net(2)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    given = {"body.weight": torch.ones(4, 2), "head.weight": torch.ones(2, 4), "head.bias": torch.ones(2)}
    message = r"The weights 'w' do not fit: body.weight is \[4, 2\] instead of \[4, 3\]; body.bias is not there."
    with pytest.raises(PoseplugError, match=message):
        take_weights(module, given, ("head",), "The weights 'w'")
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
