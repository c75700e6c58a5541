"""Frames by the names of their images."""

import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.keypoints.formats.frame_names import frames_by_name, in_order, numbered


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("0.jpg", 0),
        ("frame_000012.jpg", 12),
        ("clip2_000000000007_keypoints.json", 7),
        ("a.b-3.png", 3),
        ("cat.jpg", -1),
        ("", -1),
        ("9" * 30, int("9" * 18)),
    ],
)
def test_numbers(name, number):
    assert numbered(name)[1] == number


def test_names_of_one_video():
    frame = frames_by_name()
    assert [frame(name, "") for name in ("f10.jpg", "f9.jpg", "f9.jpg", 7)] == [10, 9, 9, 7]
    with pytest.raises(PoseplugError, match="item 3: the image 'g1.jpg' is not numbered like the first"):
        frame("g1.jpg", "item 3")


def test_images_without_numbers_count_as_they_appear():
    frame = frames_by_name()
    assert [frame(name, "") for name in ("cat.jpg", "dog7.jpg", "cat.jpg")] == [0, 1, 0]


def test_folders():
    assert in_order(["c_2.json", "c_10.json", "c_1.json"], "") == [(1, "c_1.json"), (2, "c_2.json"), (10, "c_10.json")]
    assert in_order(["cat.json", "ant7.json"], "") == [(0, "ant7.json"), (1, "cat.json")]
    with pytest.raises(PoseplugError, match="frame 1 twice, in 'c_01.json' and 'c_1.json'"):
        in_order(["c_1.json", "c_01.json"], "'folder'")
