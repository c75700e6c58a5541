"""Posefiles as a source: the poses of another one, chosen by label and split."""

import numpy as np
import pytest
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_writer import write_pose_set
from poseplug.core.data.stored_poses import About
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_datasets.posefile import PoseFileSettings, PoseFileSource

test_posefile_keeps_its_promises = conformance_tests("source", PoseFileSource)


@pytest.fixture(scope="module")
def builtin():
    return Builtin(BuiltinSettings(split="all", takes=1, frames=3), BuildContext())


@pytest.fixture(scope="module")
def folder(builtin, tmp_path_factory):
    path = tmp_path_factory.mktemp("sets") / "builtin"
    about = About(skeleton=builtin.skeleton, label_names=builtin.label_names)
    write_pose_set(path, builtin.batches(100), about, 321)
    return path


@pytest.fixture
def opened(folder):
    return lambda **settings: PoseFileSource(PoseFileSettings(path=str(folder), **settings), BuildContext())


def whole(source, size=100):
    return PoseBatch.join(list(source.batches(size)))


def equal(one, other):
    pairs = [(one.joints_2d, other.joints_2d), (one.absolute, other.absolute)]
    pairs += [(one.camera.rotation, other.camera.rotation), (one.camera.distortion, other.camera.distortion)]
    pairs += [(one.labels[name], other.labels[name]) for name in ("subject", "action")]
    return one.labels.keys() == other.labels.keys() and all(torch.equal(a, b) for a, b in pairs)


def test_the_poses_are_those_of_the_source(builtin, opened):
    source = opened()
    assert len(source) == len(builtin) == 7 * 15 * 3 * 4
    assert source.label_names == builtin.label_names
    assert source.skeleton == builtin.skeleton
    assert equal(whole(source), whole(builtin))
    assert equal(whole(source, 17), whole(source, 5000))


def test_samples_are_its_poses_each_as_often(opened):
    source = opened(subjects=("S9",))
    every = whole(source)
    drawn = source.sample(20_000, torch.Generator().manual_seed(0))
    _, which = torch.unique(torch.cat([every.joints_2d, drawn.joints_2d]).flatten(1), dim=0, return_inverse=True)
    assert which.max() == len(every) - 1  # each is one of them
    counts = torch.bincount(which[len(every) :], minlength=len(every))
    expected = 20_000 / len(every)
    assert ((counts - expected) ** 2 / expected).sum() < len(every) + 5 * (2 * len(every)) ** 0.5  # chi squared
    again = source.sample(20_000, torch.Generator().manual_seed(0))
    assert equal(drawn, again)


def classes(batch, source, label):
    return {source.label_names[label][number] for number in batch.labels[label].tolist()}


def test_subjects_and_actions_are_chosen(builtin, opened):
    source = opened(subjects=("S1", "S9"), actions=("Sitting",))
    batch, every = whole(source), whole(builtin)
    assert classes(batch, source, "subject") == {"S1", "S9"}
    assert classes(batch, source, "action") == {"Sitting"}
    names = builtin.label_names
    wanted = torch.isin(every.labels["subject"], torch.tensor([names["subject"].index(s) for s in ("S1", "S9")]))
    wanted &= every.labels["action"] == names["action"].index("Sitting")
    assert equal(batch, every.select(wanted))


def test_splits_are_apart_and_together_all(builtin, opened):
    for rule in ({"test_subjects": ("S9", "S11")}, {"test_every": 5}):
        train, test = (whole(opened(split=split, **rule)) for split in ("train", "test"))
        assert len(train) + len(test) == len(whole(opened(split="all", **rule))) == len(builtin)
        both = torch.cat([train.joints_2d, test.joints_2d]).flatten(1)
        assert len(both.unique(dim=0)) == len(builtin)
    by_subject = opened(split="test", test_subjects=("S9", "S11"))
    assert classes(whole(by_subject), by_subject, "subject") == {"S9", "S11"}
    assert len(by_subject) == 2 * 15 * 3 * 4
    assert len(whole(opened(split="test", test_every=5))) == len(builtin) // 5
    assert len(opened(split="train")) == len(builtin)


def test_a_stored_split_is_taken(builtin, tmp_path):
    every = whole(builtin)
    test = (torch.arange(len(every)) % 3 == 0).long()
    every = PoseBatch(every.skeleton, every.joints_2d, every.camera, labels={"split": test})
    write_pose_set(
        tmp_path / "set", [every], About(skeleton=every.skeleton, label_names={"split": ("train", "test")}), 500
    )
    for split, expected in (("train", test == 0), ("test", test == 1), ("all", test >= 0)):
        source = PoseFileSource(PoseFileSettings(path=str(tmp_path / "set"), split=split), BuildContext())
        assert torch.equal(whole(source).joints_2d, every.joints_2d[expected])
        assert not source.has_3d


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "test"}, r"Nothing says which poses of .* are test: give test_subjects=\[NAME,NAME\]"),
        ({"subjects": ("S99",)}, "has no subject 'S99'. Did you mean 'S9'"),
        ({"actions": ("Siting",)}, "has no action 'Siting'. Did you mean 'Sitting'"),
        ({"test_subjects": ("S1",), "subjects": ("S1",)}, r"has no poses with split=train, subjects=\[S1\]"),
        ({"test_every": 1}, "has no poses with split=train"),
    ],
)
def test_what_cannot_be_chosen_is_told(opened, settings, message):
    with pytest.raises(PoseplugError, match=message):
        opened(**settings)


def test_two_rules_are_one_too_many(folder):
    with pytest.raises(ValueError, match="give one of them"):
        PoseFileSettings(path=str(folder), test_every=2, test_subjects=("S1",))


def test_labels_that_are_not_there_are_told(builtin, tmp_path):
    write_pose_set(
        tmp_path / "set",
        [PoseBatch(builtin.skeleton, torch.ones(4, 16, 2), whole(builtin).camera.select(slice(4)))],
        About(skeleton=builtin.skeleton),
        4,
    )
    with pytest.raises(PoseplugError, match=r"says nothing of any subject \(its labels: none\)"):
        PoseFileSource(PoseFileSettings(path=str(tmp_path / "set"), subjects=("S1",)), BuildContext())
    source = PoseFileSource(PoseFileSettings(path=str(tmp_path / "set")), BuildContext())
    assert np.array_equal(whole(source).joints_2d, np.ones((4, 16, 2)))
