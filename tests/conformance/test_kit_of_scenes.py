"""The kit on components about scenes; those that are wrong in one thing are among the breakers."""

import pytest
import torch
from conformance.of_scenes import BREAKERS, KEEPERS

from poseplug.registry.conformance import check_component
from poseplug.registry.conformance.check import Checker
from poseplug.registry.conformance.poses import BODY_21, STAR, crowded, people_in_scenes, pictured

CPU = torch.device("cpu")


@pytest.mark.parametrize(("kind", "component"), KEEPERS)
def test_what_is_right_passes(kind, component):
    verdicts = check_component(kind, component)
    assert [v for v in verdicts if v.state == "failed"] == []
    skipped = {v.promise: v.reason for v in verdicts if v.state == "skipped"}
    about_scenes = {"export": "it is about scenes, and a program is handed people one by one"}
    expected = {"source": {"skeletons": "decides its skeleton itself"}, "root": about_scenes, "lifter": about_scenes}
    assert skipped == expected.get(kind, {})


REASONS = {
    "OwnCameras": "camera.centre of people of sample(n) is not that of the scene that they share",
    "TooFull": "people, and scenes.most is 1",
    "OneByOne": "sample(n) has 4 scenes; expected 8",
    "Denies": "has_images is False, but images are given",
    "OverSure": "a score of who was found is not within 0 and 1",
    "EverywhereElse": "who was found has other scenes than each of 8 as often as most = 4",
    "NobodyThere": "not finite in who was found, empty slots included: root",
    "Wordless": "finds_joints_2d is True, but joints_2d of who was found is None",
    "Tears": "has 12 scenes; expected 16",
    "RowsOfPeople": "input has the shape [8] for 6 scenes; expected a row for each",
    "TurnsPeople": "camera.centre of people of the augmented batch is not that of the scene",
    "KeepsImages": "people were moved, and images that show where they were are still there",
    "WeighsCompany": "people who share scenes are treated differently: reference",
    "JudgesCompany": "people who share scenes are treated differently: ",
}


@pytest.mark.parametrize(
    ("promise", "kind", "component"),
    [(name, kind, component) for name, listed in BREAKERS.items() for kind, component in listed],
)
def test_reasons_say_what_was_found(promise, kind, component):
    assert REASONS[component.__name__] in Checker(kind, component).verdict(promise).reason


@pytest.mark.parametrize("skeleton", [STAR, BODY_21])
def test_the_kit_s_own_scenes_are_legal(skeleton):
    batch = people_in_scenes((3, 0, 40), skeleton, CPU)
    assert batch.people_per_scene.tolist() == [3, 0, 40]
    assert not torch.equal(batch.scene, batch.scene.sort().values)  # in any order
    assert (batch.absolute[..., 2] > 0.1).all()
    assert torch.allclose(batch.joints_2d, batch.camera.project(batch.absolute))
    assert torch.equal(batch.camera.position, batch.scenes.camera.position[batch.scene])
    occasion = crowded(CPU)
    assert len(occasion.poses) == len(occasion.others) == 8


def test_images_are_given_to_scenes_and_to_those_who_are_alone():
    batch = people_in_scenes((2, 1), STAR, CPU)
    assert pictured(batch).scenes.image.shape == (2, 3, 64, 64)
    alone = pictured(batch.alone(), (8, 16))
    assert alone.scenes.image.shape == (3, 3, 8, 16)
    assert alone.scene.tolist() == [0, 1, 2]
    assert alone.scenes.image.float().std() > 50
