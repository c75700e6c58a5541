"""What the parts of a cascade read, and which parts it cannot be made of."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import torch
from cascade_kit import TINY, Rounds, people, trainer_of
from torch import Tensor
from toys import LinearConfig, LinearLifter, MeanRoot, TwoPartLifter

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, Lifter
from poseplug.core.settings import setting
from poseplug.registry.discovery.catalogue import Catalogue, Entry, load_catalogue
from poseplug_evoskeleton.cascade import Cascade, CascadeConfig


class Placed(LinearLifter):
    """Moves everybody to where the root is, and shows what it was given; a rate of its own."""

    reads = frozenset({"boxes", "roots"})
    learning_rate = 0.02
    update_every = 2

    def __init__(self, config: LinearConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.given: list[set[str]] = []

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        self.given.append(set(inputs))
        return super().forward(joints_2d) + inputs["roots"][:, None]  # type: ignore[no-any-return]

    def diagnostics(self) -> dict[str, float]:
        return {"calls": float(len(self.given))}


@attrs.frozen(kw_only=True)
class AwareConfig:
    skip: bool = setting(False, "read no estimate")


class Aware(LinearLifter):
    """Adds a tenth of the estimate, and keeps it."""

    Config = AwareConfig
    reads = frozenset({"estimate"})

    def __init__(self, config: AwareConfig, context: BuildContext) -> None:
        super().__init__(LinearConfig(), context)
        self.seen: list[Tensor] = []

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        self.seen.append(inputs["estimate"].detach())
        return super().forward(joints_2d) + 0.1 * inputs["estimate"]  # type: ignore[no-any-return]


class Nothing(Lifter):
    """There is nothing to train of it."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        super().__init__()

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        return torch.cat([joints_2d, joints_2d[..., :1]], -1)


class TwoPhased(TwoPartLifter):
    """Changes with its phases, and brings some of its own."""

    def __init__(self, config: LinearConfig, context: BuildContext) -> None:
        super().__init__(config, context)

    @classmethod
    def default_phases(cls, config: Any) -> Any:
        return ({"name": "plane", "share": 1.0, "trains": ("lifter:plane",)},)


TOYS = {"placed": Placed, "aware": Aware, "nothing": Nothing, "two_phased": TwoPhased}
ENTRIES = [Entry("lifter", name, f"{__name__}:{toy.__name__}", "", "", "toys") for name, toy in TOYS.items()]
ENTRIES.append(Entry("root", "mean", f"{MeanRoot.__module__}:MeanRoot", "", "", "toys"))


@pytest.fixture(scope="module")
def toys() -> Catalogue:
    found = load_catalogue()
    return attrs.evolve(found, entries=(*found.entries, *ENTRIES))


def cascade(part: str, **settings: Any) -> dict[str, Any]:
    return {"name": "cascade", "part": part, "parts": 2, **settings}


def test_it_hands_on_what_its_parts_read(toys: Catalogue) -> None:
    settings = {"objective": {"name": "supervised"}, "root": {"name": "mean"}}
    trainer = trainer_of(cascade("placed"), 8, catalogue=toys, **settings)
    where = trainer.assembly.model.root.where.clone()
    trainer.run()
    lifter = trainer.assembly.model.lifter
    assert lifter.reads == {"boxes", "roots"}
    assert all(given == {"boxes", "roots"} for part in lifter.parts for given in part.given)
    assert (lifter.learning_rate, lifter.update_every) == (0.02, 2)
    assert lifter.diagnostics() == {"parts": 2, "part1_calls": 4, "part2_calls": 2}
    # The estimator is trained in the phases of every part.
    assert not torch.equal(where, trainer.assembly.model.root.where)
    with pytest.raises(PoseplugError, match="Lifter 'cascade' reads predicted roots; add a root estimator"):
        trainer_of(cascade("placed"), catalogue=toys)


def test_parts_are_shown_the_sum_of_those_before(toys: Catalogue) -> None:
    lifter = trainer_of(cascade("aware", parts=3, concat=True), catalogue=toys).assembly.model.lifter.eval()
    seen = torch.randn(4, 16, 2)
    total = lifter(seen)
    (none,), (first,), (second,) = (part.seen for part in lifter.parts)
    assert not none.any()
    torch.testing.assert_close(first, LinearLifter.forward(lifter.parts[0], seen))
    torch.testing.assert_close(second, first + LinearLifter.forward(lifter.parts[1], seen) + 0.1 * first)
    torch.testing.assert_close(total, second + LinearLifter.forward(lifter.parts[2], seen) + 0.1 * second)


def test_tagnet_reads_the_estimate_and_learns() -> None:
    part = TINY + ",estimate=true"
    trainer = trainer_of(cascade(part, concat=True), 12, Rounds(people(32), 16))
    assert trainer.assembly.model.lifter.reads == frozenset()
    assert trainer.assembly.model.lifter.parts[1].enter.linear.in_features == 2 * 16 + 3 * 15
    trainer.run()
    # Before the first part there is none, so that nothing is learnt from it; the second learns.
    weights = [part.enter.linear.weight[:, 32:] for part in trainer.assembly.model.lifter.parts]
    untouched = trainer_of(cascade(part, concat=True), 12).assembly.model.lifter.parts
    assert torch.equal(weights[0], untouched[0].enter.linear.weight[:, 32:])
    assert not torch.equal(weights[1], untouched[1].enter.linear.weight[:, 32:])


def test_a_part_with_phases_of_its_own_is_trained_as_a_whole(toys: Catalogue) -> None:
    trainer = trainer_of(cascade("two_phased"), 4, catalogue=toys)
    before = [part.depth.weight.clone() for part in trainer.assembly.model.lifter.parts]
    trainer.run()
    for part, weight in zip(trainer.assembly.model.lifter.parts, before, strict=True):
        assert part.begun == [frozenset({"plane", "depth"})]
        assert not torch.equal(part.depth.weight, weight)


@pytest.mark.parametrize(
    ("lifter", "message"),
    [
        (cascade("mlpp"), "There is no lifter 'mlpp'. Did you mean 'mlp'"),
        (cascade("mlp:channel=3"), "'channel'"),
        (cascade("mlp:channels"), "'channels' in 'mlp:channels' is not a setting; expected mlp:key=value."),
        (cascade(""), "'' is not a component"),
        (cascade("cascade:part=nothing"), "^Lifter 'cascade', setting 'part': 'nothing' has nothing to train.$"),
        (cascade("mlp", concat=True), "^Lifter 'cascade', setting 'concat': part 'mlp' does not read the estimate"),
        (cascade("aware"), "^Lifter 'cascade', setting 'part': 'aware' reads the estimate .* concat=true only"),
        (cascade("mlp", parts=0), "must be at least 1, got 0"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused(toys: Catalogue, lifter: dict[str, Any], message: str) -> None:
    with pytest.raises(PoseplugError, match=message) as refused:
        trainer_of(lifter, catalogue=toys)
    assert "\n" not in str(refused.value)


def test_nothing_can_be_named_outside_a_run() -> None:
    with pytest.raises(PoseplugError, match="a lifter can only be named within a run"):
        Cascade(CascadeConfig(), BuildContext(skeleton=people(1).skeleton))
