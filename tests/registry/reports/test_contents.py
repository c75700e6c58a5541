"""What reports say of made-up results: the right rows, means, differences, and what is not there."""

import math
import re
import time

import numpy as np
import pytest
from grid_folders import PROTOCOL, made_up

from poseplug.core.errors import PoseplugError
from poseplug.registry.reports import contents, figures, headline
from poseplug.registry.reports.page import html
from poseplug.registry.reports.question import ALL_ROWS, BEST_ROWS, WORST_ROWS, Question
from poseplug.registry.reports.report import make_page, tables
from poseplug.registry.reports.rows import Rows
from poseplug.registry.reports.tables import Number, plain

LEVELS = {"lifter": ["mlp", "semgcn", "stgcn"], "lr": [1e-4, 1e-3], "size": [128]}


def additive(shape):
    """50 mm, 10 less and 5 less by lifter, 2 more at the higher rate, a millimetre a seed; wild is 20 worse."""
    assert shape == (3, 2, 1, 2, 2, 2)
    lifter, rate = np.array([0.0, -10, -5]), np.array([0.0, 2])
    seed, evaluation = np.array([0.0, 1]), np.array([0.0, 20])
    value = np.empty(shape)
    value[..., 0] = 50 + np.add.outer(np.add.outer(lifter, rate)[:, :, None], np.add.outer(seed, evaluation))
    value[..., 1] = 150 - value[..., 0]
    return value


def ask(results, metric="", baseline=""):
    return Question.of(Rows.of(results), metric, baseline)


@pytest.fixture
def results():
    return made_up(LEVELS, [0, 1], additive)


def line(table, *levels):
    (found,) = [row for row in table.rows if list(row[: len(levels)]) == list(levels)]
    return found


def test_rows_are_named_by_what_is_varied(results):
    rows = Rows.of(results)
    assert rows.varied == ("lifter", "lr")
    assert [rows.name(i) for i in range(6)][:3] == ["mlp · lr=0.0001", "mlp · lr=0.001", "semgcn · lr=0.0001"]
    assert len(rows) == 6


def test_results_and_the_best_of_each_column(results):
    table = contents.results_table(ask(results))
    assert list(table.columns) == ["lifter", "lr", "own, mm", "wild, mm", "seeds"]
    own = line(table, "semgcn", "0.0001")[2]
    assert (own.value, own.sd, own.n, own.best) == (40.5, pytest.approx(math.sqrt(0.5)), 2, True)
    assert [row[2].best for row in table.rows].count(True) == 1
    share = contents.results_table(ask(results, "pck_150"))
    assert line(share, "semgcn", "0.0001")[2].best
    assert "higher is better" in share.title


def test_differences_are_from_the_baseline_that_was_asked_for(results):
    table = contents.differences_table(ask(results, baseline="lifter=stgcn,lr=0.001"))
    assert line(table, "mlp", "0.001")[2].value == pytest.approx(5)
    assert line(table, "mlp", "0.0001")[3].value == pytest.approx(3)
    assert not [row for row in table.rows if list(row[:2]) == ["stgcn", "0.001"]]
    assert len(table.rows) == 5


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("lifter=smgcn", "There is no level of 'lifter' 'smgcn'. Did you mean 'semgcn'?"),
        ("lifer=mlp", "Nothing is varied that is called 'lifer'. Did you mean 'lifter'?"),
        ("mlp", "write factor=label,..., for example lifter=mlp,lr=0.0001"),
        ("lr=1", "There is no level of 'lr' '1'"),
    ],
)
def test_a_baseline_that_is_none(results, baseline, message):
    with pytest.raises(PoseplugError, match=re.escape(message)):
        ask(results, baseline=baseline)


def test_labels_with_commas_and_equals_signs_can_be_the_baseline():
    labels = ["bvh:path=a,cameras=random", "bvh:path=b"]
    results = made_up({"source": labels, "lifter": ["x", "y"]}, [0], np.ones)
    question = ask(results, baseline="source=bvh:path=a,cameras=random, lifter=y")
    assert question.rows.name(question.baseline) == "bvh:path=a,cameras=random · y"
    assert ask(made_up({"run": labels}, [0], np.ones), baseline=labels[1]).baseline == 1


def test_main_effects(results):
    table = contents.effects_table(ask(results))
    effect = line(table, "lifter", "semgcn", "mlp")
    assert effect[3].value == pytest.approx(-10)
    assert effect[3].interval == pytest.approx((-10, -10))
    assert effect[5] == 4
    assert line(table, "lr", "0.001", "0.0001")[4].value == pytest.approx(2)
    assert ask(results).factors_by_size == ["lifter", "lr"]


def test_one_factor_alone_has_no_main_effects_beside_its_differences():
    assert not contents.effects_table(ask(made_up({"run": ["a", "b"]}, [0, 1], np.ones))).rows


def test_rows_of_fewer_seeds_say_so(results):
    results["value"][1, 0, 0, 1] = math.nan
    table = contents.results_table(ask(results))
    row = line(table, "semgcn", "0.0001")
    assert row[2].fewer
    assert row[4] == 1
    assert any("fewer seeds" in note for note in table.all_notes)
    difference = line(contents.differences_table(ask(results)), "semgcn", "0.0001")
    assert difference[2].value == pytest.approx(-10)  # of seed 0 on both sides, not of 40 against 50.5
    assert plain(difference[2].text) == "-10.0*"


