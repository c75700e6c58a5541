"""Peaks of volumes and their means, of volumes whose highest places are known."""

import pytest
import torch
from torch.nn import functional

from poseplug_virtualpose.voxels.peaks import peaks
from poseplug_virtualpose.voxels.soft_argmax import soft_argmax
from poseplug_virtualpose.voxels.space import Grid

GRID = Grid((4.0, 2.0, 3.0), (21, 11, 16))


def gaussian(*places, sigma=0.25):
    """Return a volume [1, X, Y, Z] with a Gaussian of some height about each place."""
    nodes = GRID.offsets(torch.arange(GRID.count))
    bumps = [h * torch.exp(-((nodes - torch.tensor(at)) ** 2).sum(-1) / (2 * sigma**2)) for at, h in places]
    return torch.stack(bumps).amax(0).view(1, *GRID.nodes)


def test_peaks_are_those_of_a_plain_maximum_over_boxes():
    scores = torch.rand(2, *GRID.nodes, generator=torch.Generator().manual_seed(0))
    plain = functional.max_pool3d(scores, 5, stride=1, padding=2)
    height, index = torch.where(plain == scores, scores, 0).flatten(1).topk(10)
    places, heights = peaks(scores, GRID, 10)
    torch.testing.assert_close(heights, height)
    torch.testing.assert_close(places, GRID.offsets(index))


def test_people_are_found_where_they_are_the_highest_first():
    there, here = GRID.offsets(torch.tensor([5 * 11 * 16 + 4 * 16 + 3, 15 * 11 * 16 + 6 * 16 + 12])).tolist()
    places, height = peaks(gaussian((there, 0.6), (here, 0.9)), GRID, 4)
    torch.testing.assert_close(places[0, :2], torch.tensor([here, there]))
    torch.testing.assert_close(height[0, :2], torch.tensor([0.9, 0.6]))
    assert (height[0, 2:] < 0.01).all()


def test_refined_peaks_are_between_the_nodes():
    truth = [0.33, -0.21, 0.47]
    rough, _ = peaks(gaussian((truth, 1.0)), GRID, 1)
    fine, _ = peaks(gaussian((truth, 1.0)), GRID, 1, refined=True)
    off = [(places[0, 0] - torch.tensor(truth)).norm() for places in (rough, fine)]
    assert off[1] < 0.2 * off[0]


def test_peaks_on_the_faces_are_left_on_their_nodes():
    corner = [-2.0, -1.0, -1.5]
    places, _ = peaks(gaussian((corner, 1.0)), GRID, 1, refined=True)
    torch.testing.assert_close(places[0, 0], torch.tensor(corner))


def test_below_zero_there_are_no_peaks():
    _, height = peaks(-torch.rand(1, *GRID.nodes) - 0.1, GRID, 3)
    assert not height.any()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_the_mean_is_that_of_the_softmax(memory_format):
    scores = torch.rand(2, 3, *GRID.nodes, generator=torch.Generator().manual_seed(2)) * 0.2
    share = (100 * scores.double().flatten(2)).softmax(-1)
    expected = share @ GRID.offsets(torch.arange(GRID.count)).double()
    found = soft_argmax(scores.contiguous(memory_format=memory_format), GRID)
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)


def test_of_a_gaussians_logarithm_the_mean_is_its_middle():
    middle = torch.tensor([0.31, -0.12, 0.22])
    nodes = GRID.offsets(torch.arange(GRID.count))
    log = -((nodes - middle) ** 2).sum(-1) / (2 * 0.2**2)
    found = soft_argmax(log.view(1, 1, *GRID.nodes) / 100, GRID)
    torch.testing.assert_close(found[0, 0], middle, rtol=0, atol=2e-3)


def test_gradients_are_those_of_the_softmax():
    scores = torch.rand(1, 2, *GRID.nodes, generator=torch.Generator().manual_seed(4)).mul_(0.1).requires_grad_()
    nodes = GRID.offsets(torch.arange(GRID.count))
    weight = torch.randn(1, 2, 3, generator=torch.Generator().manual_seed(5))
    plain = (100 * scores.flatten(2)).softmax(-1) @ nodes
    expected = torch.autograd.grad((plain * weight).sum(), scores)[0]
    found = torch.autograd.grad((soft_argmax(scores, GRID) * weight).sum(), scores)[0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
