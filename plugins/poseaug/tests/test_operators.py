from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug_poseaug.operators import (
    length_ratios,
    rotated,
    rotation_matrices,
    rotation_vectors,
    translations,
    turned,
)

component = st.floats(-5.5, 5.5, width=32)


def test_turned_bones_are_unit_vectors_and_frozen_ones_stay() -> None:
    directions = torch.nn.functional.normalize(torch.randn(50, 4, 3), dim=-1)
    residual = torch.randn(50, 4, 3)
    frozen = torch.tensor([False, True, False, False])
    found = turned(directions, residual, frozen)
    assert torch.equal(found[:, 1], directions[:, 1])
    expected = (directions + residual) / (directions + residual).norm(dim=-1, keepdim=True)
    torch.testing.assert_close(found[:, [0, 2, 3]], expected[:, [0, 2, 3]])


def test_length_ratios_are_bounded_shared_and_zero_where_nothing_may_change() -> None:
    output = torch.tensor([[0.5, 100.0, -100.0]])
    found = length_ratios(output, torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0, 1, 2, 0]), 0.2)
    assert found.tolist()[0] == pytest.approx([0.2 * math.tanh(0.5), 0.0, -0.2, 0.2 * math.tanh(0.5)])


@given(component, component, component)
@settings(max_examples=60, deadline=None)
def test_rotations_are_the_exponentials_of_their_vectors(x: float, y: float, z: float) -> None:
    vector = torch.tensor([[x, y, z]], dtype=torch.float64)
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    torch.testing.assert_close(rotation_matrices(vector)[0], torch.linalg.matrix_exp(cross), rtol=0, atol=1e-9)


def test_a_rotation_is_smooth_at_zero() -> None:
    vector = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(rotation_matrices(vector)[0], torch.eye(3, dtype=torch.float64))
    rotation_matrices(vector)[0, 1, 0].backward()
    assert vector.grad is not None
    assert vector.grad.tolist() == [[0.0, 0.0, 1.0]]


def test_rotated_is_the_matrix_product() -> None:
    rotation, points = rotation_matrices(torch.randn(5, 3)), torch.randn(5, 7, 3)
    torch.testing.assert_close(rotated(rotation, points), points @ rotation.mT)


def test_outputs_become_half_turns_and_places_before_the_camera() -> None:
    output = torch.tensor([[0.3, -50.0, 50.0]])
    assert rotation_vectors(output)[0].tolist() == pytest.approx([math.pi * math.tanh(0.3), -math.pi, math.pi])
    assert translations(torch.tensor([[0.3, -2.0, -1.5]]))[0].tolist() == pytest.approx([0.3, -2.0, 2.25])
