"""COCO's annotations with their images: whole scenes, letterboxed, read when they are drawn."""

import json

import pytest
import torch
from labelled_images import write_labelled
from PIL import Image

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.detection.crops import letterboxed
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.letterbox import Letterbox
from poseplug.core.interfaces import BuildContext
from poseplug.core.keypoints import people
from poseplug.core.sources.mixture import Mixture
from poseplug_datasets.coco import Coco, CocoSettings


@pytest.fixture
def folder(tmp_path):
    write_labelled(tmp_path, 5, size=(60, 100))
    return tmp_path


def opened(folder, **settings):
    settings = {"images": str(folder), "canvas": (48, 64), "min_size": 1.0, **settings}
    return Coco(CocoSettings(path=str(folder / "people.json"), **settings), BuildContext())


def edited(folder, change):
    path = folder / "people.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_letterboxed_images_are_where_letterboxes_put_them():
    # Twice as large, so each pixel is the same as one of the original, but at its edges.
    image = torch.zeros(3, 10, 30, dtype=torch.uint8)
    image[:, 2:6, 20:24] = 200
    canvas = letterboxed(image, (40, 60))
    letterbox = Letterbox.fitting(torch.tensor([[30.0, 10.0]]), 40, 60)
    (left, top), (right, bottom) = letterbox.place(torch.tensor([[[20.0, 2.0], [24.0, 6.0]]]))[0].int().tolist()
    assert (left, top, right, bottom) == (40, 14, 48, 22)
    assert (canvas[:, top + 1 : bottom - 1, left + 1 : right - 1] == 200).all()
    assert canvas.sum().item() == pytest.approx(4 * image.sum().item(), rel=0.01)
    assert not canvas[:, :9].any()
    assert not canvas[:, 31:].any()


def test_small_and_large_images_fill_the_canvas():
    for size in ((7, 9), (333, 512), (700, 100)):
        canvas = letterboxed(torch.full((3, *size), 130, dtype=torch.uint8), (48, 64))
        letterbox = Letterbox.fitting(torch.tensor([[float(size[1]), float(size[0])]]), 48, 64)
        filled = canvas[0].float().sum().item() / 130
        assert filled == pytest.approx(size[0] * size[1] * letterbox.ratio.item() ** 2, rel=0.05)


def test_scenes_come_with_their_images(folder):
    source = opened(folder)
    assert source.has_images
    assert len(source) == 5
    batch = next(source.batches(5))
    assert batch.scenes.image.shape == (5, 3, 48, 64)
    assert batch.scenes.image.dtype == torch.uint8
    # Each joint is a spot of light: brighter there than on average.
    letterbox = Letterbox.fitting(batch.scenes.camera.size, 48, 64)
    column, row = letterbox.place(batch.joints_2d, batch.scene).round().long().unbind(-1)
    light = batch.scenes.image.float().amax(1)
    assert light[batch.scene[:, None], row.clamp(0, 47), column.clamp(0, 63)].mean() > 2 * light.mean()
    drawn = source.sample(3, torch.Generator().manual_seed(0))
    again = source.sample(3, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.scenes.image, again.scenes.image)
    for scene in range(3):
        same = (batch.joints_2d == drawn.joints_2d[drawn.scene == scene]).all(-1).all(-1).nonzero()[0, 0]
        assert torch.equal(batch.scenes.image[batch.scene[same]], drawn.scenes.image[scene])
    assert [len(piece) for piece in source.batches(2)] == [2, 2, 1]
    together = PoseBatch.join(list(source.batches(2)))
    assert torch.equal(together.scenes.image, batch.scenes.image)


def test_without_images_nothing_is_read(folder):
    for path in folder.glob("*.png"):
        path.unlink()
    source = opened(folder, images="")
    assert not source.has_images
    assert next(source.batches(5)).scenes is None
    assert not Mixture([source]).has_images


def test_several_people_of_an_image_are_one_scene(folder):
    edited(folder, lambda d: [a.update(image_id=a["image_id"] // 2) for a in d["annotations"]])
    source = opened(folder)
    assert len(source) == 3
    batch = next(source.batches(3))
    assert batch.scene.tolist() == [0, 0, 1, 1, 2]
    assert batch.scenes.most == 2


def test_hidden_joints_are_no_numbers(folder):
    edited(folder, lambda d: d["annotations"][1]["keypoints"].__setitem__(slice(27, 30), [0, 0, 0]))
    hidden = next(opened(folder, missing="hide").batches(5)).joints_2d
    assert hidden[1, 9].isnan().all()
    assert hidden.isnan().sum() == 2
    put = next(opened(folder, missing="put").batches(5)).joints_2d
    assert torch.equal(torch.where(hidden.isnan(), put, hidden), put)
    assert len(next(opened(folder).batches(5))) == 4


def test_users_mistakes_are_told(folder):
    with pytest.raises(ValueError, match="height and width"):
        CocoSettings(path="x", canvas=(512,))
    Image.new("RGB", (20, 20)).save(folder / "001.png")
    with pytest.raises(PoseplugError, match=r"001.png' is 20 x 20 pixels, and its annotations say 100 x 60"):
        next(opened(folder).batches(5))
    (folder / "001.png").write_bytes(b"no picture")
    with pytest.raises(PoseplugError, match=r"001.png' is damaged"):
        next(opened(folder).batches(5))
    (folder / "001.png").unlink()
    with pytest.raises(PoseplugError, match=r"1 of 5 images of '.*people.json' are not there, such as '.*001.png'"):
        opened(folder)
    edited(folder, lambda d: d["images"].pop(2))
    with pytest.raises(PoseplugError, match="how large image 2 is"):
        opened(folder)


def test_people_of_an_image_are_one_scene_wherever_they_stand_in_a_long_file(folder, monkeypatch):
    """Files are read some people at a time; numbers of images stay what they are."""

    def people_of(document):
        order = [4, 0, 3, 1, 2, 0, 4, 1, 3, 2]
        of_image = {a["image_id"]: a for a in document["annotations"]}
        images = sorted(of_image)
        document["annotations"] = [{**of_image[images[i]], "id": n} for n, i in enumerate(order)]

    edited(folder, people_of)
    at_once = next(opened(folder).batches(5))
    monkeypatch.setattr(people, "CHUNK", 3)
    batch = next(opened(folder).batches(5))
    assert batch.num_scenes == 5
    assert batch.people_per_scene.tolist() == [2] * 5
    assert torch.equal(batch.joints_2d, at_once.joints_2d)
    assert torch.equal(batch.scenes.image, at_once.scenes.image)
