"""What readers refuse, in which words, and what counts as missing."""

import json
import math

import numpy as np
import pytest
from keypoint_files import COCO_JOINTS, crowd, write_coco_results, write_mmpose, write_openpose

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.json_stream import JsonStream
from poseplug.core.keypoints.open_keypoints import open_keypoints

COCO = LAYOUTS["coco17"]


def read(path, **options):
    return Detections.join([*open_keypoints(path, **options).chunks()])


def results(path, change):
    """Write two people, of whom ``change`` does something to the second's item."""
    items = json.loads(write_coco_results(path, crowd(17, 2)).read_text())
    change(items[1])
    path.write_text(json.dumps(items))
    return path


def test_scores_are_clipped_and_what_is_nan_is_missing(tmp_path):
    def change(item):
        item["keypoints"][:15] = [1, 2, 7.5, 3, 4, -2, math.nan, 5, 0.5, 6, None, 0.5, 7, 8, math.nan]

    found = read(results(tmp_path / "a.json", change))
    assert found.confidence[1, :5].tolist() == [1, 0, 0, 0, 0]
    assert found.joints[1, :5].tolist() == [[1, 2], [0, 0], [0, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (3, math.inf, r"item 1, frame \d+: joint LEye is at \(inf, .*finite score"),
        (4, 2e6, r"item 1, frame \d+: joint LEye is at .*expected pixels"),
        (5, math.inf, "score inf"),
        (3, "12", "item 1: x of joint LEye is '12' where a number"),
        (3, True, "x of joint LEye is True"),
        (50, [1], "item 1: score of joint RAnkle is a list of 1"),
        (3, 10**400, "more than 20 digits"),
    ],
)
def test_numbers(tmp_path, at, value, message):
    path = results(tmp_path / "a.json", lambda item: item["keypoints"].__setitem__(at, value))
    with pytest.raises(PoseplugError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item.update(keypoints=[1, 2, 3]), "item 1: expected 51 numbers.*found 3"),
        (lambda item: item.update(keypoints="many"), "item 1: expected 51 numbers.*found 'many'"),
        (lambda item: item.pop("keypoints"), "item 1: expected {image_id, keypoints, ...}"),
        (lambda item: item.update(image_id=1.5), "item 1: image_id is 1.5; expected a whole number"),
        (lambda item: item.update(image_id=2**63), "item 1: image_id is 9223372036854775808"),
        (lambda item: item.update(image_id=None), "item 1: image_id is nothing"),
    ],
)
def test_people(tmp_path, change, message):
    with pytest.raises(PoseplugError, match=message):
        read(results(tmp_path / "a.json", change))


def test_cut_off(tmp_path):
    path = write_coco_results(tmp_path / "a.json", crowd(17, 3))
    text = path.read_text()
    path.write_text(text[:-200])
    with pytest.raises(PoseplugError, match=r"'.*a.json', character \d+: not JSON"):
        read(path)
    path.write_text(text[:-1])
    with pytest.raises(PoseplugError, match="expected ',', found the end of the file"):
        read(path)
    path.write_text(text + "[]")
    with pytest.raises(PoseplugError, match=r"expected the end of the file, found '\['"):
        read(path)


def test_unknown_says_what_was_looked_for_and_found(tmp_path):
    path = tmp_path / "poses.json"
    path.write_text(json.dumps([{"pose": [1, 2, 3]}]))
    with pytest.raises(PoseplugError, match=r"coco: 'images'.*It is a JSON list.*keys 'pose'.*--format"):
        open_keypoints(path)
    path.write_text("hello")
    with pytest.raises(PoseplugError, match="It is text that"):
        open_keypoints(path)
    with pytest.raises(PoseplugError, match="is empty"):
        open_keypoints(_written(tmp_path / "empty.json", ""))
    with pytest.raises(PoseplugError, match="No format of key points is called 'cocoo'. Did you mean 'coco'"):
        open_keypoints(path, format="cocoo")
    with pytest.raises(PoseplugError, match="There is no file or folder"):
        open_keypoints(tmp_path / "nowhere")
    with pytest.raises(PoseplugError, match="has no JSON files"):
        open_keypoints(_folder(tmp_path / "folder"))


def test_formats_are_found_by_content(tmp_path):
    path = write_mmpose(tmp_path / "misnamed.csv", crowd(17))
    assert open_keypoints(path).format == "mmpose"
    with pytest.raises(PoseplugError, match="'annotations'"):
        open_keypoints(path, format="coco")


def test_skeletons_must_fit(tmp_path):
    path = write_coco_results(tmp_path / "a.json", crowd(17))
    assert open_keypoints(path, skeleton=LAYOUTS["h36m17"]).skeleton.name == "h36m17"
    with pytest.raises(PoseplugError, match="17 joints, the skeleton 'halpe26' has 26"):
        open_keypoints(path, skeleton=LAYOUTS["halpe26"])
    odd = write_coco_results(tmp_path / "b.json", crowd(11))
    with pytest.raises(PoseplugError, match="11 joints; known are 17 .coco17.*--skeleton"):
        open_keypoints(odd)
    own = Skeleton("own", tuple(f"j{i}" for i in range(11)), ("", *["j0"] * 10))
    assert read(odd, skeleton=own).joints.shape == (7, 11, 2)


def test_openpose_frames_in_the_order_of_numbers(tmp_path):
    people = crowd(25, 40)
    folder = write_openpose(tmp_path / "out", people)
    for file in folder.iterdir():
        file.rename(folder / f"clip_{int(file.name.split('_')[1])}_keypoints.json")
    assert read(folder).frame.tolist() == people.frame.tolist()


