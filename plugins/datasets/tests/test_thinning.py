"""A share of a data set: as many poses as asked for, of every clip its part, the same ones every time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_datasets.h36m import H36M, H36MSettings
from poseplug_datasets.posefile import PoseFileSettings, PoseFileSource
from poseplug_datasets.thinning import thinned


@given(st.integers(1, 5000), st.floats(1e-4, 0.999), st.integers(0, 99))
def test_a_share_is_spread_over_all_poses(poses, share, seed):
    rows = thinned(poses, share, seed)
    count = max(1, round(poses * share))
    assert len(rows) == count
    assert (rows[1:] > rows[:-1]).all()
    assert rows[0] >= 0
    assert rows[-1] < poses
    # A stretch of any length holds its share, up to the two at its ends.
    edges = torch.arange(0, poses, 100)
    held = torch.searchsorted(rows, edges)
    assert ((held - edges * count / poses).abs() <= 2).all()


def test_seeds_draw_different_poses_and_all_poses_are_drawn_by_some():
    drawn = [thinned(40, 0.25, seed) for seed in range(60)]
    assert torch.equal(drawn[0], thinned(40, 0.25, 0))
    assert torch.cat(drawn).unique().tolist() == list(range(40))
    counts = torch.bincount(torch.cat(drawn), minlength=40)
    assert counts.min() > 4
    assert counts.max() < 30


def test_clips_of_a_source_each_give_their_part():
    everything = Builtin(BuiltinSettings(takes=2, frames=20), BuildContext())
    tenth = Builtin(BuiltinSettings(takes=2, frames=20, share=0.1), BuildContext())
    assert len(tenth) == len(everything) / 10
    batch = PoseBatch.join(list(tenth.batches(500)))
    views = torch.stack([batch.labels["action"], batch.labels["subject"]], 1)
    _, counts = views.unique(dim=0, return_counts=True)
    assert counts.tolist() == [2 * 2 * 4] * len(counts)  # takes, frames, cameras


@pytest.mark.parametrize(("source", "settings"), [(H36M, H36MSettings), (PoseFileSource, PoseFileSettings)])
def test_recorded_and_stored_poses_too(source, settings, tmp_path):
    said = source.example_settings(tmp_path)
    whole = source(settings(**said), BuildContext())
    half = source(settings(**said, share=0.5), BuildContext())
    assert len(half) == pytest.approx(len(whole) / 2, abs=4)
    known = {tuple(row) for batch in whole.batches(1000) for row in batch.joints_2d.flatten(1).tolist()}
    kept = [tuple(row) for batch in half.batches(1000) for row in batch.joints_2d.flatten(1).tolist()]
    assert set(kept) < known


def test_each_seed_of_a_run_draws_its_own_unless_told_otherwise():
    def drawn(seed, **said):
        source = Builtin(BuiltinSettings(takes=1, frames=10, share=0.1, **said), BuildContext(seed=seed))
        return next(iter(source.batches(50))).joints_2d

    assert not torch.equal(drawn(0), drawn(1))
    assert torch.equal(drawn(0, share_seed=7), drawn(1, share_seed=7))
