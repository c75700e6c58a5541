"""People in pictures as if they were a file of key points."""

import json

import pytest
import torch
from conformance.detectors import SpotConfig, Spots
from PIL import Image

from poseplug.core.detection.boxes import read_boxes
from poseplug.core.detection.found_in_images import FoundInImages
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug.core.keypoints.detections import Detections

COCO = LAYOUTS["coco17"]


class Corner(Spots):
    """Finds every joint in the middle of the first pixel, as surely as the crop is bright."""

    def forward(self, images):
        assert not self.training
        assert not torch.is_grad_enabled()
        brightness = images.mean((1, 2, 3))[:, None].expand(-1, 17)
        return torch.zeros(len(images), 17, 2), brightness


def corner():
    return Corner(SpotConfig(side=20), BuildContext(skeleton=COCO)).train()


def write(folder, name, size, grey):
    folder.mkdir(exist_ok=True)
    Image.new("L", size, grey).save(folder / name)


def test_joints_come_back_to_the_image_with_frame_size_and_track(tmp_path):
    write(tmp_path / "walk", "walk_7.png", (40, 40), 255)
    write(tmp_path / "walk", "walk_12.png", (80, 60), 51)
    boxes = [
        {"image_id": 12, "bbox": [10, 20, 20, 20], "track_id": 3},
        {"image_id": 12, "bbox": [0, 0, 40, 60], "track_id": 5},
        {"image_id": 7, "bbox": [4, 6, 20, 20]},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    detector = corner()
    told = []
    file = FoundInImages.of("corner", detector, tmp_path / "walk", read_boxes(tmp_path / "boxes.json"))
    file.progress = lambda done, total: told.append((done, total))
    found = Detections.join([*file.chunks()])
    assert detector.training, "left as it was"
    assert found.frame.tolist() == [7, 12, 12]
    assert found.track.tolist() == [-1, 3, 5]
    assert found.size.tolist() == [[40, 40], [80, 60], [80, 60]]
    # The box of 40 x 60 becomes 60 x 60, from -10 on; a pixel of its crop is three of the image, the middle the second.
    assert found.joints[:, 0].tolist() == [[4, 6], [10, 20], [-9, 1]]
    # A sixth of it lies outside, and is black.
    assert found.confidence[:, 0].tolist() == pytest.approx([1, 0.2, 0.2 * 5 / 6], abs=1e-3)
    assert told == [(1, 2), (2, 2)]


def test_without_boxes_a_person_is_as_large_as_the_picture(tmp_path):
    write(tmp_path, "a.png", (40, 20), 100)
    (found,) = FoundInImages.of("corner", corner(), tmp_path / "a.png").chunks()
    assert found.box.tolist() == [[0, 0, 40, 20]]
    assert found.joints[0, 0].tolist() == [0.5, -9.5]


def test_many_people_come_some_at_a_time_in_order(tmp_path):
    write(tmp_path, "1.png", (40, 40), 100)
    boxes = [{"image_id": 1, "bbox": [number, 0, 20, 20]} for number in range(40)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    file = FoundInImages.of("corner", corner(), tmp_path / "1.png", read_boxes(tmp_path / "boxes.json"))
    chunks = [*file.chunks()]
    assert [len(chunk) for chunk in chunks] == [16, 16, 8]
    assert Detections.join(chunks).joints[:, 0, 0].tolist() == list(range(40))
    assert [len(chunk) for chunk in file.chunks()] == [16, 16, 8], "it can be read again"


def test_boxes_of_other_pictures_are_refused(tmp_path):
    write(tmp_path, "1.png", (40, 40), 100)
    (tmp_path / "boxes.json").write_text(json.dumps([{"image_id": 2, "bbox": [0, 0, 9, 9]}]))
    with pytest.raises(PoseplugError, match="has no boxes of '1.png' or any other picture here"):
        FoundInImages.of("corner", corner(), tmp_path / "1.png", read_boxes(tmp_path / "boxes.json"))
