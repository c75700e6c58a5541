"""Noise in maps: drawn only in training, with the frequencies that are promised, by the names of joints."""

import math

import attrs
import pytest
import torch
from canvases import SKELETON, people, provided, provider, rendered, scenes_of

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug_virtualpose.agr.noise import NoiseSettings, covered, noisy
from poseplug_virtualpose.agr.people import People2D, in_turn

N = 4000
QUIET = {
    "jitter": 0.0,
    "joint_drop": 0.0,
    "covered_drop": 0.0,
    "person_drop": 0.0,
    "box_noise": 0.0,
    "dim_peaks": False,
}


def crowd(n=N, skeleton=SKELETON, nearness=None):
    joints = skeleton.num_joints
    places = torch.arange(n * joints * 2.0).view(n, joints, 2) % 97
    return People2D(
        places,
        torch.ones(n, joints),
        torch.full((n,), 4.0),
        places[:, 0],
        torch.tensor([10.0, 20.0, 40.0, 80.0]).expand(n, 4),
        torch.arange(float(n)) if nearness is None else nearness,
        torch.arange(n),
    )


def changed(skeleton=SKELETON, seed=0, of=None, scenes=N, most=1, **settings):
    generator = torch.Generator().manual_seed(seed)
    of = crowd(skeleton=skeleton) if of is None else of
    return noisy(of, skeleton, NoiseSettings(**{**QUIET, **settings}), generator, scenes=scenes, most=most)


def within(share, expected, count, of=5):
    return abs(share - expected) < of * math.sqrt(expected * (1 - expected) / count)


def test_without_noise_nothing_changes():
    people_2d = crowd()
    quiet = changed(of=people_2d)
    assert torch.equal(quiet.places, people_2d.places)
    assert torch.equal(quiet.peak, people_2d.peak)
    assert torch.equal(quiet.boxes, people_2d.boxes)


def test_jitter_is_a_quarter_of_a_deviation():
    moved = changed(jitter=0.25).places - crowd().places
    assert moved.std().item() == pytest.approx(1.0, rel=0.02)
    assert abs(moved.mean()) < 0.02


@pytest.mark.parametrize("name", ["panoptic15", "3dhp17", "h36m17", "coco17", "smpl24"])
def test_peaks_are_dim_by_kinds_of_joints_in_any_layout(name):
    skeleton = LAYOUTS[name]
    peak = changed(skeleton, dim_peaks=True).peak
    assert peak.min() > 0
    assert peak.max() <= 1
    for joint, peaks in zip(skeleton.joints, peak.T, strict=True):
        kind = joint.lstrip("LR").rstrip("0123456789")
        often = 0.35 if kind in ("Elbow", "Wrist", "Spine", "Head") else 0.25
        left = 0.5 if kind == "Wrist" else 0.7
        # 0.9 with a deviation of 0.03, or 1, both times what is left: the highest dim one is below the lowest other.
        dim = peaks < (left + 0.8) / 2
        assert within(dim.float().mean().item(), often, N), joint
        others, rest = peaks[~dim], peaks[dim] / left
        for values in (others, rest):
            whole = values > 0.999
            assert abs(values[~whole].mean().item() - 0.9) < 0.005
            assert within(whole.float().mean().item(), 0.2, len(values), of=6)
        assert others[others < 0.999].std().item() == pytest.approx(0.03, abs=0.003)


def test_joints_people_and_edges_are_lost_or_moved_as_often_as_said():
    joints = changed(joint_drop=0.05).peak == 0
    assert within(joints.float().mean().item(), 0.05, N * 15)
    persons = (changed(person_drop=0.1).peak == 0).float().mean(1)
    assert {*persons.tolist()} == {0.0, 1.0}
    assert within(persons.mean().item(), 0.1, N)
    edges = changed(box_noise=0.03).boxes - crowd().boxes
    assert edges.std(0).tolist() == pytest.approx([0.9, 1.8, 0.9, 1.8], rel=0.05)


def test_joints_behind_somebody_are_those_in_the_box_of_who_is_nearer():
    places = torch.tensor([[[5.0, 5.0], [50.0, 5.0]], [[6.0, 5.0], [7.0, 70.0]], [[5.0, 5.0], [5.0, 5.0]]])
    boxes = torch.tensor([[0.0, 0, 60, 60], [0.0, 0, 20, 80], [0.0, 0, 9, 9]])
    of = People2D(
        places,
        torch.ones(3, 2),
        torch.ones(3),
        places[:, 0],
        boxes,
        torch.tensor([1.0, 2.0, 9.0]),
        torch.tensor([1, 1, 0]),
    )
    # Of the first two, who share a scene, the second is nearer; it covers one joint of the first.
    assert covered(of, 3, 2).tolist() == [[True, False], [False, False], [False, False]]
    skeleton = LAYOUTS["coco17"]
    lost = changed(skeleton, of=of, scenes=3, most=2, covered_drop=1.0).peak
    assert lost.tolist() == [[0, 1], [1, 1], [1, 1]]


def test_rows_of_scenes():
    table = in_turn(torch.tensor([2, 0, 2, 2, 0]), 4, 3)
    assert table.tolist() == [[1, 4, -1], [-1, -1, -1], [0, 2, 3], [-1, -1, -1]]


def test_noise_is_drawn_in_training_only():
    batch = scenes_of(people(4, torch.Generator().manual_seed(0)), [0, 0, 1, 1], 2)
    exact = rendered(batch, noise="never")
    made_by = provider()
    assert torch.equal(provided(made_by, batch).heatmaps, exact.heatmaps)
    made_by.generator = torch.Generator().manual_seed(1)
    first, second = provided(made_by, batch), provided(made_by, batch)
    assert not torch.equal(first.heatmaps, exact.heatmaps)
    assert not torch.equal(first.heatmaps, second.heatmaps)
    made_by.generator = torch.Generator().manual_seed(1)
    assert torch.equal(provided(made_by, batch).heatmaps, first.heatmaps)
    never = provider(noise="never")
    never.generator = torch.Generator().manual_seed(1)
    assert torch.equal(provided(never, batch).heatmaps, exact.heatmaps)
    always = provider(noise="always")
    assert not torch.equal(provided(always, batch).heatmaps, exact.heatmaps)
    assert torch.equal(provided(always, batch).heatmaps, provided(provider(noise="always"), batch).heatmaps)


def test_maps_of_somebody_who_is_lost_are_empty():
    batch = scenes_of(people(2, torch.Generator().manual_seed(0)), [0, 1], 2)
    made_by = provider(person_drop=1.0)
    made_by.generator = torch.Generator()
    maps = provided(made_by, batch)
    assert not maps.heatmaps.any()
    assert not maps.boxes.any()


def test_settings_are_checked():
    with pytest.raises(ValueError, match="at most 1"):
        NoiseSettings(joint_drop=1.5)
    assert {field.name for field in attrs.fields(NoiseSettings)} == {*QUIET}
