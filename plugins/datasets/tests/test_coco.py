"""COCO's annotations as poses in 2D."""

import copy
import json
import math
import random
import resource
import time

import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17, LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests
from poseplug_datasets.coco import Coco, CocoSettings

COCO = LAYOUTS["coco17"]
test_coco_keeps_its_promises = conformance_tests("source", Coco)


@pytest.fixture
def example(tmp_path):
    """The document of the example that ``poseplug check`` is given: twelve people, two to an image."""
    Coco.example_settings(tmp_path)
    return json.loads((tmp_path / "person_keypoints.json").read_text())


@pytest.fixture
def opened(tmp_path):
    def open_document(document, run=None, **settings):
        path = tmp_path / "people.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return Coco(CocoSettings(path=str(path), **settings), BuildContext(skeleton=run)).poses

    return open_document


def joint(document, person, name):
    at = 3 * COCO.index(name)
    return document["annotations"][person]["keypoints"][at : at + 2]


def without(document, person, *names):
    """Take key points away: unlabelled ones are zeros."""
    changed = copy.deepcopy(document)
    for name in names:
        at = 3 * COCO.index(name)
        changed["annotations"][person]["keypoints"][at : at + 3] = [0, 0, 0]
    return changed


def test_pixels_are_those_of_the_file(example, opened):
    batch = opened(example)
    assert batch.skeleton == COCO
    assert batch.joints_3d is None
    expected = torch.tensor([a["keypoints"] for a in example["annotations"]]).reshape(-1, 17, 3)[..., :2]
    assert torch.equal(batch.joints_2d, expected)
    assert batch.scene.tolist() == [i // 2 for i in range(12)]


def test_the_camera_follows_from_the_image_and_a_field_of_view(example, opened):
    example["images"][1] |= {"width": 300, "height": 900}
    camera = opened(example, field_of_view=1.2).camera
    assert camera.size[2].tolist() == [300, 900]
    assert camera.centre[2].tolist() == [150, 450]
    # A ray to the edge of the longer side has half of the field of view from the axis.
    edge = torch.stack([torch.tensor([0.0, math.tan(0.6), 1.0])] * len(camera))[:, None]
    assert camera.project(edge)[2, 0].tolist() == pytest.approx([150, 900], abs=1e-3)
    assert torch.equal(camera.focal[:, 0], camera.focal[:, 1])
    assert camera.rotation is None


def test_layouts_of_human36m_are_made_of_cocos_joints(example, opened):
    for run, skeleton in ((H36M_16, H36M_16), (H36M_17, H36M_17), (None, COCO), (LAYOUTS["mpii16"], COCO)):
        assert opened(example, run).skeleton == skeleton
    batch = opened(example, skeleton="h36m16")
    left, right = (torch.tensor(joint(example, 3, f"{side}Hip")) for side in "LR")
    torch.testing.assert_close(batch.joints_2d[3, H36M_16.index("Hip")], (left + right) / 2)
    assert batch.joints_2d[3, H36M_16.index("LFoot")].tolist() == pytest.approx(joint(example, 3, "LAnkle"))
    ears = (torch.tensor(joint(example, 3, "LEar")) + torch.tensor(joint(example, 3, "REar"))) / 2
    thorax = batch.joints_2d[3, H36M_16.index("Thorax")]
    torch.testing.assert_close(batch.joints_2d[3, H36M_16.index("Head")], thorax + 1.5 * (ears - thorax))


def test_people_with_missing_joints_are_dropped_or_put(example, opened):
    document = without(example, 4, "LWrist", "REar")
    assert len(opened(document)) == 11
    assert len(opened(document, skeleton="h36m16")) == 11
    put = opened(document, missing="put", skeleton="h36m16")
    assert len(put) == 12
    wrist, elbow = (put.joints_2d[4, H36M_16.index(name)] for name in ("LWrist", "LElbow"))
    assert torch.equal(wrist, elbow)
    # The other ear is enough for the head.
    whole = opened(without(example, 4, "REar"), skeleton="h36m16")
    assert len(whole) == 12
    assert not torch.equal(whole.joints_2d[4], opened(example, skeleton="h36m16").joints_2d[4])


def test_crowds_and_small_people_are_left_out(example, opened):
    example["annotations"][0]["iscrowd"] = 1
    assert len(opened(example)) == 11
    heights = [0.93 * (200 + 15 * number) for number in range(12)]
    for size in (1, 250, 300):
        assert len(opened(example, min_size=size)) == sum(height >= size for height in heights[1:])
    # Of somebody of whom a single joint is there, nothing can be learnt.
    alone = without(example, 5, *(name for name in COCO.joints if name != "Nose"))
    assert len(opened(alone, missing="put", min_size=1e-3)) == 10


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda d: d, {"min_size": 1e4}, "has nobody of 10000 pixels or more of whom every joint is there"),
        (lambda d: d | {"images": []}, {}, "nothing says how large image 0 is"),
        (lambda d: d | {"annotations": []}, {}, "has annotations of nobody"),
        (lambda d: "[1, 2", {}, "people.json"),
    ],
)
def test_what_cannot_be_read_is_named(example, opened, change, settings, message):
    with pytest.raises(PoseplugError, match=message) as refused:
        opened(change(example), **settings)
    assert "people.json" in str(refused.value)


def places(value):
    """Give every place of a document: its container and its key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from places(item)


STRANGE = (None, -1, 0, 1e300, 1 << 80, float("nan"), float("inf"), "x", [], {}, True, [[1]], -5.5)


def damaged(example, rng):
    document = copy.deepcopy(example)
    for _ in range(rng.choice((1, 1, 3))):
        container, key = rng.choice(list(places(document)))
        if rng.random() < 0.2:
            del container[key]
        else:
            container[key] = rng.choice(STRANGE)
    text = json.dumps(document)
    if rng.random() < 0.4:
        at = rng.randrange(len(text))
        text = rng.choice((text[:at], text[:at] + chr(rng.randrange(1, 255)) + text[at + 1 :], text + text[:at]))
    return text


def test_damage_is_told_or_does_no_harm(example, opened):
    rng, refused, began = random.Random(5), 0, time.perf_counter()
    small = {**example, "annotations": example["annotations"][:4], "images": example["images"][:2]}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(400):
        text = damaged(small, rng)
        try:
            batch = opened(text, **rng.choice(({}, {"skeleton": "h36m17"}, {"missing": "put", "skeleton": "h36m16"})))
        except PoseplugError as error:
            said, refused = str(error), refused + 1
            good = "people.json" in said and "\n" not in said
        else:
            good = all(t.isfinite().all() for t in (batch.joints_2d, batch.camera.focal)) and 0 < len(batch) <= 8
        assert good, text
    assert 100 < refused < 390
    assert time.perf_counter() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes"
