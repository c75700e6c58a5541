"""What cells a grid has: combinations, exclusions, arms that go on from others, and identities."""

import re
import tomllib

import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids.grid import cells_of
from poseplug.registry.grids.grid_file import grid_from, grid_of_flags

CATALOGUE = load_catalogue()


def grid(text, **values):
    return grid_from(tomllib.loads(text), CATALOGUE, values)


def cells(text, **values):
    return cells_of(grid(text, **values), CATALOGUE)


PRODUCT = """
seeds = 2
[base]
steps = 5
[vary]
lifter = ["mlp:channels=8", "semgcn"]
augmentor = { plain = "none", both = "rigid+jitter" }
lr = [1e-3, 3e-4]
"""


def test_a_product_has_every_combination_for_every_seed():
    found = cells(PRODUCT)
    assert len({tuple(cell.labels.values()) for cell in found}) == 16
    assert len({cell.identity for cell in found}) == 16
    assert list(found[0].labels) == ["lifter", "augmentor", "lr", "seed"]
    first = found[0].document
    assert (first["steps"], first["lr"], first["seed"], first["seeds"]) == (5, 1e-3, 0, 1)
    assert first["lifter"]["channels"] == 8
    both = next(cell for cell in found if cell.labels["augmentor"] == "both")
    assert [part["name"] for part in both.document["augmentor"]] == ["rigid", "jitter"]


def test_equal_experiments_have_one_identity_however_they_are_said():
    said = grid_of_flags({"steps": 5}, {"lifter": ["mlp:channels=8", "semgcn"]}, ["lr=1e-3,0.0003"], (), 2, CATALOGUE)
    flags = {cell.identity for cell in cells_of(said, CATALOGUE)}
    plain = {cell.identity for cell in cells(PRODUCT) if cell.labels["augmentor"] == "plain"}
    assert flags == plain


def test_a_seed_more_adds_cells_and_changes_none():
    before = {cell.identity for cell in cells(PRODUCT)}
    after = {cell.identity for cell in cells(PRODUCT.replace("seeds = 2", "seeds = 3"))}
    assert before < after
    assert len(after) == 24


def test_what_is_left_out_by_rules():
    found = cells(PRODUCT + '[[exclude]]\nlifter = "semgcn"\nlr = 3e-4\n[[exclude]]\nlifter="mlp:channels=8"\nseed = 1')
    labels = {(c.labels["lifter"], c.labels["lr"], c.labels["seed"]) for c in found}
    assert labels == {
        ("mlp:channels=8", 1e-3, 0),
        ("mlp:channels=8", 3e-4, 0),
        ("semgcn", 1e-3, 0),
        ("semgcn", 1e-3, 1),
    }
    with pytest.raises(PoseplugError, match="Every combination of this grid is excluded"):
        cells(PRODUCT + '[[exclude]]\nlifter = ["mlp:channels=8", "semgcn"]')


def test_rules_may_speak_of_seeds_that_a_smaller_grid_does_not_have():
    text = PRODUCT.replace("seeds = 2", "seeds = 1") + '[[exclude]]\nlifter = "semgcn"\nseed = [1, 2]'
    assert len(cells(text)) == 8
    assert cells(text) == cells(PRODUCT.replace("seeds = 2", "seeds = 1"))
    assert {c.labels["seed"] for c in cells('[[arm]]\nname = "a"\nonly = { seed = [0, 7] }')} == {0}
    with pytest.raises(PoseplugError, match="'exclude' names seed 'first', which is not in this grid"):
        cells(PRODUCT + '[[exclude]]\nseed = "first"')


def test_settings_that_change_together_are_one_factor():
    found = cells("""
        [base]
        lifter = "mlp"
        [[zip]]
        name = "size"
        labels = ["small", "large"]
        lifter.channels = [8, 16]
        steps = [5, 10]
    """)
    assert [(c.labels["size"], c.document["lifter"]["channels"], c.document["steps"]) for c in found] == [
        ("small", 8, 5),
        ("large", 16, 10),
    ]


