import math
import subprocess
import sys

import pytest
import roma
import torch

from poseplug.core.geometry.rotations import euler_to_rotmat, rotvec_to_rotmat


def angles(columns: int, dtype: torch.dtype) -> torch.Tensor:
    """Many sizes of angles, of both signs, none and whole turns among them."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.logspace(-30, 1, 4000, dtype=dtype).repeat_interleave(columns).reshape(-1, columns)
    spread = sizes * torch.randn(len(sizes), columns, generator=generator, dtype=dtype)
    round_ones = torch.cartesian_prod(*[torch.arange(-4, 5, dtype=dtype) * math.pi / 2] * columns)
    return torch.cat([spread, round_ones.reshape(-1, columns)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("axes", ["X", "Y", "Z", "XYZ", "YXZ", "ZYX", "ZXZ", "XY"])
def test_euler_angles_give_what_roma_gives_bit_for_bit(axes, dtype):
    given = angles(len(axes), dtype)
    assert torch.equal(euler_to_rotmat(axes, given), roma.euler_to_rotmat(axes, given))
    folded = given[:12].reshape(3, 2, 2, -1)
    assert torch.equal(euler_to_rotmat(axes, folded), roma.euler_to_rotmat(axes, folded))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rotation_vectors_give_what_roma_gives_bit_for_bit(dtype):
    given = angles(3, dtype)
    assert torch.equal(rotvec_to_rotmat(given), roma.rotvec_to_rotmat(given))
    assert torch.equal(rotvec_to_rotmat(given[7]), roma.rotvec_to_rotmat(given[7]))


def test_a_quarter_turn_about_the_vertical_takes_z_to_x():
    turn = euler_to_rotmat("Y", torch.tensor([math.pi / 2]))
    torch.testing.assert_close(turn @ torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(rotvec_to_rotmat(torch.tensor([0.0, math.pi / 2, 0.0])), turn)


def test_reading_and_making_poses_imports_neither_roma_nor_torchs_compiler():
    modules = "poseplug_datasets.builtin, poseplug_datasets.bvh, poseplug_posegu.fk_generator, poseplug_baselines.mlp"
    program = f"import sys, {modules}; print(sorted({{'roma', 'torch._dynamo'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
