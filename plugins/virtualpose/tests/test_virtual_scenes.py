import math

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_kit import ROOT, NotWaiting, distances, in_world, scenes_of, seeded, some_people

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext, FiniteSource
from poseplug.registry.config.resolve import find_part, knowing
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug_virtualpose.scenes.arrangement import root_in_image
from poseplug_virtualpose.scenes.virtual_scenes import VirtualScenes


def angles(camera):
    """Return azimuth and elevation of where cameras look from, and their roll, radians."""
    right, down, forward = camera.rotation.unbind(1)
    azimuth = torch.atan2(-forward[:, 0], -forward[:, 2]) % (2 * math.pi)
    elevation = torch.asin(-forward[:, 1])
    return azimuth, elevation, torch.atan2(right[:, 1], -down[:, 1])


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 5),
    spacing=st.floats(0, 0.8),
    low=st.floats(-0.3, 0.5),
    more=st.floats(0, 0.5),
    distance=st.floats(4, 8),
    seed=st.integers(0, 1000),
)
def test_scenes_are_as_asked_for(count, spacing, low, more, distance, seed):
    source = scenes_of(
        count=count,
        spacing=spacing,
        elevation=(low, low + more),
        distance=(distance, distance),
        roll=0.0,
        outside="keep",
    )
    batch = source.sample(6, seeded(seed))
    assert len(batch) == 6 * count
    assert batch.num_scenes == 6
    assert batch.scenes.most == count
    assert torch.equal(batch.scene, torch.arange(6).repeat_interleave(count))
    assert torch.equal(batch.camera.position, batch.scenes.camera.position[batch.scene])
    assert torch.equal(batch.camera.rotation, batch.scenes.camera.rotation[batch.scene])
    assert torch.equal(batch.camera.project(batch.joints_3d), batch.joints_2d)
    assert batch.joints_3d[..., 2].min() >= 0.5 - 1e-4
    if count > 1:
        assert distances(batch, count).min() >= spacing - 1e-4
    assert in_world(batch)[:, ROOT, [0, 2]].abs().max() <= 2 + 1e-4
    _, elevation, roll = angles(batch.camera)
    assert elevation.min() >= low - 1e-4
    assert elevation.max() <= low + more + 1e-4
    assert roll.abs().max() < 1e-5


def test_people_stay_who_they_are():
    people = some_people(1)
    batch = scenes_of(people).sample(10, seeded())
    expected = bone_lengths(people.joints_3d, H36M_16)
    assert torch.allclose(bone_lengths(batch.joints_3d, H36M_16), expected.expand(len(batch), -1), atol=1e-5)
    height = people.camera.camera_to_world(people.joints_3d)[0, :, 1]
    assert torch.allclose(in_world(batch)[..., 1], height.expand(len(batch), -1), atol=1e-4)
    assert (batch.labels["action"] == people.labels["action"]).all()
    assert (batch.origin == people.origin).all()


def test_cameras_look_at_the_middle_from_all_sides():
    batch = scenes_of().sample(2000, seeded())
    camera = batch.scenes.camera
    azimuth, elevation, roll = angles(camera)
    assert torch.histc(azimuth, 4, 0, 2 * math.pi).min() > 400
    assert -0.087 <= float(elevation.min()) < 0
    assert 0.7 < float(elevation.max()) <= 0.786
    assert 0.045 < float(roll.std()) < 0.06
    assert camera.focal.min() >= 980
    assert camera.focal.max() <= 2100
    assert torch.equal(camera.focal[:, 0], camera.focal[:, 1])
    assert camera.centre.unique(dim=0).tolist() == [[960, 540]]
    # The optical axis meets the vertical above the origin, at the height and the distance of the ranges.
    forward, position = camera.rotation[:, 2], camera.position
    distance = -(position[:, [0, 2]] * forward[:, [0, 2]]).sum(-1) / forward[:, [0, 2]].square().sum(-1)
    target = position + distance[:, None] * forward
    assert target[:, [0, 2]].abs().max() < 1e-4
    assert target[:, 1].min() >= 0.6 - 1e-4
    assert target[:, 1].max() <= 1.4 + 1e-4
    usual = distance <= 7 + 1e-4
    assert usual.all()
    assert distance.min() >= 2.5 - 1e-4


