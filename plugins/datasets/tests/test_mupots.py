import numpy as np
import pytest
import scipy.io
import torch
from published_scenes import MUPOTS_CENTRE, MUPOTS_FOCAL, ORDER_17, mupots_people, write_mupots

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.mupots import MuPoTS, MuPoTSSettings

SAME = {"Hip": "Pelvis", "Thorax": "Neck", "Head": "HeadTop", "LKnee": "LKnee", "RWrist": "RWrist", "RFoot": "RAnkle"}


def source(path, **settings):
    return MuPoTS(MuPoTSSettings(**{"path": str(path), **settings}), BuildContext())


def everything(found, size=3):
    return PoseBatch.join(list(found.batches(size)))


@pytest.fixture
def written(tmp_path):
    found = {number: mupots_people(number) for number in (1, 6)}
    for number, people in found.items():
        write_mupots(tmp_path, number, people)
    return found


def valid(people):
    """Return the valid annotations, frame by frame."""
    return [people[place] for place in sorted(people) if people[place]["isValidFrame"].item()]


@pytest.mark.parametrize("annotation", ["annot3", "univ_annot3"])
def test_valid_people_of_each_frame(tmp_path, written, annotation):
    found = source(tmp_path, annotation=annotation)
    batch = everything(found)
    annotated = [*valid(written[1]), *valid(written[6])]
    assert len(found) == batch.num_scenes == 8
    assert len(batch) == len(annotated) == 22
    assert torch.bincount(batch.scene).tolist() == [2, 3, 3, 3] * 2
    for joint, name in SAME.items():
        place = ORDER_17.index(name)
        expected = np.stack([person[annotation][:, place] for person in annotated]) / 1000
        assert np.abs(batch.joints_3d[:, H36M_16.index(joint)].numpy() - expected).max() < 1e-5
        pixels = np.stack([person["annot2"][:, place] for person in annotated])
        assert np.abs(batch.joints_2d[:, H36M_16.index(joint)].numpy() - pixels).max() < 1e-3
    assert found.measured_2d
    assert found.label_names == {
        "action": ("TS1", "TS6"),
        "subject": ("TS1 0", "TS1 1", "TS1 2", "TS6 0", "TS6 1", "TS6 2"),
    }
    assert batch.labels["subject"].tolist()[:5] == [0, 2, 0, 1, 2]
    assert batch.labels["action"].tolist() == [0] * 11 + [1] * 11


def test_cameras_are_those_that_see_the_poses_at_their_pixels(tmp_path, written):
    batch = everything(source(tmp_path, joints_2d="projected"))
    annotated = everything(source(tmp_path))
    assert (batch.joints_2d - annotated.joints_2d).abs().max() < 0.01
    camera = batch.scenes.camera
    assert camera.rotation is None
    for scene, number, size in ((0, 1, (2048, 2048)), (-1, 6, (1920, 1080))):
        assert camera.focal[scene].tolist() == pytest.approx(MUPOTS_FOCAL, rel=1e-4)
        assert camera.centre[scene].tolist() == pytest.approx(MUPOTS_CENTRE[number], rel=1e-4)
        assert camera.size[scene].tolist() == list(size)


def test_choices(tmp_path, written):
    assert len(source(tmp_path, sequences=(6,))) == len(source(tmp_path / "TS6")) == 4
    assert len(source(tmp_path, stride=3)) == 4  # frames 0 and 3 of both
    alone = source(tmp_path, whole_scenes=False)
    assert len(alone) == 22
    assert everything(alone).scenes is None
    drawn = source(tmp_path).sample(30, torch.Generator().manual_seed(0))
    assert drawn.num_scenes == 30
    assert sorted(torch.bincount(drawn.scene).unique().tolist()) == [2, 3]
    with pytest.raises(PoseplugError, match=r"no '.*TS3/annot.mat'.*SingleShotMultiPerson"):
        source(tmp_path, sequences=(1, 3))
    with pytest.raises(PoseplugError, match=r"no '.*TS1/annot.mat'"):
        source(tmp_path / "elsewhere")


def test_empty_cells_are_nobody(tmp_path):
    people = mupots_people(1)
    whole = len(valid(people))
    people[0, 0] = np.empty((0, 0))
    write_mupots(tmp_path, 1, people)
    assert len(source(tmp_path, whole_scenes=False)) == whole - 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("annot3", np.ones((3, 16)), "frame 1, person 2, annot3, is an array of 3 x 16; expected 3 x 17"),
        ("annot2", np.full((2, 17), np.nan), "frame 1, person 2, annot2, holds nan"),
        ("annot3", np.ones((3, 17)) * 1e3, "annot2 is not the image of annot3"),
        ("annot2", "text", "no array of real numbers"),
        ("isValidFrame", None, "has no field 'isValidFrame'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, key, value, message):
    people = mupots_people(1)
    people[1, 2] = {k: v for k, v in {**people[1, 2], key: value}.items() if v is not None}
    write_mupots(tmp_path, 1, people)
    with pytest.raises(PoseplugError, match=message) as caught:
        source(tmp_path)
    assert "annot.mat" in str(caught.value)


def test_files_that_are_something_else(tmp_path):
    (tmp_path / "TS1").mkdir()
    for facts, message in (
        ({"annotations": np.ones(3)}, "is no cell array"),
        ({"others": 1}, "no array 'annotations'; it has others"),
    ):
        scipy.io.savemat(tmp_path / "TS1" / "annot.mat", facts)
        with pytest.raises(PoseplugError, match=message):
            source(tmp_path)
    people = mupots_people(1)
    for annotation in people.values():
        annotation["isValidFrame"] = np.zeros((1, 1))
    write_mupots(tmp_path, 1, people)
    with pytest.raises(PoseplugError, match="no valid annotation"):
        source(tmp_path)
