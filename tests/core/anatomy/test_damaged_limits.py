"""Damaged files of limits, and damaged tables of Akhter and Black, are refused in one line that names them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mutations import hostile, of_bytes, of_json, read_or_refused

from poseplug.core.anatomy.akhter_black import import_akhter_black
from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.anatomy.limits_file import load_limits
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.storage.tensor_file import load_tensors, save_tensors

LIMBS = limbs_of(H36M_16)


def used(path) -> JointLimits:
    """Read limits and look something up."""
    limits = JointLimits.load(path)
    assert limits.valid(torch.randn(3, len(LIMBS.bones), 5), LIMBS).shape == (len(LIMBS.bones), 5)
    return limits


def test_any_bytes(tmp_path):
    path = tmp_path / "limits.safetensors"
    JointLimits.default().save(path)
    sound = path.read_bytes()
    read = 0
    for content in (*of_bytes(sound, 150), *hostile()):
        path.write_bytes(content)
        read += read_or_refused(lambda: used(path), "limits.safetensors") is not None
    assert read < 150


def test_any_header(tmp_path):
    path = tmp_path / "limits.safetensors"
    JointLimits.default().save(path)
    tensors, meta = load_tensors(path)
    for content in of_json(meta, 200):
        changed = json.loads(content)
        if isinstance(changed, dict) and "format_version" in changed:
            save_tensors(path, tensors, {key: value for key, value in changed.items() if key != "format_version"})
            read_or_refused(lambda: used(path), "limits.safetensors")
    for tensor in (torch.zeros(3), torch.zeros(0, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.bfloat16)):
        save_tensors(path, {**tensors, "head": tensor}, {k: v for k, v in meta.items() if k != "format_version"})
        assert read_or_refused(lambda: load_limits(path), "limits.safetensors") is None


@pytest.mark.parametrize("suffix", [".npy", ".mat"])
def test_any_bytes_of_published_tables(tmp_path, suffix):
    import scipy.io

    path = tmp_path / f"staticPose{suffix}"
    held = {"a": np.ones((3, 1)), "di": np.ones((3, 16))}
    if suffix == ".mat":
        scipy.io.savemat(path, held)
    else:
        np.save(path, np.array(held, object))
    sound = path.read_bytes()
    for content in (*of_bytes(sound, 150), *hostile()):
        path.write_bytes(content)
        # Whole or not, it is only one of the two files, so all of them are refused.
        assert read_or_refused(lambda: import_akhter_black([path]), path.name) is None