KNOWN = {"azimuth": (1.0, 1.2), "elevation": (0.2, 0.4), "distance": (5.0, 7.0), "focal": (1000.0, 1400.0)}


def test_a_fixed_camera_is_in_the_middle_of_the_ranges():
    camera = scenes_of(camera="fixed", height=(0.9, 0.9), **KNOWN).sample(20, seeded()).scenes.camera
    azimuth, elevation, roll = angles(camera)
    for found, expected in ((azimuth, 1.1), (elevation, 0.3), (roll, 0.0), (camera.focal[:, 0], 1200)):
        assert found.tolist() == pytest.approx([expected] * 20, abs=1e-4)
    target = torch.tensor([0.0, 0.9, 0.0])
    assert torch.linalg.vector_norm(camera.position - target, dim=-1).tolist() == pytest.approx([6.0] * 20, abs=1e-4)


def test_a_jittered_camera_is_nearly_there():
    camera = scenes_of(camera="jittered", height=(0.9, 0.9), **KNOWN).sample(400, seeded()).scenes.camera
    azimuth, elevation, roll = angles(camera)
    distance = torch.linalg.vector_norm(camera.position - torch.tensor([0.0, 0.9, 0.0]), dim=-1)
    for found, middle, most in ((azimuth, 1.1, 0.035), (elevation, 0.3, 0.035), (distance, 6.0, 0.3)):
        off = (found - middle).abs().max()
        assert 0.8 * most < float(off) <= most + 1e-4
    assert roll.abs().max() < 1e-5


