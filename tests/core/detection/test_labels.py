"""Labelled people: joints by their names, boxes, the images they are in."""

import json

import pytest
import torch
from labelled_images import write_labelled

from poseplug.core.detection.crops import CropMaps
from poseplug.core.detection.images import read_image
from poseplug.core.detection.labels import read_labels
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS


@pytest.fixture
def folder(tmp_path):
    write_labelled(tmp_path, 3)
    return tmp_path


def change(folder, change):
    path = folder / "people.json"
    labels = json.loads(path.read_text())
    change(labels)
    path.write_text(json.dumps(labels))
    return path


def test_joints_and_boxes_are_those_of_the_file(tmp_path):
    joints = write_labelled(tmp_path, 3)
    people = read_labels(tmp_path / "people.json", tmp_path)
    assert people.skeleton == LAYOUTS["coco17"]
    torch.testing.assert_close(people.joints, joints)
    assert people.visible.all()
    assert people.box.tolist() == [[0, 0, 50, 60]] * 3
    assert [path.name for path in people.pictures] == ["000.png", "001.png", "002.png"]


def test_unmarked_joints_are_not_visible_and_boxes_follow_from_the_others(folder):
    def without(labels):
        person = labels["annotations"][1]
        del person["bbox"]
        person["keypoints"] = [0, 0, 0] * 15 + [10, 20, 2, 30, 60, 1]

    people = read_labels(change(folder, without), folder)
    assert people.visible.sum(1).tolist() == [17, 2, 17]
    # A quarter more than 20 x 40 about the middle of the joints; points are centres of pixels, boxes have edges.
    assert people.box[1].tolist() == [8, 15.5, 25, 50]


def test_another_layout_is_made_by_names(folder):
    people = read_labels(folder / "people.json", folder, layout=LAYOUTS["h36m16"])
    plain = read_labels(folder / "people.json", folder)
    coco, h36m = LAYOUTS["coco17"], LAYOUTS["h36m16"]
    hips = plain.joints[:, [coco.index("LHip"), coco.index("RHip")]]
    torch.testing.assert_close(people.joints[:, h36m.index("Hip")], hips.mean(1))
    torch.testing.assert_close(people.joints[:, h36m.index("LFoot")], plain.joints[:, coco.index("LAnkle")])


def test_crops_of_several_people_are_their_own(folder):
    people = read_labels(folder / "people.json", folder)
    rows = torch.tensor([2, 0, 2])
    maps = CropMaps.of_boxes(people.box[rows], (60, 50))
    crops = people.crops(rows, maps, (60, 50), torch.device("cpu"))
    for crop, number in zip(crops, (2, 0, 2), strict=True):
        torch.testing.assert_close(crop, read_image(folder / f"00{number}.png") / 255, rtol=0, atol=1e-5)


def test_what_is_missing_is_named(folder):
    (folder / "001.png").unlink()
    with pytest.raises(PoseplugError, match=r"1 of 3 images of '.*people.json' are not there, such as '.*001.png'"):
        read_labels(folder / "people.json", folder)
    with pytest.raises(PoseplugError, match="image 2 has people, and is not among 'images'"):
        read_labels(change(folder, lambda labels: labels["images"].pop()), folder)
    with pytest.raises(PoseplugError, match="has annotations of nobody"):
        read_labels(change(folder, lambda labels: labels["annotations"].clear()), folder)


def test_a_layout_that_cannot_be_made_is_refused(folder):
    with pytest.raises(PoseplugError, match="LToe"):
        read_labels(folder / "people.json", folder, layout=LAYOUTS["3dhp28"])
