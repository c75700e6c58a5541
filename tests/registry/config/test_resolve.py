"""Components that are made of others which their settings name."""

from __future__ import annotations

import attrs
import pytest
from toys import STAR, LinearConfig, LinearLifter

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting
from poseplug.registry.config.resolve import find_part, knowing, lifter_reads
from poseplug.registry.discovery.catalogue import Catalogue, Entry, load_catalogue
from poseplug.registry.runs.plan import make_plan


class Boxed(LinearLifter):
    """Reads what anybody provides."""

    reads = frozenset({"boxes"})


@attrs.frozen(kw_only=True)
class AroundConfig:
    inner: str = setting("boxed", "the lifter in it")
    own: bool = setting(False, "whether it reads something itself, which nobody provides")


class Around(LinearLifter):
    """A lifter with another in it."""

    Config = AroundConfig

    def __init__(self, config, context):
        super().__init__(LinearConfig(), context)
        self.context = context
        self.inner = context.build("lifter", config.inner)

    @classmethod
    def reads_with(cls, config, reads_of):
        return reads_of(config.inner) | ({"tea_leaves"} if config.own else set())


LIFTERS = {"boxed": Boxed, "around": Around}
TOYS = Catalogue((), tuple(Entry("lifter", n, f"{__name__}:{c.__name__}", "", "", "toys") for n, c in LIFTERS.items()))


@pytest.mark.parametrize(
    ("specification", "reads"),
    [
        ({"name": "boxed"}, {"boxes"}),
        ({"name": "around"}, {"boxes"}),
        ({"name": "around", "inner": "around:inner='around:own=true'"}, {"boxes", "tea_leaves"}),
    ],
)
def test_a_lifter_reads_what_those_in_it_read(specification, reads):
    assert lifter_reads(TOYS, find_part(TOYS, "lifter", specification)) == reads


def test_a_lifter_in_it_that_there_is_none_of_is_refused_before_anything_is_built():
    with pytest.raises(PoseplugError, match=r"There is no lifter 'boxd'.*boxed"):
        lifter_reads(TOYS, find_part(TOYS, "lifter", {"name": "around", "inner": "boxd"}))


def test_what_is_built_within_what_is_built_knows_as_much():
    context = knowing(BuildContext(), TOYS, seed=7)
    outer = knowing(context, TOYS, skeleton=STAR).build("lifter", "around:inner='around:inner=boxed'")
    assert isinstance(outer.inner.inner, Boxed)
    for part in (outer, outer.inner):
        assert (part.context.skeleton, part.context.seed) == (STAR, 7)


def test_who_reads_what_nobody_provides_is_named():
    both = Catalogue((), (*load_catalogue().entries, *TOYS.entries))
    make_plan({"lifter": {"name": "around"}}, both)
    with pytest.raises(
        PoseplugError, match="^Lifter 'around' reads input 'tea_leaves'. There is no input 'tea_leaves'"
    ):
        make_plan({"lifter": {"name": "around", "own": True}}, both)
