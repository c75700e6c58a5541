"""People's boxes, from annotations and from results."""

import json

import pytest

from poseplug.core.detection.boxes import PersonBox, image_names, read_boxes
from poseplug.core.errors import PoseplugError

IMAGES = [{"id": 7, "file_name": "val/a_003.png"}, {"id": 8, "file_name": "b.png"}]


def write(folder, data):
    path = folder / "boxes.json"
    path.write_text(json.dumps(data))
    return path


def test_annotations_have_boxes_by_the_names_of_pictures(tmp_path):
    people = [
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"image_id": 7, "category_id": 1, "bbox": [5, 6, 7, 8.5], "track_id": 4},
        {"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9]},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1},
    ]
    boxes = read_boxes(write(tmp_path, {"annotations": people, "info": {}, "images": IMAGES}))
    assert boxes.of(tmp_path / "a_003.png") == [PersonBox((1, 2, 3, 4)), PersonBox((5, 6, 7, 8.5), 4)]
    assert boxes.of(tmp_path / "b.png") == boxes.of(tmp_path / "c_003.png") == []


def test_the_category_of_people_may_have_another_number(tmp_path):
    people = [{"image_id": 8, "category_id": n, "bbox": [n, 0, 9, 9]} for n in (1, 2)]
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "person"}]
    boxes = read_boxes(write(tmp_path, {"images": IMAGES, "annotations": people, "categories": categories}))
    assert boxes.of(tmp_path / "b.png") == [PersonBox((2, 0, 9, 9))]


def test_results_have_boxes_by_number_and_only_sure_ones_count(tmp_path):
    found = [
        {"image_id": 12, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9},
        {"image_id": 12, "category_id": 1, "bbox": [9, 9, 9, 9], "score": 0.1},
        {"image_id": 12, "category_id": 18, "bbox": [9, 9, 9, 9], "score": 0.9},
        {"image_id": "walk_000013.jpg", "bbox": [5, 6, 7, 8], "score": 0.3},
    ]
    boxes = read_boxes(write(tmp_path, found))
    assert boxes.of(tmp_path / "walk_000012.jpg") == [PersonBox((1, 2, 3, 4))]
    assert boxes.of(tmp_path / "13.png") == [PersonBox((5, 6, 7, 8))]
    assert boxes.of(tmp_path / "portrait.png") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([{"image_id": 1}], r"item \[0\]: bbox is nothing; expected left, top, width and height"),
        ([{"image_id": 1, "bbox": [0, 0, 0, 5]}], "expected left, top, width and height"),
        ([{"image_id": 1, "bbox": [0, 0, float("nan"), 5]}], "expected left, top, width and height"),
        ([{"image_id": "portrait.png", "bbox": [0, 0, 1, 5]}], "image_id is 'portrait.png'; expected a whole number"),
        ([3], r"expected \{image_id, bbox, ...\}, found 3"),
        ({"annotations": []}, "expected lists of 'images' and 'annotations'"),
        ({"annotations": [], "images": [{"id": 3}]}, r"images\[0\]: expected an image with id and file_name"),
    ],
)
def test_what_are_no_boxes_is_named(tmp_path, data, message):
    with pytest.raises(PoseplugError, match=message) as caught:
        read_boxes(write(tmp_path, data))
    assert "boxes.json" in str(caught.value)


def test_names_of_images_keep_their_folders(tmp_path):
    assert image_names(write(tmp_path, {"info": 3, "images": IMAGES})) == {7: "val/a_003.png", 8: "b.png"}
    for data in ([], {"annotations": []}):
        with pytest.raises(PoseplugError, match="has no 'images'"):
            image_names(write(tmp_path, data))
