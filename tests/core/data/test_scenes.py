"""Scenes in a batch: who stands where, whatever is done with the people."""

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.data.scenes import Scenes, rows_of
from poseplug.core.data.stored_poses import StoredPoses
from poseplug.core.geometry.camera import Camera
from poseplug.registry.conformance.poses import STAR, people_in_scenes, pictured

CPU = torch.device("cpu")
SIZES = st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any)


def scenes_of(sizes, seed=0, named=True):
    """People in scenes; label "who" tells them apart."""
    batch = people_in_scenes(sizes, STAR, CPU, seed)
    return attrs.evolve(batch, labels={"who": torch.arange(len(batch)) + 100 * seed} if named else {})


def inhabitants(batch):
    """For each scene its focal point and position, as a name for it, and who is in it, in order."""
    who, rows = batch.labels["who"].tolist(), batch.scene_rows.tolist()
    names = [tuple(position) for position in batch.places.camera.position.tolist()]
    return [(name, [w for w, row in zip(who, rows, strict=True) if row == i]) for i, name in enumerate(names)]


def consistent(batch):
    """Whether the invariants hold: people have their scene's camera, in scenes that there are, of at most so many."""
    scenes = batch.scenes
    assert batch.num_scenes == len(scenes) == len(batch.people_per_scene)
    assert batch.scene.dtype == torch.int64
    for field in attrs.fields(Camera):
        own, shared = getattr(batch.camera, field.name), getattr(scenes.camera, field.name)
        assert (own is None) == (shared is None)
        assert own is None or torch.equal(own, shared[batch.scene])
    assert len(batch.scene) == len(batch) == int(batch.people_per_scene.sum())
    assert int(batch.people_per_scene.max()) <= scenes.most
    return True


@given(SIZES)
@settings(max_examples=30, deadline=None)
def test_people_are_counted_scene_by_scene(sizes):
    batch = scenes_of(sizes)
    assert consistent(batch)
    assert batch.people_per_scene.tolist() == sizes
    assert batch.places is batch.scenes
    assert batch.scene_rows is batch.scene


def test_alone_everybody_has_a_scene():
    batch = scenes_of([2, 0, 1])
    alone = batch.alone()
    assert (alone.scene, alone.scenes) == (None, None)
    assert alone.num_scenes == len(alone) == 3
    assert alone.scene_rows.tolist() == [0, 1, 2]
    assert alone.people_per_scene.tolist() == [1, 1, 1]
    assert alone.places.camera is alone.camera
    assert (alone.places.most, alone.places.image) == (1, None)
    assert torch.equal(alone.absolute, batch.absolute)
    assert alone.alone() is alone


def test_who_parts_people_need_not_know_of_scenes():
    parted = attrs.evolve(scenes_of([2, 1]), scene=None)
    assert parted.scenes is None
    assert parted.num_scenes == 3


@given(SIZES, st.data())
@settings(max_examples=40, deadline=None)
def test_picking_people_leaves_the_scenes(sizes, data):
    batch = pictured(scenes_of(sizes))
    keep = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch))))
    some = batch.select(keep)
    assert consistent(some)
    assert some.scenes is batch.scenes
    left = [(name, [w for w in who if keep[w]]) for name, who in inhabitants(batch)]
    assert inhabitants(some) == left


@given(SIZES, st.data())
@settings(max_examples=60, deadline=None)
def test_picking_scenes_brings_all_their_people(sizes, data):
    batch = pictured(scenes_of(sizes))
    index = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=7))
    picked = batch.select_scenes(torch.tensor(index, dtype=torch.int64))
    assert len(picked) == sum(sizes[i] for i in index)
    every = inhabitants(batch)
    assert inhabitants(picked) == [every[i] for i in index]
    assert picked.scene.tolist() == sorted(picked.scene.tolist())
    assert torch.equal(picked.scenes.image, batch.scenes.image[index])
    if index:
        assert consistent(picked)


def test_picking_scenes_of_those_who_are_alone_picks_them():
    alone = scenes_of([3]).alone()
    assert alone.select_scenes(torch.tensor([2, 2, 0])).labels["who"].tolist() == [2, 2, 0]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_rows_of_scenes_are_those_of_a_loop(people, data):
    index = data.draw(st.lists(st.integers(0, len(people) - 1), max_size=6))
    rows, place = [], []
    for k, scene in enumerate(index):
        first = sum(people[:scene])
        rows += range(first, first + people[scene])
        place += [k] * people[scene]
    given_people, given_index = torch.tensor(people), torch.tensor(index, dtype=torch.int64)
    for total in (None, len(rows)):
        found = rows_of(given_index, given_people, total)
        assert [t.tolist() for t in found] == [rows, place]


