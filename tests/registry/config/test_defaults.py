"""What a run gets where the user has said nothing: the inputs that its parts read."""

import attrs
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import InputProvider
from poseplug.registry.discovery.catalogue import Entry, load_catalogue
from poseplug.registry.runs.plan import make_plan
from tests.toys import LinearLifter, MeanRoot


class Provider(InputProvider):
    def provide(self, batch, **inputs):
        return batch.root


BASES = {"lifter": LinearLifter, "root": MeanRoot, "input": Provider}
READS = {
    "lifter": {"wide": "zebra made camera", "ringed": "ring", "paired": "here", "rooted": "roots", "placed": "place"},
    "root": {"boxed": "joints_2d boxes", "own": "roots", "own_place": "place"},
    "input": {"zebra": "", "zoom": "", "made": "zoom boxes", "ring": "ring", "here": "there", "there": "here"}
    | {"place": "roots"},
}
ENTRIES = []
for kind, parts in READS.items():
    for name, reads in parts.items():
        globals()[f"{kind}_{name}"] = type(name, (BASES[kind],), {"reads": frozenset(reads.split())})
        ENTRIES.append(Entry(kind, name, f"{__name__}:{kind}_{name}", "", "", "toys"))


@pytest.fixture(scope="module")
def catalogue():
    found = load_catalogue()
    return attrs.evolve(found, entries=(*found.entries, *ENTRIES))


def inputs(catalogue, lifter, root="", given=()):
    """Return the names of the inputs of a run's plan, by number."""
    document = {"lifter": {"name": lifter}, "input": [{"name": name} for name in given]}
    plan = make_plan(document | ({"root": {"name": root}} if root else {}), catalogue)
    found = plan.parts.several("input")
    assert list(found) == [str(number) for number in range(len(found))]
    return [part.name for part in found.values()]


def test_inputs_are_numbered_alike_in_every_run_those_that_others_are_made_of_first(catalogue):
    assert inputs(catalogue, "wide") == ["camera", "boxes", "zoom", "made", "zebra"]


def test_those_of_the_root_estimator_are_there_whoever_reads_its_roots(catalogue):
    for lifter in ("mlp", "rooted"):
        assert inputs(catalogue, lifter, "boxed") == ["boxes", "joints_2d"]
    assert inputs(catalogue, "placed", "boxed") == ["boxes", "joints_2d", "place"]


def test_inputs_that_were_asked_for_keep_their_numbers(catalogue):
    given = ["zebra", "poseplug:boxes"]
    assert inputs(catalogue, "wide", given=given) == [*given, "camera", "zoom", "made"]


@pytest.mark.parametrize(
    ("lifter", "root", "message"),
    [
        ("ringed", "", "Input 'ring' is made of itself: ring reads ring."),
        ("paired", "", "Input 'here' is made of itself: here reads there reads here."),
        ("mlp", "own", "Input 'roots' is made of itself: roots reads roots."),
        ("mlp", "own_place", "Input 'roots' is made of itself: roots reads place reads roots."),
        ("rooted", "", "Lifter 'rooted' reads predicted roots; add a root estimator with --root."),
        ("placed", "", "Input 'place' reads predicted roots; add a root estimator with --root."),
    ],
)
def test_inputs_that_cannot_be_made_are_refused(catalogue, lifter, root, message):
    with pytest.raises(PoseplugError) as refused:
        inputs(catalogue, lifter, root)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("root", ["", "boxed"])
def test_an_input_that_nothing_reads_is_refused(catalogue, root):
    with pytest.raises(PoseplugError) as refused:
        inputs(catalogue, "mlp", root, given=["joints_2d", "zebra"][not root :])
    assert str(refused.value) == "Input 'zebra' is read by nothing in this run; leave out --input zebra."