def test_one_seed_has_no_spread_and_no_interval_and_it_is_said():
    results = made_up({"lifter": ["a", "b"], "lr": [1, 2]}, [7], np.ones)
    table = contents.differences_table(ask(results))
    assert any("needs at least two seeds" in note for note in table.all_notes)
    assert all("[" not in cell.text for row in table.rows for cell in row if isinstance(cell, Number))
    assert any("needs at least two seeds" in note for note in contents.effects_table(ask(results)).all_notes)
    assert contents.results_table(ask(results)).title.endswith("one seed")


def test_what_has_no_result_is_told_with_its_reason(results):
    results["state"][2] = "impossible"
    results["reason"][2] = "it does not fit"
    results["value"][2] = math.nan
    results["state"][0, 0, 0, 1] = "failed"
    results["reason"][0, 0, 0, 1] = "a loss became NaN"
    results["state"][0, 1, 0, 1] = "excluded"
    found = contents.without_result(ask(results))
    assert [list(row) for row in found.rows] == [
        ["failed", 1, "a loss became NaN", "mlp · lr=0.0001, seed 1"],
        ["impossible", 4, "it does not fit", "stgcn · lr=0.0001; stgcn · lr=0.001"],
    ]
    assert contents.state_counts(ask(results)) == {"done": 6, "failed": 1, "impossible": 4}
    assert contents.without_result(ask(made_up({"run": ["a"]}, [0], np.ones))) is None


def test_protocols_that_differ_are_named_with_their_evaluations():
    other = {**PROTOCOL, "name": "pose2drep", "joints": 15, "root": "excluded"}
    results = made_up({"run": ["a", "b"]}, [0], np.ones, ("w (default)", "w (pose2drep)"), protocols=[PROTOCOL, other])
    notes = contents.results_table(ask(results)).notes
    assert notes[0].startswith("Protocol default (w (default)): 16 joints, root counted")
    assert notes[1].startswith("Protocol pose2drep (w (pose2drep)): 15 joints, root left out")
    assert len(contents.metrics_table(ask(results), 1).notes) == 1


def test_the_headline_names_the_best_row_and_its_difference(results):
    facts = headline.headline(ask(results))
    assert facts[0].what == "Best MPJPE on own"
    assert facts[0].figure == "40.5 ± 0.7 mm"
    assert plain(facts[0].said).startswith("semgcn / lr=0.0001 (2 seeds); -10.0 [-10.0, -10.0] mm (-19.8 %) from mlp")
    assert facts[2].figure == "lifter"
    assert facts[3].figure == "12 of 12 done"
    assert headline.duration(3 * 3600 + 61) == "3 h 1 min"


def test_nothing_finished_is_refused():
    with pytest.raises(PoseplugError, match="Nothing here has results yet"):
        ask(made_up({"run": ["a"]}, [0], lambda shape: np.full(shape, math.nan)))


def test_the_baseline_is_the_first_row_that_has_results():
    values = np.ones((3, 1, 2, 2))
    values[0] = math.nan
    assert ask(made_up({"run": ["a", "b", "c"]}, [0], lambda shape: values)).baseline == 1


def test_a_grid_of_ten_thousand_cells_is_reported_in_seconds():
    levels = {name: [f"{name}{i}" for i in range(n)] for name, n in {"a": 10, "b": 10, "c": 10, "d": 5}.items()}
    generator = np.random.default_rng(0)

    def noise(shape):
        values = generator.normal(60, 5, shape)
        values[0, 0] = math.nan
        return values

    results = made_up(levels, [0, 1], noise)
    began = time.process_time()
    question = ask(results)
    page = html(make_page(question))
    assert tables(question)
    assert time.process_time() - began < 5
    table = contents.results_table(question)
    assert len(table.rows) in (BEST_ROWS + WORST_ROWS, BEST_ROWS + WORST_ROWS + 1)
    assert len(table.rows) < ALL_ROWS
    assert [row[4].value for row in table.rows] == sorted(row[4].value for row in table.rows)
    assert any(note.startswith("Of 4950 rows the best 24 and the worst 8") for note in table.notes)
    without_plotly = page.replace(page[page.index("plotly.js v") : page.rindex("</script>")], "")
    assert len(without_plotly) < 300_000


@pytest.mark.parametrize(("rows", "said"), [(20, ""), (21, ""), (22, "Best 14, worst 6 and baseline of 22 rows.")])
def test_a_figure_says_that_rows_are_left_out_even_if_it_is_one(rows, said):
    """The baseline is the 15th best: it stands beside the best 14 and the worst 6."""
    errors = np.array([14.5, *np.arange(14), *np.arange(15, rows)]).reshape(-1, 1, 1, 1)
    levels = {"n": [f"r{i}" for i in range(rows)]}
    question = ask(made_up(levels, [0, 1], lambda shape: np.broadcast_to(errors, shape)))
    for figure in (figures.results_figure(question), figures.differences_figure(question)):
        assert figure.note.partition(". ")[2] == said