@given(st.lists(SIZES, min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_joined_scenes_follow_each_other(parts):
    batches = [scenes_of(sizes, seed) for seed, sizes in enumerate(parts)]
    joined = PoseBatch.join(batches)
    assert consistent(joined)
    assert inhabitants(joined) == [scene for batch in batches for scene in inhabitants(batch)]
    assert joined.scenes.most == max(max(sizes) for sizes in parts)


def test_beside_scenes_people_alone_are_scenes_of_one():
    two, alone = scenes_of([2, 0]), scenes_of([2], seed=1).alone()
    numbered = attrs.evolve(alone, scene=torch.tensor([7, 7]))  # of the same image, and yet seen alone
    for other in (alone, numbered):
        joined = PoseBatch.join([two, other])
        assert consistent(joined)
        assert inhabitants(joined) == inhabitants(two) + inhabitants(alone)
        assert joined.scenes.most == 2


def test_images_are_joined_if_all_have_some():
    one, two = pictured(scenes_of([1, 2])), pictured(scenes_of([0, 1], seed=1))
    assert torch.equal(PoseBatch.join([one, two]).scenes.image, torch.cat([one.scenes.image, two.scenes.image]))
    assert PoseBatch.join([one, scenes_of([1], seed=1)]).scenes.image is None
    assert PoseBatch.join([one, two.alone()]).scenes.image is None


@given(SIZES)
@settings(max_examples=30, deadline=None)
def test_gathered_people_stand_where_their_numbers_say(sizes):
    batch = scenes_of(sizes)
    numbered = attrs.evolve(batch, scene=1000 - 7 * batch.scene, scenes=None)
    gathered = numbered.gathered()
    assert consistent(gathered)
    assert gathered.scenes.most == max(sizes)
    # Numbers run the other way round, and nobody's order changes; scenes without people have no number.
    assert inhabitants(gathered) == [scene for scene in inhabitants(batch)[::-1] if scene[1]]
    assert gathered.labels["who"].tolist() == batch.labels["who"].tolist()
    assert gathered.gathered() is gathered


def test_nobody_can_be_gathered_without_numbers():
    alone = scenes_of([2]).alone()
    assert alone.gathered() is alone
    nobody = attrs.evolve(alone, scene=torch.tensor([3, 3])).select(slice(0))
    assert nobody.gathered().scenes is None


def test_who_moves_under_the_same_camera_stays_together_without_an_image():
    batch = pictured(scenes_of([2, 0, 1]))
    moved = batch.moved(batch.absolute + 0.1)
    assert consistent(moved)
    assert moved.scenes.image is None
    assert moved.scenes.most == 2
    assert moved.origin.tolist() == [int(Origin.AUGMENTED)] * 3
    assert batch.scenes.image is not None
    apart = batch.moved(batch.absolute, camera=batch.camera)
    assert (apart.scene, apart.scenes) == (None, None)


def test_cameras_of_people_and_scenes_change_alike():
    batch = pictured(scenes_of([2, 0, 1]))
    nearer = batch.under(lambda camera: attrs.evolve(camera, focal=camera.focal * 2))
    assert consistent(nearer)
    assert torch.equal(nearer.camera.focal, 2 * batch.camera.focal)
    assert torch.equal(nearer.joints_2d, batch.joints_2d)
    assert torch.equal(batch.alone().under(Camera.mirrored).camera.centre, batch.camera.mirrored().centre)


def test_a_mirrored_scene_is_mirrored_with_its_image():
    batch = pictured(scenes_of([2, 0, 1]))
    mirrored = batch.mirrored()
    assert consistent(mirrored)
    assert torch.equal(mirrored.scenes.image, batch.scenes.image.flip(-1))
    twice = mirrored.mirrored()
    assert torch.equal(twice.scenes.image, batch.scenes.image)
    torch.testing.assert_close(twice.joints_2d, batch.joints_2d)
    torch.testing.assert_close(twice.scenes.camera.rotation, batch.scenes.camera.rotation)


def test_scenes_go_along_to_a_device_and_lose_no_row_in_a_record_of_poses():
    batch = pictured(scenes_of([2, 1]))
    assert batch.to("meta").scenes.image.device.type == "meta"
    stored = StoredPoses(batch, frame=torch.arange(3))
    some = stored.select(torch.tensor([2]))
    assert some.poses.scenes is batch.scenes
    assert some.frame.tolist() == [2]


def test_scenes_are_records_of_their_own():
    scenes = scenes_of([2, 0, 3]).scenes
    assert len(scenes) == 3
    assert len(scenes.select(torch.tensor([2, 0]))) == 2
    assert Scenes.join([scenes, scenes.select(slice(1))]).most == 3
    assert scenes.mirrored().most == 3
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        scenes.most = 4
