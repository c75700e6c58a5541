"""What a lifter saw in training, in figures: closed forms, and that noting it leaves the training alone."""

import cattrs
import pytest
import torch
from toys import STAR, star_batch

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.input_range import Boxes, InputRange, body_size, profile


@pytest.fixture
def batch():
    return star_batch(3000, torch.Generator().manual_seed(0))


def test_figures_of_stick_people():
    line = Skeleton("line", ("top", "mid", "low"), ("", "top", "mid"))
    joints = torch.tensor([[[0.0, 0.0], [0.0, 2.0], [0.0, 8.0]]]).repeat(4, 1, 1)
    found = torch.ones(4, 3, dtype=torch.bool)
    full = torch.tensor([1.0, 3.0])
    # Bones are 2 and 6 long, twice what is full: the size is 2, of one bone as of two, and nothing without any.
    found[1, 0] = False
    found[2, 1] = False
    joints[3] *= 0.5
    size = body_size(joints, found, line, full)
    assert size[[0, 1, 3]].tolist() == [2.0, 2.0, 1.0]
    assert size[2].isnan()
    box = Boxes.around(joints, found)
    assert box.extent[:, 1].tolist() == [8.0, 6.0, 8.0, 4.0]
    assert box.middle[1].tolist() == [0.0, 5.0]
    heights = profile(joints[:1], found[:1])[:, 1]
    assert torch.allclose(heights, (torch.tensor([0.0, 2, 8]) - 10 / 3) / 8)


def test_size_is_the_upper_quartile_of_what_is_known(batch):
    found = torch.rand(3000, 5, generator=torch.Generator().manual_seed(1)) < 0.8
    full = torch.rand(4, generator=torch.Generator().manual_seed(2)) + 0.5
    size = body_size(batch.joints_2d, found, STAR, full)
    for row in range(0, 3000, 100):
        known = [
            float((batch.joints_2d[row, a] - batch.joints_2d[row, b]).norm() / full[bone])
            for bone, (a, b) in enumerate(STAR.bones)
            if found[row, a] and found[row, b]
        ]
        expected = torch.tensor(known).quantile(0.75) if known else torch.tensor(torch.nan)
        assert torch.allclose(size[row], expected, equal_nan=True)


def test_hardly_anyone_of_the_training_is_outside_and_others_are(batch):
    seen = InputRange.of(batch)
    found = torch.ones(3000, 5, dtype=torch.bool)

    def share(pixels):
        return float(seen.outside(pixels, found, batch.camera.size, STAR).float().mean())

    assert share(batch.joints_2d) < 0.04
    assert share(batch.joints_2d + torch.tensor([450.0, 0.0])) > 0.9
    small = 500 + (batch.joints_2d - 500) / 8
    assert share(small) > 0.9
    # Joints that were not found may be anywhere.
    strayed = batch.joints_2d.clone()
    strayed[:, 0] = 1e6
    found[:, 0] = False
    assert share(strayed) < 0.05


def test_it_survives_being_stored(batch):
    seen = InputRange.of(batch)
    assert cattrs.structure(cattrs.unstructure(seen), InputRange) == seen
    assert seen.image == (1000.0, 1000.0)
    assert all(low < middle < high for low, middle, high in (seen.size, seen.height, seen.width, seen.middle_x))


def test_noting_it_draws_nothing_of_the_trainings():
    from small_runs import assemble

    from poseplug.registry.runs.saved_model import seen_in_training

    assembly = assemble()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    seen = seen_in_training(assembly, torch.device("cpu"), seed=1, batch_size=100)
    assert torch.equal(torch.get_rng_state(), before)
    assert seen == seen_in_training(assembly, torch.device("cpu"), seed=1, batch_size=100)
    assert seen.poses == 1600
    large = seen_in_training(assembly, torch.device("cpu"), seed=1, batch_size=10_000)
    assert large.poses == 4096
    assert seen.size[1] == pytest.approx(large.size[1], rel=0.1)
