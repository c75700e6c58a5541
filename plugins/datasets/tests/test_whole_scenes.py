"""Posefiles and annotated images as sources of scenes: images with all who stand in them."""

import json

import attrs
import numpy as np
import pytest
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_writer import write_pose_file, write_pose_set
from poseplug.core.data.stored_poses import About
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import BuildContext
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.api import convert_data, inspect_data
from poseplug.registry.conformance import check_component
from poseplug.registry.conformance.poses import LABELS, STAR, people_in_scenes
from poseplug_datasets.coco import Coco, CocoSettings
from poseplug_datasets.posefile import PoseFileSettings, PoseFileSource

CPU = torch.device("cpu")
SIZES = (2, 1, 3, 3, 1, 2, 4, 2)
ABOUT = About(skeleton=STAR, label_names=LABELS)


def crowd(sizes=SIZES):
    """People in scenes, rows of a scene anywhere; nobody in no scene."""
    return people_in_scenes(sizes, STAR, CPU)


def opened(path, **settings):
    return PoseFileSource(PoseFileSettings(path=str(path), whole_scenes=True, **settings), BuildContext())


def stored(batch, path, numbers=None, shard=0):
    """Write people with some numbers for their scenes; into a folder if shards are to have so many poses."""
    scene = batch.scene if numbers is None else torch.tensor(numbers)[batch.scene]
    people = [attrs.evolve(batch.alone(), scene=scene)]
    if shard:
        write_pose_set(path, people, ABOUT, shard)
    else:
        write_pose_file(path, people, ABOUT, len(batch))
    return path


def inhabitants(batch):
    """For each scene where its camera is and its people's key points, in an order of their own."""
    people = [batch.joints_2d[batch.scene_rows == i].flatten(1).tolist() for i in range(batch.num_scenes)]
    return list(zip(batch.places.camera.position.tolist(), map(sorted, people), strict=True))


def whole(source, size=3):
    return PoseBatch.join(list(source.batches(size)))


@pytest.mark.parametrize("shard", [0, 4])
def test_scenes_come_back_whole_wherever_their_people_lie(tmp_path, shard):
    batch = crowd()
    source = opened(stored(batch, tmp_path / "set", shard=shard))
    assert len(source) == len(SIZES)
    for size in (1, 3, 100):
        batches = list(source.batches(size))
        assert all(part.num_scenes <= size and part.scenes.most == 4 for part in batches)
        assert inhabitants(PoseBatch.join(batches)) == inhabitants(batch)
    again = whole(source)
    assert torch.equal(again.camera.rotation, again.scenes.camera.rotation[again.scene])


def test_scenes_are_in_the_order_of_their_numbers_whatever_these_are(tmp_path):
    batch, numbers = crowd(), [7, -3, 1 << 40, 12, 0, 5, 6, 11]
    source = opened(stored(batch, tmp_path / "set", numbers))
    every = inhabitants(batch)
    assert inhabitants(whole(source)) == [every[i] for i in np.argsort(numbers)]


def test_scenes_are_drawn_each_as_often(tmp_path):
    batch = crowd((2, 1, 3))
    source = opened(stored(batch, tmp_path / "set"))
    drawn = source.sample(3000, torch.Generator().manual_seed(0))
    assert drawn.num_scenes == 3000
    every = {str(place): (i, people) for i, (place, people) in enumerate(inhabitants(batch))}
    found = [(every[str(place)][0], people == every[str(place)][1]) for place, people in inhabitants(drawn)]
    assert all(same for _, same in found)
    counts = np.bincount([i for i, _ in found])
    assert ((counts - 1000) ** 2 / 1000).sum() < 14  # chi squared of two degrees of freedom, one in a thousand
    again = source.sample(3000, torch.Generator().manual_seed(0))
    assert torch.equal(again.joints_2d, drawn.joints_2d)


def test_who_was_not_chosen_takes_the_scene_along(tmp_path):
    batch = crowd()
    ann = LABELS["subject"].index("ann")
    source = opened(stored(batch, tmp_path / "set"), test_subjects=("ann",))
    with_ann = {int(row) for row in batch.scene[batch.labels["subject"] == ann]}
    only = {int(row) for row in batch.scene} - {int(row) for row in batch.scene[batch.labels["subject"] != ann]}
    every = inhabitants(batch)
    assert 0 < len(with_ann) < len(SIZES)
    assert inhabitants(whole(source)) == [every[i] for i in range(len(SIZES)) if i not in with_ann]
    if only:
        test = opened(tmp_path / "set", test_subjects=("ann",), split="test")
        assert inhabitants(whole(test)) == [every[i] for i in sorted(only)]


def test_every_so_many_scenes_one_is_test(tmp_path):
    batch = crowd()
    stored(batch, tmp_path / "set")
    every = inhabitants(batch)
    train, test = (opened(tmp_path / "set", split=split, test_every=3) for split in ("train", "test"))
    assert inhabitants(whole(test)) == [every[2], every[5]]
    assert inhabitants(whole(train)) == [every[i] for i in (0, 1, 3, 4, 6, 7)]


def test_a_share_is_one_of_scenes(tmp_path):
    batch = crowd((2,) * 40)
    source = opened(stored(batch, tmp_path / "set"), share=0.25, share_seed=1)
    assert len(source) == 10
    assert whole(source).people_per_scene.tolist() == [2] * 10
    every = inhabitants(batch)
    assert all(scene in every for scene in inhabitants(whole(source)))