def test_equal_generators_give_equal_scenes():
    source = scenes_of()
    first, second, other = (source.sample(8, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.joints_2d, second.joints_2d)
    assert torch.equal(first.scenes.camera.position, second.scenes.camera.position)
    assert not torch.equal(first.scenes.camera.position, other.scenes.camera.position)


def test_somebody_is_seen_where_that_can_be():
    batch = scenes_of(focal=(4000.0, 4000.0), outside="keep").sample(300, seeded())
    seen = root_in_image(batch).view(300, 4)
    assert 0.3 < float(seen.float().mean()) < 0.9
    assert seen.any(1).float().mean() > 0.99


def test_cameras_stand_back_where_nobody_else_would_fit():
    batch = scenes_of(distance=(1.0, 1.0), elevation=(0.0, 0.0), roll=0.0, spread=5.0, count=8, outside="keep").sample(
        40, seeded()
    )
    nearest = batch.joints_3d[..., 2].view(40, -1).amin(1)
    assert nearest.min() >= 0.5 - 1e-4
    backed = torch.linalg.vector_norm(batch.scenes.camera.position[:, [0, 2]], dim=-1) > 1.01
    assert backed.any()
    assert nearest[backed].tolist() == pytest.approx([0.5] * int(backed.sum()), abs=1e-4)


def test_who_is_outside_is_dropped_unweighted_or_kept():
    kept, dropped, unweighted = (
        scenes_of(focal=(2500.0, 2500.0), outside=outside).sample(50, seeded())
        for outside in ("keep", "drop", "unweighted")
    )
    seen = root_in_image(kept)
    assert 0 < seen.sum() < len(seen)
    assert kept.weight is None
    assert torch.equal(dropped.joints_2d, kept.joints_2d[seen])
    assert torch.equal(dropped.scene, kept.scene[seen])
    assert dropped.num_scenes == 50
    assert torch.equal(unweighted.weight, seen.float())
    assert torch.equal(unweighted.joints_2d, kept.joints_2d)


def test_scenes_of_several_sizes():
    batch = scenes_of(count=2, count_max=5, outside="keep").sample(500, seeded())
    sizes = torch.bincount(batch.scene, minlength=500)
    assert batch.scenes.most == 5
    assert sorted(sizes.unique().tolist()) == [2, 3, 4, 5]
    assert torch.histc(sizes.float(), 4, 1.5, 5.5).min() > 80
    with pytest.raises(PoseplugError, match="count_max is 2, fewer than count, 4"):
        scenes_of(count_max=2)


def test_a_set_of_scenes_is_always_the_same():
    source = scenes_of(length=70, count=2, count_max=3, seed=5)
    assert isinstance(source, FiniteSource)
    assert len(source) == 70
    whole, again = (PoseBatch.join(list(source.batches(size))) for size in (70, 11))
    assert [batch.num_scenes for batch in source.batches(33)] == [33, 33, 4]
    assert torch.equal(whole.joints_2d, again.joints_2d)
    assert torch.equal(whole.scene, again.scene)
    assert torch.equal(whole.scenes.camera.position, again.scenes.camera.position)
    other = next(scenes_of(length=70, count=2, count_max=3, seed=6).batches(70))
    assert not torch.equal(other.scenes.camera.position, whole.scenes.camera.position)
    drawn = source.sample(5, seeded())
    known = {tuple(position) for position in whole.scenes.camera.position.tolist()}
    assert {tuple(position) for position in drawn.scenes.camera.position.tolist()} <= known


@pytest.mark.parametrize("outside", ["keep", "unweighted", "drop"])
def test_nobody_waits_for_the_device_but_to_drop_people(outside):
    source = scenes_of(outside=outside)
    source.sample(2, seeded())  # constants are made once
    with NotWaiting():
        if outside == "drop":
            with pytest.raises(AssertionError, match="index"):
                source.sample(2, seeded())
        else:
            source.sample(2, seeded())


def test_scenes_with_images():
    settings = {"images": True, "canvas": (32, 60), "count": 2, "outside": "keep"}
    batch = scenes_of(**settings).sample(3, seeded())
    image = batch.scenes.image
    assert image.shape == (3, 3, 32, 60)
    assert image.dtype == torch.uint8
    assert image.flatten(1).float().std(1).min() > 1
    without = scenes_of(**{**settings, "images": False}).sample(3, seeded())
    assert torch.equal(batch.joints_2d, without.joints_2d)
    of_set = scenes_of(**settings, length=70)
    whole, again = (PoseBatch.join(list(of_set.batches(size))) for size in (70, 50))
    assert torch.equal(whole.scenes.image, again.scenes.image)
    assert of_set.sample(2, seeded()).scenes.image.shape == (2, 3, 32, 60)


def test_people_of_a_source_of_scenes_are_taken_one_by_one():
    inner = scenes_of(some_people(6), count=3)
    source = scenes_of(inner, count=4, outside="keep")
    batch = source.sample(9, seeded())
    assert len(batch) == 36
    assert batch.scenes.most == 4
    assert torch.equal(batch.scene, torch.arange(9).repeat_interleave(4))


def test_a_source_by_its_name_needs_no_reference():
    catalogue = load_catalogue()
    context = knowing(BuildContext(), catalogue)
    source = context.build("source", "virtual_scenes:people=builtin,count=2,outside=keep")
    assert len(source.sample(3, seeded())) == 6
    assert not source.needs_reference
    for table, needs in (({"people": "builtin"}, False), ({"people": "fk_generator"}, True), ({}, True)):
        assert find_part(catalogue, "source", {"name": "virtual_scenes", **table}).needs_reference == needs
    with pytest.raises(PoseplugError, match="draws people from the reference, and there is none"):
        context.build("source", "virtual_scenes")


def test_people_without_3d_are_refused():
    people = attrs.evolve(some_people(), joints_3d=None)
    with pytest.raises(PoseplugError, match="'the reference' gives 2D only"):
        scenes_of(people)


def test_settings_that_make_no_sense_are_refused():
    for bad in ({"canvas": (1, 2, 3)}, {"spread": -1.0}, {"distance": (3.0, 2.0)}, {"count": 0}, {"camera": "moving"}):
        with pytest.raises(ValueError, match="must"):
            VirtualScenes.Config(**bad)