def test_tables(tmp_path):
    head = "frame," + ",".join(f"{joint}_{part}" for joint in COCO_JOINTS for part in "xy")
    path = _written(tmp_path / "a.csv", f"{head}\n5," + "1,2," * 16 + ",\n")
    found = read(path)
    assert (found.frame.tolist(), found.track.tolist()) == ([5], [-1])
    assert found.confidence[0].tolist() == [1.0] * 16 + [0.0]
    with pytest.raises(PoseplugError, match=r"line 2: right_ankle_y is 'x' where a number"):
        read(_written(path, f"{head}\n5," + "1,2," * 16 + "1,x\n"))
    with pytest.raises(PoseplugError, match="line 3: 2 cells, but 35 columns"):
        read(_written(path, f"{head}\n5," + "1,2," * 16 + "1,2\n1,2\n"))
    with pytest.raises(PoseplugError, match="just its 2 joints"):
        open_keypoints(_written(path, "a_x,a_y,b_x,b_y\n1,2,3,4\n"))
    with pytest.raises(PoseplugError, match="no column 'REye_x'"):
        open_keypoints(_written(path, "nose_x,nose_y,leye_x,leye_y\n1,2,3,4\n"), skeleton=COCO)


def test_long_tables(tmp_path):
    path = _written(tmp_path / "a.csv", "joint,x,y\nNose,1,2\nLEye,3,4\nNose,5,6\n")
    found = read(path, skeleton=COCO)
    assert found.frame.tolist() == [0, 1]
    assert found.joints[:, :2].tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
    with pytest.raises(PoseplugError, match="--skeleton"):
        open_keypoints(path)
    with pytest.raises(PoseplugError, match="line 2: the skeleton 'coco17' has no joint 'Noze'. Did you mean 'Nose'"):
        read(_written(path, "joint,x,y\nNoze,1,2\n"), skeleton=COCO)
    with pytest.raises(PoseplugError, match="line 4: frame 0 after frame 1 of the same person; sort"):
        read(_written(path, "frame,joint,x,y\n0,Nose,1,2\n1,Nose,1,2\n0,LEye,1,2\n"), skeleton=COCO)
    assert read(_written(path, "frame,joint,x,y\n-2,Nose,1,2\n"), skeleton=COCO).frame.tolist() == [-2]
    with pytest.raises(PoseplugError, match="none 'frame'"):
        read(_written(path, "track,joint,x,y\n0,Nose,1,2\n"), skeleton=COCO)
    assert read(_written(path, "joint,x,y,confidence\nNose,1,2,0.5\n"), skeleton=COCO).confidence[0, 0] == 0.5
    with pytest.raises(PoseplugError, match="line 3: joint Nose of frame 0 stands there twice"):
        read(_written(path, "frame,joint,x,y\n0,Nose,1,2\n0,Nose,1,2\n"), skeleton=COCO)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"points": np.ones((2, 26, 2))}, "keypoints"),
        ({"keypoints": np.ones((26, 2))}, r"shape \[26, 2\]; expected \[N, J, 2\]"),
        (
            {"keypoints": np.ones((2, 26, 2)), "scores": np.ones((2, 25))},
            r"shape \[2, 25\] and key points \[2, 26, 2\]",
        ),
        ({"keypoints": np.ones((2, 26, 2)), "frame": np.ones(3)}, r"frame has the shape \[3\]; expected \[2\]"),
        ({"keypoints": np.ones((2, 26, 2)), "track": np.array([0.5, 1])}, "track is not of whole numbers"),
        ({"keypoints": np.ones((2, 26, 2)), "frame": np.array([1e300, 1])}, "frame is not of whole numbers"),
        ({"keypoints": np.ones((2, 26, 2)), "track": np.array([2**64 - 1, 1])}, "track is not of whole numbers"),
        ({"keypoints": np.ones((2, 26, 2)), "size": np.ones(3)}, "size has the shape"),
        ({"keypoints": np.ones((2, 26, 2)), "fps": -1.0}, "fps is -1"),
        ({"keypoints": np.full((2, 26, 2), "1")}, "array of <U1; expected numbers"),
        ({"keypoints": np.ones((2, 26, 2), bool)}, "array of bool"),
    ],
)
def test_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(PoseplugError, match=message):
        read(tmp_path / "a.npz")


def test_nan_of_any_kind_is_missing(tmp_path):
    values = np.ones((1, 26, 2), np.float32)
    values.view(np.uint32)[0, :2, 0] = 0x7F800001, 0xFFC00000  # one that signals, one that does not
    np.save(tmp_path / "a.npy", values)
    found = read(tmp_path / "a.npy")
    assert found.confidence[0, :3].tolist() == [0, 0, 1]
    assert found.joints[0, :3].tolist() == [[0, 0], [0, 0], [1, 1]]


def test_values_of_any_length(tmp_path):
    """Values that end anywhere in the window, and longer ones, are what json makes of the whole file."""
    values = [[0.5] * count for count in (1, 10, 100_000, 500_000)] + ["é" * 300_000, 12345, -1e-5, None, {"a": {}}]
    path = _written(tmp_path / "a.json", json.dumps(values, ensure_ascii=False))
    with JsonStream(path) as stream:
        assert [*stream.items()] == values
        stream.end()
    _written(path, json.dumps(["a" * 40_000_000]))
    with JsonStream(path) as stream, pytest.raises(PoseplugError, match="a single value of more than 16 MB"):
        next(stream.items())


def _written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def _folder(path):
    path.mkdir()
    return path
