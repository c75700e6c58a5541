"""Sources whose poses stand together: whole scenes are drawn, gone through, shared out and mixed."""

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import LinearLifter, ScalingAugmentor

from poseplug.core.interfaces import BuildContext
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.mixture import Mixture
from poseplug.core.sources.pose_table import PoseTable, random_share
from poseplug.core.sources.projection import projected
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.pose_buffer import PoseBuffer
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.training_step import AugmentedSource
from poseplug.registry.conformance.poses import STAR, people_in_scenes
from poseplug.registry.runs.saved_model import seen_in_training

CPU = torch.device("cpu")
CONTEXT = BuildContext(skeleton=STAR)


def scenes_of(sizes, seed=0):
    batch = people_in_scenes(sizes, STAR, CPU, seed)
    return attrs.evolve(batch, labels={"who": torch.arange(len(batch)) + 100 * seed})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def inhabitants(batch):
    """For each scene a name for it, by where its camera is, and who is in it."""
    who, rows = batch.labels["who"].tolist(), batch.scene_rows.tolist()
    names = [tuple(position) for position in batch.places.camera.position.tolist()]
    return [(name, sorted(w for w, row in zip(who, rows, strict=True) if row == i)) for i, name in enumerate(names)]


def own_cameras(batch):
    return torch.equal(batch.camera.position, batch.scenes.camera.position[batch.scene])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6).filter(any), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_a_table_gives_every_scene_once_in_order_with_all_its_people(sizes, size):
    batch = scenes_of(sizes)
    table = PoseTable(batch)
    assert len(table) == len(sizes)
    batches = list(table.batches(size))
    assert [part.num_scenes for part in batches] == [min(size, len(sizes) - i) for i in range(0, len(sizes), size)]
    assert all(own_cameras(part) for part in batches)
    assert [scene for part in batches for scene in inhabitants(part)] == inhabitants(batch)


@pytest.mark.parametrize("sizes", [[2, 2, 2], [1, 0, 3], [0, 0, 1]])
def test_a_table_draws_scenes_with_all_their_people(sizes):
    batch = scenes_of(sizes)
    table, every = PoseTable(batch), dict(inhabitants(batch))
    drawn = table.sample(600, seeded())
    assert drawn.num_scenes == 600
    assert own_cameras(drawn)
    found = inhabitants(drawn)
    assert all(every[name] == who for name, who in found)
    counts = [sum(name == wanted for name, _ in found) for wanted in every]
    assert min(counts) > 130  # 200 each; the standard deviation is 12
    again = table.sample(600, seeded())
    assert torch.equal(again.joints_2d, drawn.joints_2d)


def test_scenes_of_one_size_are_drawn_without_waiting(monkeypatch):
    """Where the host does not know how many people there are it has to ask; a tensor on a GPU then makes it wait."""
    even, odd = PoseTable(scenes_of([2, 2, 2])), PoseTable(scenes_of([1, 3, 2]))

    def ask(*_):
        raise AssertionError("asked")

    for name in ("__int__", "item", "tolist", "__bool__", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, ask)
    assert even.sample(5, seeded()).joints_2d.shape[0] == 10
    with pytest.raises(AssertionError, match="asked"):
        odd.sample(5, seeded())


def test_a_table_of_poses_alone_is_what_it_was():
    alone = scenes_of([3, 1]).alone()
    for poses in (alone, attrs.evolve(alone, scene=torch.tensor([0, 0, 0, 1]))):
        table = PoseTable(poses)
        assert len(table) == 4
        index = torch.randint(4, (9,), generator=seeded(3))
        assert torch.equal(table.sample(9, seeded(3)).joints_2d, poses.joints_2d[index])
        assert [len(batch) for batch in table.batches(3)] == [3, 1]


def test_a_share_is_a_share_of_the_scenes():
    batch = scenes_of([2, 0, 1, 3, 1, 2])
    share = random_share(PoseTable(batch), 0.5, seeded(1))
    assert len(share) == 3
    kept, every = inhabitants(share.poses), inhabitants(batch)
    assert [scene for scene in every if scene in kept] == kept
    assert len(random_share(PoseTable(batch), 1.0, seeded())) == 6


def test_each_source_of_a_mixture_gives_as_many_scenes():
    pairs, alone = PoseTable(scenes_of([2, 2, 2])), PoseTable(scenes_of([1, 1], seed=1).alone())
    drawn = Mixture([pairs, alone]).sample(7, seeded())
    assert drawn.num_scenes == 7
    assert drawn.people_per_scene.tolist() == [2, 2, 2, 2, 1, 1, 1]
    assert own_cameras(drawn)
    assert Mixture([alone, alone]).sample(4, seeded()).scenes is None


def test_seen_orthographically_everybody_is_alone():
    table = PoseTable(scenes_of([2, 0, 1]))
    source = projected(table, "orthographic")
    assert len(source) == 3
    (batch,) = source.batches(10)
    assert (len(batch), batch.scene, batch.scenes) == (3, None, None)
    drawn, same = source.sample(20, seeded()), table.sample(20, seeded())
    assert len(drawn) == len(same)
    assert drawn.scenes is None
    assert torch.equal(drawn.absolute, same.absolute)


def test_augmentors_and_what_training_shows_take_scenes_as_they_come():
    model = LiftingModel(LinearLifter(context=CONTEXT), STAR)
    assembly = Assembly(PoseTable(scenes_of([2, 0, 1])), Supervised(), model, augmentors=(ScalingAugmentor(),))
    drawn = AugmentedSource(assembly).sample(30, seeded())
    assert drawn.num_scenes == 30
    assert own_cameras(drawn)
    seen = seen_in_training(assembly, CPU, 0, 256)
    assert seen.poses == sum(len(AugmentedSource(assembly).sample(256, g)) for g in [_stream()] for _ in range(16))


def _stream():
    return seeded(193)


def test_kept_poses_are_alone():
    buffer = PoseBuffer(STAR)
    augmentation = ScalingAugmentor().augment(scenes_of([2, 3]), seeded())
    buffer.add(augmentation)
    kept = buffer.sample(50, seeded())
    assert (len(kept), kept.scene, kept.scenes) == (50, None, None)
