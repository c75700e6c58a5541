"""Depth from features of the scene: intervals that invert, pooling against loops."""

import math

import pytest
import torch
from drawn_maps import inputs_of, scenes_of

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_virtualpose.roots.given_people import Given
from poseplug_virtualpose.roots.tif import TIF, LogBins

CONTEXT = BuildContext(skeleton=H36M_16)


def two_people():
    joints = torch.randn(2, 16, 3, generator=torch.Generator().manual_seed(5)) * 0.2
    return scenes_of(joints + torch.tensor([[[-1.0, 0.0, 5.0]], [[1.2, 0.1, 4.0]]]), 2)


def test_shares_of_intervals_are_inverted_exactly():
    bins = LogBins(64, 1.0, 20.0)
    depths = torch.tensor([1.0, 1.01, 2.0, 7.3, 19.9, 20.0])
    shares = bins.shares(depths)
    torch.testing.assert_close(shares.sum(-1), torch.ones(6))
    assert ((shares > 0).sum(-1) <= 2).all()
    torch.testing.assert_close(bins.expected(shares.log()), depths, rtol=1e-4, atol=1e-4)
    # What is nearer or further away is put at the ends.
    ends = bins.shares(torch.tensor([0.1, 100.0]))
    assert (ends[0, 0], ends[1, -1]) == (1, 1)
    ratio = bins.logs.exp()[1:] / bins.logs.exp()[:-1]
    torch.testing.assert_close(ratio, torch.full((63,), 20 ** (1 / 63)))


def test_depths_are_those_of_the_camera():
    """Whoever gets all of an interval's share is at its depth times focal length over width."""
    batch, estimator = two_people(), TIF(TIF.Config(channels=4), CONTEXT).eval()
    with torch.no_grad():
        estimator.head[-1].weight.zero_()
        estimator.head[-1].bias.fill_(-100.0)[40] = 100.0
    roots = estimator(**inputs_of(batch, TIF.reads))
    depth = math.exp(math.log(20) * 40 / 63) * 700 / 960
    torch.testing.assert_close(roots[:, 2], torch.full((2,), depth), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_features_are_pooled_where_a_persons_joints_are(stride):
    batch, estimator = two_people(), TIF(TIF.Config(channels=4, stride=stride), CONTEXT).eval()
    given = Given.of(H36M_16.root, **inputs_of(batch, TIF.reads))
    features = torch.randn(1, 4, 32 // stride, 60 // stride)
    pooled = estimator.pooled(features, given)
    for person in range(2):
        (left, top), (right, bottom) = given.low[person].tolist(), given.high[person].tolist()
        total, weight = torch.zeros(16, 4), torch.zeros(16)
        for row in range(32 // stride):
            for column in range(60 // stride):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                if left <= x <= right and top <= y <= bottom:
                    cells = (
                        slice(None),
                        slice(row * stride, (row + 1) * stride),
                        slice(column * stride, (column + 1) * stride),
                    )
                    seen = given.maps.heatmaps[0][cells].mean((1, 2))
                    total += seen[:, None] * features[0, :, row, column]
                    weight += seen
        torch.testing.assert_close(pooled[person], total / weight[:, None], rtol=1e-4, atol=1e-5)


def test_the_loss_is_zero_at_certainty_and_counts_the_right_interval():
    batch, estimator = two_people(), TIF(TIF.Config(channels=4), CONTEXT)
    inputs = inputs_of(batch, TIF.reads)
    target = estimator.bins.shares(batch.root[:, 2] * 960 / 700)
    estimator.intervals = lambda given: target.clamp_min(1e-12).log()
    losses = estimator.loss(estimator(**inputs), batch, **inputs)
    assert losses["depth"] < 1e-3
    entropy = -(target * target.clamp_min(1e-12).log()).sum(-1).mean()
    torch.testing.assert_close(losses["bins"], entropy)


def test_the_loss_is_that_of_the_roots_it_is_given():
    """Also where other people were placed in between."""
    estimator = TIF(TIF.Config(channels=4), CONTEXT)
    first, other = two_people(), scenes_of(two_people().joints_3d + torch.tensor([0.0, 0.0, 3.0]), 2)
    inputs = inputs_of(first, TIF.reads)
    with torch.no_grad():
        roots = estimator(**inputs)
        expected = estimator.loss(roots, first, **inputs)
        estimator(**inputs_of(other, TIF.reads))
        again = estimator.loss(roots, first, **inputs)
    torch.testing.assert_close(again["bins"], expected["bins"])
