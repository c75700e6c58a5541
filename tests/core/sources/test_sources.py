from collections.abc import Callable

import attrs
import pytest
import torch
from toys import LinearLifter

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.mixture import Mixture
from poseplug.core.sources.pose_table import PoseTable, random_share
from poseplug.core.sources.projection import projected
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.training_step import AugmentedSource
from poseplug.registry.conformance.poses import WithoutEnd

CHAIN = Skeleton("chain", ("a", "b"), ("", "a"))


def poses(n: int, start: int = 0, skeleton: Skeleton = CHAIN) -> PoseBatch:
    """Poses whose label says which they are."""
    number = torch.arange(start, start + n)
    joints = number[:, None, None].float().expand(-1, skeleton.num_joints, 3) + 1
    camera = Camera.shared(n, (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
    return PoseBatch.seen(skeleton, joints, camera, labels={"number": number})


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(batch: PoseBatch) -> list[int]:
    return (batch.absolute[:, 0, 0] - 1).long().tolist()


class Named(PoseSource):
    """Gives the pose with its own number, and remembers what it was asked for."""

    def __init__(self, number: int) -> None:
        self.number, self.skeleton, self.asked = number, CHAIN, []

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        self.asked.append(n)
        return poses(1, self.number).select(torch.zeros(n, dtype=torch.int64))


def test_table_gives_every_pose_once_in_order() -> None:
    table = PoseTable(poses(10), {"number": ("x",)})
    assert [numbers(batch) for batch in table.batches(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [numbers(batch) for batch in table.batches(100)] == [list(range(10))]
    assert len(table) == 10
    assert table.skeleton is CHAIN
    assert table.label_names == {"number": ("x",)}


def test_table_samples_from_all_its_poses_by_its_seed() -> None:
    table = PoseTable(poses(10))
    first = numbers(table.sample(500, seeded(1)))
    assert set(first) == set(range(10))
    assert first == numbers(table.sample(500, seeded(1)))
    assert first != numbers(table.sample(500, seeded(2)))


def test_table_samples_evenly() -> None:
    drawn = torch.tensor(numbers(PoseTable(poses(4)).sample(40_000, seeded(0)))).bincount()
    # Standard deviation of each count is 87.
    assert (drawn - 10_000).abs().max() < 500


def test_empty_table_is_refused() -> None:
    with pytest.raises(PoseplugError, match="holds no poses"):
        PoseTable(poses(0))


@pytest.mark.parametrize(("share", "count"), [(0.25, 25), (1.0, 100), (0.5, 50), (0.001, 1)])
def test_random_share_takes_no_pose_twice(share: float, count: int) -> None:
    table = PoseTable(poses(100), {"number": ("x",)})
    part = random_share(table, share, seeded(0))
    taken = numbers(part.poses)
    assert len(taken) == len(set(taken)) == count
    assert taken == sorted(taken)
    assert part.poses.labels["number"].tolist() == taken
    assert part.label_names == {"number": ("x",)}


def test_random_share_follows_its_seed() -> None:
    table = PoseTable(poses(100))
    shares = [numbers(random_share(table, 0.3, seeded(seed)).poses) for seed in (0, 0, 1)]
    assert shares[0] == shares[1] != shares[2]


@pytest.mark.parametrize(
    ("n", "expected"), [(9, [3, 3, 3]), (10, [4, 3, 3]), (11, [4, 4, 3]), (2, [1, 1, 0]), (1, [1, 0, 0])]
)
def test_mixture_takes_equal_parts(n: int, expected: list[int]) -> None:
    sources = [Named(number) for number in range(3)]
    batch = Mixture(sources).sample(n, seeded(0))
    assert len(batch) == n
    assert [numbers(batch).count(number) for number in range(3)] == expected
    assert [sum(source.asked) for source in sources] == expected


def test_mixture_has_no_labels_because_class_numbers_differ() -> None:
    assert Mixture([PoseTable(poses(3)), PoseTable(poses(3, 5))]).sample(4, seeded(0)).labels == {}


def test_mixture_of_different_skeletons_is_refused() -> None:
    other = Skeleton("other", ("a", "c"), ("", "a"))
    with pytest.raises(PoseplugError, match="'chain' and 'other' cannot be mixed"):
        Mixture([PoseTable(poses(1)), PoseTable(poses(1, skeleton=other))])


# ---------------------------------------------------------------- what a source declares

NAMES = {"number": ("x", "y")}


class Flat(PoseSource):
    """Endless poses without 3D joints."""

    has_3d = False
    skeleton, label_names = CHAIN, NAMES

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return attrs.evolve(poses(n), joints_3d=None)


def flat_table() -> PoseTable:
    return PoseTable(attrs.evolve(poses(4), joints_3d=None), NAMES)


def augmented(source: PoseSource) -> PoseSource:
    """What the lifter is trained on, as what is fitted before training sees it."""
    lifter = LinearLifter(context=BuildContext(skeleton=CHAIN))
    return AugmentedSource(Assembly(source, Supervised(), LiftingModel(lifter, CHAIN)))


@pytest.mark.parametrize(
    "wrap",
    [WithoutEnd, augmented, lambda s: random_share(s, 0.5, seeded(0))],
    ids=["without end", "augmented", "share"],
)
def test_what_is_made_of_a_source_declares_what_the_source_does(wrap: Callable[..., PoseSource]) -> None:
    for table in (PoseTable(poses(4), NAMES), flat_table()):
        made = wrap(table)
        assert made.has_3d == table.has_3d == (made.sample(3, seeded(0)).joints_3d is not None)
        assert (made.skeleton, made.label_names) == (CHAIN, NAMES)


def test_a_projection_keeps_what_a_source_declares_and_needs_its_3d_joints() -> None:
    made = projected(PoseTable(poses(4), NAMES), "orthographic")
    assert (made.skeleton, made.label_names, made.has_3d, len(made)) == (CHAIN, NAMES, True, 4)  # type: ignore[arg-type]
    with pytest.raises(PoseplugError, match="orthographic .* 3D joints, and this source gives 2D only"):
        projected(Flat(), "orthographic")


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_mixture_has_3d_joints_if_all_its_sources_have(n: int) -> None:
    with_3d = PoseTable(poses(4))
    for parts, expected in ([with_3d, with_3d], True), ([with_3d, Flat()], False), ([Flat(), with_3d], False):
        mixture = Mixture(parts)
        assert mixture.has_3d == expected == (mixture.sample(n, seeded(0)).joints_3d is not None)
