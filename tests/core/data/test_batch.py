import attrs
import pytest
import torch

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton

CHAIN = Skeleton("chain", ("a", "root", "b"), ("root", "", "root"))


def camera(n: int) -> Camera:
    return Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))


def batch(n: int, skeleton: Skeleton = CHAIN, seed: int = 0, **fields: object) -> PoseBatch:
    joints = torch.randn(n, skeleton.num_joints, 3, generator=torch.Generator().manual_seed(seed)) * 0.3
    return PoseBatch.seen(skeleton, joints + torch.tensor([0.0, 0.0, 4.0]), camera(n), **fields)


def test_seen_projects() -> None:
    found = batch(4, origin=Origin.GENERATED, labels={"action": torch.arange(4)})
    torch.testing.assert_close(found.joints_2d, found.absolute[..., :2] / found.absolute[..., 2:] * 1000 + 500)
    assert found.origin.tolist() == [1] * 4
    assert found.origin.dtype == torch.uint8
    assert found.labels["action"].tolist() == [0, 1, 2, 3]
    assert len(found) == 4
    assert batch(2).origin is None


def test_root_is_the_skeletons() -> None:
    found = batch(3)
    assert torch.equal(found.root, found.absolute[:, 1])
    assert torch.equal(found.root_relative, found.absolute - found.absolute[:, 1:2])
    assert found.root_relative[:, 1].abs().max() == 0


def test_2d_only_is_told_so() -> None:
    flat = attrs.evolve(batch(2), joints_3d=None)
    for name in ("absolute", "root", "root_relative"):
        with pytest.raises(PoseplugError, match="needs 3D joints, and its source gives 2D only"):
            getattr(flat, name)


def test_moved_projects_anew_and_says_so() -> None:
    before = batch(3, labels={"action": torch.arange(3)}, scene=torch.tensor([0, 0, 1]))
    joints = before.absolute + torch.tensor([0.1, 0.0, 0.5])
    after = before.moved(joints)
    torch.testing.assert_close(after.joints_2d, before.camera.project(joints))
    assert after.origin.tolist() == [int(Origin.AUGMENTED)] * 3
    assert after.labels == before.labels
    assert after.scene is before.scene
    assert before.origin is None
    other = Camera.shared(3, (500.0, 500.0), (0.0, 0.0), (1.0, 1.0))
    seen = before.moved(joints, Origin.GENERATED, other)
    torch.testing.assert_close(seen.joints_2d, joints[..., :2] / joints[..., 2:] * 500)
    assert seen.camera is other


def test_select_takes_people_with_all_that_is_theirs() -> None:
    full = attrs.evolve(batch(5, labels={"subject": torch.arange(5)}), weight=torch.arange(5.0))
    some = full.select(torch.tensor([4, 1]))
    assert torch.equal(some.absolute, full.absolute[[4, 1]])
    assert some.labels["subject"].tolist() == [4, 1]
    assert some.weight.tolist() == [4, 1]
    assert len(some.camera) == 2
    assert some.skeleton is full.skeleton


def test_to_moves_the_camera_too() -> None:
    moved = batch(2).to("meta")
    assert moved.device.type == "meta"
    assert moved.camera.focal.device.type == "meta"
    assert moved.absolute.device.type == "meta"


def test_join_keeps_the_scenes_of_batches_apart() -> None:
    parts = [
        batch(3, scene=torch.tensor([0, 0, 4])),
        batch(2, seed=1),
        batch(0, scene=torch.zeros(0, dtype=torch.int64)),
        batch(2, seed=2, scene=torch.tensor([1, 1])),
    ]
    joined = PoseBatch.join(parts)
    assert torch.equal(joined.absolute, torch.cat([part.absolute for part in parts]))
    scene = joined.scene.tolist()
    assert scene[0] == scene[1]
    assert scene[5] == scene[6]
    assert len(set(scene)) == 5


def test_join_without_scenes_has_none() -> None:
    assert PoseBatch.join([batch(1), batch(2)]).scene is None


def test_join_of_one_is_itself() -> None:
    one = batch(2, scene=torch.tensor([7, 7]))
    assert PoseBatch.join([one]) is one


def test_join_of_different_skeletons_is_refused() -> None:
    with pytest.raises(PoseplugError, match=r"different skeletons \(h36m16, h36m17\)"):
        PoseBatch.join([batch(1, H36M_16), batch(1, H36M_17)])


def test_join_cares_for_the_tree_not_the_name() -> None:
    parts = [batch(1), batch(1, attrs.evolve(CHAIN, name="other"), seed=1)]
    joined = PoseBatch.join(parts)
    assert torch.equal(joined.absolute, torch.cat([part.absolute for part in parts]))
    assert joined.skeleton.name == "chain"


def test_a_mirrored_batch_is_what_its_mirrored_camera_sees() -> None:
    sides = Skeleton("sides", ("l", "root", "r"), ("root", "", "root"), pairs=(("l", "r"),))
    given = attrs.evolve(
        batch(3, sides, labels={"action": torch.arange(3)}), extent=torch.ones(3), weight=torch.ones(3)
    )
    mirrored = given.mirrored()
    torch.testing.assert_close(mirrored.absolute, given.absolute[:, [2, 1, 0]] * torch.tensor([-1.0, 1.0, 1.0]))
    torch.testing.assert_close(mirrored.camera.project(mirrored.absolute), mirrored.joints_2d)
    for name in ("labels", "extent", "weight", "scene", "origin"):
        assert getattr(mirrored, name) is getattr(given, name)
    flat = attrs.evolve(given, joints_3d=None).mirrored()
    assert flat.joints_3d is None
    assert torch.equal(flat.joints_2d, mirrored.joints_2d)