ARMS = """
[base]
steps = 5
lifter = "mlp:channels=8"
[vary]
lr = [1e-3, 3e-4]
[[arm]]
name = "cips"
after = "start"
source = "fk_generator"
reweighter = "cips"
[[arm]]
name = "narrow"
extends = "cips"
only = { lr = 1e-3 }
set = { "lifter.blocks" = 1 }
[[arm]]
name = "start"
"""


def test_arms_build_on_each_other_and_go_on_from_each_other():
    found = cells(ARMS)
    by_place = {(c.labels["arm"], c.labels["lr"]): c for c in found}
    assert by_place.keys() == {("start", 1e-3), ("start", 3e-4), ("cips", 1e-3), ("cips", 3e-4), ("narrow", 1e-3)}
    for (arm, lr), cell in by_place.items():
        assert cell.after == ("" if arm == "start" else by_place["start", lr].identity)
    assert by_place["narrow", 1e-3].document["lifter"]["blocks"] == 1
    assert by_place["narrow", 1e-3].document["reweighter"]["name"] == "cips"
    order = [cell.identity for cell in found]
    assert all(order.index(cell.after) < order.index(cell.identity) for cell in found if cell.after)


def test_a_cell_is_another_one_when_what_it_starts_from_is():
    before, after = cells(ARMS), cells(ARMS.replace('name = "start"', 'name = "start"\nweight_decay = 0.1'))
    assert not {cell.identity for cell in before} & {cell.identity for cell in after}


def test_what_cannot_be_says_why_and_stops_nothing_else():
    found = cells('[base]\nlifter = "mlp"\n[vary]\nlifter = ["mlp", "mpl"]')
    assert [bool(cell.obstacle) for cell in found] == [False, True]
    assert "no lifter 'mpl'. Did you mean 'mlp'?" in found[1].obstacle
    found = cells('[[arm]]\nname = "a"\nlifter = "mpl"\n[[arm]]\nname = "b"\nlifter = "mlp"\nafter = "a"')
    assert found[1].obstacle.startswith("it starts from the weights of a cell that cannot be: There is no lifter 'mpl'")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vray = 1", "a grid has no table 'vray'; an experiment stands in [base]. Did you mean 'vary'?"),
        ("seeds = 2.5", "'seeds' is the number of seeds or a list of them, got 2.5."),
        ("seeds = [1, 1]", "The seeds of a grid are different numbers, at least one; got [1, 1]."),
        ("[vary]\nlr = []", "Factor 'lr' of this grid has no alternatives"),
        ("[vary]\nlr = [1, 1]", "Factor 'lr' has the alternative '1' twice"),
        ("[[zip]]\nname = 'metric'\nlr = [1]", "A factor of a grid cannot be called 'metric'"),
        ("[vary]\nhook = ['csv', 'none']", "'hook' cannot vary, all cells are measured and watched alike"),
        (
            "[vary]\nlr = [1]\n[[exclude]]\nlrr = 1",
            "'exclude' names 'lrr', which this grid does not vary. Did you mean 'lr'?",
        ),
        ("[vary]\nlr = [1]\n[[exclude]]\nlr = 2", "'exclude' names lr '2', which is not in this grid."),
        ("[[arm]]\nname = 'a'\nafter = 'b'", "'a' of factor 'arm' goes on after 'b', which is not there."),
        ("[[arm]]\nname = 'a'\nextends = 'b'", "arm 'a' extends 'b', which is not among those before it."),
        ("[[arm]]\nlr = 1", "every [[arm]] has a name"),
        ("[[zip]]\nlr = [1]\nsteps = [1, 2]", "the lists of a [[zip]] are equally long"),
        ("[base]\nlifter = 'mlp+semgcn'", "a run has one lifter; 'mlp+semgcn' are several."),
        (
            "[base]\nsource = '${mocap}'",
            "'${mocap}' stands for nothing; say it in [values], or with --define mocap=VALUE.",
        ),
        ("zip = [1]", "each [[zip]] of a grid is a table; got 1."),
        ("[[zip]]\nlabels = 'ab'\nlr = [1, 2]", "'labels' of [[zip]] of a grid is a list; got 'ab'."),
        ("[[zip]]\nname = 3\nlr = [1, 2]", "'name' of [[zip]] of a grid is text; got 3."),
        ("exclude = [1]", "each 'exclude' or 'only' of a grid is a table; got 1."),
        ("[[arm]]\nname = 'a'\nonly = 3", "each 'exclude' or 'only' of a grid is a table; got 3."),
        ("[[arm]]\nname = 'a'\nset = 3", "'set' of arm 'a' of a grid is a table; got 3."),
        ("base = 3", "[base] of a grid is a table; got 3."),
        ("[base.lifter]\nchannels = 3\n[vary]\nlr = [1]", "'lifter' in an experiment is a table with a 'name'"),
    ],
)
def test_what_is_no_grid(text, said):
    def look():
        raise PoseplugError(cells(text)[0].obstacle)

    with pytest.raises(PoseplugError, match=re.escape(said)):
        look()