def test_what_cannot_be_is_told(tmp_path):
    batch = crowd((2, 2, 1))
    stored(batch, tmp_path / "set")
    stored(crowd((2, 2)), tmp_path / "pairs")
    with pytest.raises(PoseplugError, match="has no scene in which everybody is chosen"):
        opened(tmp_path / "pairs", subjects=("cat",))
    write_pose_file(tmp_path / "alone", [batch.alone()], ABOUT, 5)
    with pytest.raises(PoseplugError, match="does not say who stands in which scene"):
        opened(tmp_path / "alone")
    source = opened(stored(batch, tmp_path / "views", [4, 8, 4]))  # two cameras of one moment
    with pytest.raises(PoseplugError, match="people of scene 4 were seen by different cameras"):
        whole(source)


def test_converted_scenes_are_the_same(tmp_path):
    batch = crowd((2, 0, 3, 1))
    made = convert_data(PoseTable(batch, LABELS), tmp_path / "set")
    assert made.poses == 6
    again = opened(tmp_path / "set")
    # A scene without anybody leaves nothing in a file.
    assert inhabitants(whole(again)) == [scene for scene in inhabitants(batch) if scene[1]]
    assert again.label_names == LABELS
    twice = convert_data(f"posefile:path={tmp_path / 'set'},whole_scenes=true", tmp_path / "again", shard_size=2)
    assert twice.poses == 6
    assert inhabitants(whole(opened(tmp_path / "again"))) == inhabitants(whole(again))


def test_scenes_of_many_batches_stay_apart(tmp_path):
    """More scenes than a batch has, and more cameras than are told apart when they are written."""
    count = 5000
    joints = torch.rand(2 * count, 5, 3) + torch.tensor([0.0, 0.0, 4.0])
    focal = torch.arange(1000, 1000 + count).float()[:, None].expand(-1, 2).repeat_interleave(2, 0)
    people = PoseBatch.seen(STAR, joints, Camera(focal, focal / 2, focal), scene=torch.arange(2 * count) // 2)
    convert_data(PoseTable(people.gathered()), tmp_path / "set")
    again = whole(opened(tmp_path / "set"), 999)
    assert torch.equal(again.absolute, people.absolute)
    assert torch.equal(again.scene, people.scene)
    assert again.scenes.most == 2


@pytest.mark.parametrize("endless", [False, True])
def test_asked_for_so_many_poses_scenes_stay_whole(tmp_path, endless):
    batch = crowd((2, 2, 3, 1))

    class Drawn(PoseTable.__mro__[2]):  # a source without end
        skeleton, label_names = STAR, LABELS

        def sample(self, n, generator):
            return PoseTable(batch).sample(n, generator)

    source = Drawn() if endless else PoseTable(batch, LABELS)
    made = convert_data(source, tmp_path / "set", poses=6)
    sizes = whole(opened(tmp_path / "set")).people_per_scene.tolist()
    assert made.poses == sum(sizes) == (sum(sizes) if endless else 4)
    assert 3 < made.poses <= 6
    assert all(size in (1, 2, 3) for size in sizes)
    with pytest.raises(PoseplugError, match="has 3 people, and scenes stay whole"):
        convert_data(PoseTable(crowd((3, 1))), tmp_path / "none", poses=2)


def test_inspection_says_who_shares_scenes(tmp_path):
    batch = crowd((2, 0, 3, 1))
    facts = inspect_data(PoseTable(batch, LABELS)).facts
    assert facts["poses"] == facts["looked_at"] == 6
    assert facts["scenes"] == {"number": 4, "people": {"min": 0, "mean": 1.5, "max": 3}}
    stored(batch, tmp_path / "set")
    found = inspect_data(f"posefile:path={tmp_path / 'set'}")
    assert found.facts["scenes"] == {"number": 3, "people": {"min": 1, "mean": 2.0, "max": 3}}
    assert ("scenes", "3, of 1 to 3 people, 2.0 on average") in list(found.lines())
    assert inspect_data(PoseTable(batch.alone(), LABELS)).facts["scenes"] is None


def test_annotated_images_are_scenes(tmp_path):
    Coco.example_settings(tmp_path)
    path = tmp_path / "person_keypoints.json"
    document = json.loads(path.read_text())
    document["annotations"] = [a for a in document["annotations"] if a["id"] != 3]
    path.write_text(json.dumps(document))
    alone = Coco(CocoSettings(path=str(path)), BuildContext())
    source = Coco(CocoSettings(path=str(path), whole_scenes=True), BuildContext())
    assert (len(alone), len(source)) == (11, 6)
    (batch,) = source.batches(10)
    assert batch.people_per_scene.tolist() == [2, 1, 2, 2, 2, 2]
    assert torch.equal(batch.joints_2d, alone.poses.joints_2d)
    assert source.sample(8, torch.Generator()).num_scenes == 8


def test_sources_of_scenes_keep_their_promises(tmp_path):
    path = stored(crowd(), tmp_path / "set", shard=6)
    verdicts = check_component("source", PoseFileSource, {"path": str(path), "whole_scenes": True})
    verdicts += check_component("source", Coco, {**Coco.example_settings(tmp_path), "whole_scenes": True})
    assert [v for v in verdicts if v.state == "failed"] == []
