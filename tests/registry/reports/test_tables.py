"""Tables in their forms: the same figures in each, and no character that a form gives another meaning."""

import csv
import io
import math

import pytest

from poseplug.registry.reports.tables import Number, Table, as_csv, cell_text, figure, latex, markdown, plain

TABLE = Table(
    title="MPJPE_mm of 100 %",
    columns=["lifter", "own, mm", "change, mm", "seeds"],
    rows=[
        ["mlp|x", Number(54.321, sd=0.456, n=2, best=True), Number(-3.21, interval=(-4.5, -1.9), n=2), 2],
        ["a_b & c", Number(60.0, sd=math.nan, n=1, fewer=True), Number(0.5, interval=(math.nan, math.nan), n=1), 1],
        ["none", Number(math.nan, sd=math.nan), Number(math.nan, interval=(math.nan, math.nan)), 0],
    ],
    notes=["Less is better."],
)


def test_figures():
    assert [figure(value) for value in (54.32, 0, 0.0123, None, math.nan)] == ["54.3", "0.0", "0.012", "–", "–"]  # noqa: RUF001
    assert [plain(figure(value, signed=True)) for value in (3, -3, 0)] == ["+3.0", "-3.0", "0.0"]
    texts = [[plain(cell_text(cell)) for cell in row] for row in TABLE.rows]
    assert texts[0] == ["mlp|x", "54.3 +- 0.5", "-3.2 [-4.5, -1.9]", "2"]
    assert texts[1] == ["a_b & c", "60.0*", "+0.5", "1"]
    assert texts[2] == ["none", "-", "-", "0"]


def test_markdown():
    lines = markdown(TABLE).splitlines()
    cells = [
        [cell.strip() for cell in line.replace("\\|", "PIPE").strip("|").split("|")] for line in lines if "|" in line
    ]
    assert cells[0] == ["lifter", "own, mm", "change, mm", "seeds"]
    assert cells[1] == ["---", "---:", "---:", "---:"]
    assert cells[2][:2] == ["mlpPIPEx", "**54.3 ± 0.5**"]
    assert "Less is better." in lines
    assert any("fewer seeds" in line for line in lines)


def test_latex():
    text = latex(TABLE)
    assert r"\caption{MPJPE\_mm of 100 \%. Less is better. $\dagger$ of fewer seeds than other rows.}" in text
    assert r"mlp|x & $\mathbf{54.3} \pm 0.5$ & $-3.2 [-4.5, -1.9]$ & 2 \\" in text
    assert r"a\_b \& c & $60.0^{\dagger}$ & $+0.5$ & 1 \\" in text
    assert r"none & -- & -- & 0 \\" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert text.count("{") == text.count("}")


def test_csv_has_every_digit_and_every_figure_its_number_of_seeds():
    rows = list(csv.DictReader(io.StringIO(as_csv(TABLE))))
    assert rows[0]["own, mm"] == "54.321"
    assert rows[0]["own, mm sd"] == "0.456"
    assert rows[0]["own, mm seeds"] == "2"
    assert (rows[0]["change, mm low"], rows[0]["change, mm high"]) == ("-4.5", "-1.9")
    assert rows[1]["own, mm sd"] == rows[2]["own, mm"] == ""
    assert rows[1]["lifter"] == "a_b & c"


@pytest.mark.parametrize("form", [markdown, latex, as_csv])
def test_a_table_without_rows_has_its_headings(form):
    assert "lifter" in form(Table("empty", ["lifter", "seeds"], []))
