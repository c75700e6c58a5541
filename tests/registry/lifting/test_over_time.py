"""People over time: who is who, gaps, smoothing."""

import numpy as np
import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, layout
from poseplug.registry.lifting.arrays import Arrays
from poseplug.registry.lifting.tracking import people as people_module
from poseplug.registry.lifting.tracking.gaps import fill_gaps
from poseplug.registry.lifting.tracking.joints import JointMaker
from poseplug.registry.lifting.tracking.people import gather
from poseplug.registry.lifting.tracking.smoothing import smoothed

RNG = np.random.default_rng(0)
BODY = RNG.uniform(0, 100, (16, 2))


def gathered(tmp_path, joints, frame, track=None, confidence=None):
    file = Arrays.of(torch.tensor(joints), confidence, H36M_16, frame=frame, track=track)
    return gather(file, JointMaker(H36M_16, H36M_16, {}), 0.1, tmp_path / "people")


def at(x, y=0.0):
    return BODY + np.array([x, y])


def crowd(frames, start=0):
    """Two people who pass each other at different heights, their order changing at random from frame to frame."""
    joints, frame, who = [], [], []
    for t in range(start, start + frames):
        two = [(0, at(10 * t, 0)), (1, at(600 - 10 * t, 90))]
        for person, place in two if RNG.random() < 0.5 else two[::-1]:
            joints.append(place + RNG.normal(0, 1, (16, 2)))
            frame.append(t)
            who.append(person)
    return np.array(joints, np.float32), np.array(frame), np.array(who)


@pytest.mark.parametrize("block", [7, 4096])
def test_two_who_pass_each_other_keep_their_tracks(tmp_path, monkeypatch, block):
    monkeypatch.setattr(people_module, "BLOCK", block)
    joints, frame, who = crowd(60)
    shuffled = RNG.permutation(len(joints))  # a file may have its images in any order
    people = gathered(tmp_path, joints[shuffled], frame[shuffled])
    assert people.linked
    assert len(people.tracks) == 2
    for track in people.tracks:
        own = people.order[people.track == track]
        assert len(set(who[shuffled][own])) == 1
        assert (people.frame[people.track == track] == np.arange(60)).all()


def test_who_is_lost_for_some_frames_is_found_again_and_later_is_somebody_else(tmp_path):
    joints, frame, who = crowd(40)
    lost = (who == 0) & (frame >= 10) & (frame < 18)
    people = gathered(tmp_path / "short", joints[~lost], frame[~lost])
    assert len(people.tracks) == 2
    lost = (who == 0) & (frame >= 10) & (frame < 25)
    people = gathered(tmp_path / "long", joints[~lost], frame[~lost])
    assert len(people.tracks) == 3


def test_tracks_of_the_file_are_kept_and_others_get_new_numbers(tmp_path):
    joints, frame, who = crowd(10)
    track = np.where(who == 0, 7, -1)
    people = gathered(tmp_path, joints, frame, track)
    assert people.tracks == [7, 8]
    assert not people.linked  # the other one is alone among those without


def test_one_person_is_one_track_however_far_they_jump(tmp_path):
    joints = np.stack([at(0), at(5000), at(100), at(0)]).astype(np.float32)
    people = gathered(tmp_path, joints, np.array([0, 5, 900, 901]))
    assert people.tracks == [0]
    assert not people.linked


def test_of_two_with_one_track_in_a_frame_the_surer_one_stays(tmp_path):
    joints = np.stack([at(0), at(1), at(2)]).astype(np.float32)
    confidence = np.array([0.5, 0.9, 0.5], np.float32)[:, None].repeat(16, 1)
    people = gathered(tmp_path, joints, [0, 0, 1], [4, 4, 4], confidence)
    assert people.doubled == 1
    assert people.order.tolist() == [1, 2]