def test_arms_in_a_circle():
    with pytest.raises(PoseplugError, match="start from each other in a circle"):
        cells("[[arm]]\nname = 'a'\nafter = 'b'\n[[arm]]\nname = 'b'\nafter = 'a'")


def test_placeholders():
    text = '[values]\nn = 8\n[base]\nlifter = "mlp:channels=${n}"'
    assert cells(text)[0].document["lifter"]["channels"] == 8
    assert cells(text, n="16")[0].document["lifter"]["channels"] == 16


SIZES = """
seeds = "${seeds}"
[values]
rate = 1e-3
size.small = { seeds = 1, steps = 10, dear = [] }
size.large = { seeds = [3, 4], steps = 20, dear = ["semgcn"] }
[base]
steps = "${steps}"
lr = "${rate}"
[vary]
lifter = ["mlp:channels=${steps}", "semgcn"]
[[exclude]]
lifter = "${dear}"
seed = 4
"""


def test_one_of_several_sets_of_values_counts():
    found = cells(SIZES.replace("seed = 4", "seed = 0"))
    assert [(c.labels["lifter"], c.labels["seed"], c.document["steps"]) for c in found] == [
        ("mlp:channels=10", 0, 10),
        ("semgcn", 0, 10),
    ]
    assert found[0].document["lr"] == 1e-3
    found = cells(SIZES, size="large", rate="0.5")
    assert [(c.labels["lifter"], c.labels["seed"]) for c in found] == [
        ("mlp:channels=20", 3),
        ("mlp:channels=20", 4),
        ("semgcn", 3),
    ]
    assert found[0].document["lr"] == 0.5
    with pytest.raises(PoseplugError, match="'size' of this grid is one of small, large; got 'huge'"):
        cells(SIZES, size="huge")


def test_a_plus_in_a_value_chains_nothing():
    said = grid_of_flags({}, {"source": ["bvh:path='a+b'", "bvh:path=1+2+builtin"]}, (), (), 1, CATALOGUE)
    first, second = said.factors[0].levels
    assert [part["path"] for part in first.document["source"]] == ["a+b"]
    assert [part["name"] for part in second.document["source"]] == ["bvh", "builtin"]


def test_ten_thousand_cells_are_planned_in_seconds_and_all_differ():
    said = {
        "seeds": 5,
        "vary": {"lr": [i * 1e-5 for i in range(1, 101)], "weight_decay": [i * 1e-3 for i in range(20)]},
    }
    assert len({cell.identity for cell in cells_of(grid_from(said, CATALOGUE), CATALOGUE)}) == 10_000