def test_choosing_a_person(tmp_path):
    joints, frame, who = crowd(20)
    kept = ~((who == 1) & (frame > 12))
    people = gathered(tmp_path, joints[kept], frame[kept], who[kept])
    assert len(people.of("all")) == 33
    assert people.of("best").tracks == [0]
    assert len(people.of("1")) == 13
    with pytest.raises(PoseplugError, match="--person 5: there is no such track; there are 0, 1"):
        people.of("5")


def test_a_straight_way_is_filled_exactly():
    frame = np.array([0, 1, 2, 4, 5, 9, 10])
    joints = np.stack([np.stack([3.0 * frame, 7 - frame], -1)] * 2, 1)
    found = np.ones((7, 2), bool)
    found[2:5, 0] = False
    found[0, 1] = found[6, 1] = False
    track = np.zeros(7, int)
    holes = np.where(found[..., None], joints, -99.0)
    filled, known = fill_gaps(holes, found, track, frame, longest=7)
    assert known[:, 0].all()
    assert np.allclose(filled[:, 0], joints[:, 0])
    assert not known[0, 1]  # nothing is made up before the first or after the last
    assert not known[6, 1]
    # From frame 1 to frame 9 seven frames lie between; a limit of six leaves them.
    assert not fill_gaps(holes, found, track, frame, longest=6)[1][2:5, 0].any()
    # Another person's joints fill nothing.
    track[4:] = 1
    assert not fill_gaps(holes, found, track, frame, longest=7)[1][2:5, 0].any()


def test_smoothing_is_that_of_savitzky_and_golay():
    signal = pytest.importorskip("scipy.signal")
    values = RNG.normal(size=(50, 6))
    same = np.zeros(50, int)
    ours = smoothed(values, same, np.arange(50), 9)
    theirs = signal.savgol_filter(values, 9, 2, axis=0)
    assert np.allclose(ours[4:-4], theirs[4:-4], atol=1e-9)
    assert not np.allclose(ours[4:-4], values[4:-4], atol=0.1)


def test_parabolas_stay_through_gaps_and_to_the_ends():
    frame = np.array([0, 1, 2, 5, 6, 7, 8, 12, 13, 20, 30, 31])
    time = frame.astype(float)
    values = np.stack([0.5 * time**2 - time + 3, 2 * time], -1)
    values[4] = np.nan
    out = smoothed(values, np.zeros(12, int), frame, 9)
    assert np.isnan(out[4]).all()
    good = np.arange(12) != 4
    assert np.allclose(out[good], values[good], atol=1e-7)


def test_people_are_not_smoothed_into_each_other():
    values = np.concatenate([np.zeros((10, 3)), np.ones((10, 3))])
    track = np.repeat([0, 1], 10)
    assert np.allclose(smoothed(values, track, np.tile(np.arange(10), 2), 7), values, atol=1e-12)


def test_joints_are_made_of_others_and_what_cannot_be_is_said():
    coco = layout("coco17")
    with pytest.raises(PoseplugError, match=r"nothing to make Hip, .*have tip, other.*--map Hip=tip"):
        JointMaker(small_layout(), H36M_16, {})
    make = JointMaker(coco, H36M_16, {"Head": ["LEar", "REar"], "Spine": None})
    joints, confidence = torch.rand(5, 17, 2), torch.full((5, 17), 0.8)
    made, sure = make(joints, confidence)
    ears = joints[:, [coco.index("LEar"), coco.index("REar")]].mean(1)
    assert torch.allclose(made[:, H36M_16.index("Head")], ears)
    assert (sure[:, H36M_16.index("Spine")] == 0).all()
    assert (sure[:, H36M_16.index("LKnee")] == 0.8).all()
    assert "Spine missing" in make.in_words()
    assert "Head of LEar+REar" in make.in_words()


def small_layout():
    from poseplug.core.geometry.skeleton import Skeleton

    return Skeleton("small", ("tip", "other"), ("", "tip"))
