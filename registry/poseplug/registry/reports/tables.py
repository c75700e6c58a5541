"""Tables of results: for a terminal, and as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import attrs

_FEWER = "†"
_MINUS, _NONE = "\N{MINUS SIGN}", "\N{EN DASH}"


@attrs.frozen
class Number:
    """A figure in a table.

    Attributes:
        value: NaN where there is none.
        sd: standard deviation over seeds; None where the table has none, NaN where there are too few.
        interval: (low, high) of a difference; None where the table has none, NaN where there are too few seeds.
        n: of how many seeds it is.
        fewer: whether these are fewer than other rows have.
        best: whether it is the best of its column.
    """

    value: float
    sd: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    fewer: bool = False
    best: bool = False

    @property
    def main(self) -> str:
        """The figure alone; a difference has its sign."""
        return figure(self.value, signed=self.interval is not None) + (_FEWER if self.fewer else "")

    @property
    def beside(self) -> str:
        """What stands beside it: spread or interval."""
        if self.interval is not None and math.isfinite(self.interval[0]):
            return f"[{figure(self.interval[0], signed=True)}, {figure(self.interval[1], signed=True)}]"
        if self.sd is None or not math.isfinite(self.sd):
            return ""
        # A spread has the decimals of its mean.
        return f"± {self.sd:.1f}" if abs(self.value) >= 1 else f"± {figure(self.sd)}"

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.main} {self.beside}".strip()


Cell = str | int | Number


@attrs.frozen
class Table:
    """Rows under headings.

    Attributes:
        title: what it shows.
        columns: headings, with units.
        rows: cells.
        notes: what has to be known to read it, a sentence each.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers."""
        return [bool(self.rows) and not isinstance(cells[0], str) for cells in zip(*self.rows, strict=True)] or [
            False for _ in self.columns
        ]

    @property
    def all_notes(self) -> list[str]:
        """The notes, with the one on fewer seeds where a row needs it."""
        fewer = any(isinstance(cell, Number) and cell.fewer for row in self.rows for cell in row)
        return [*self.notes, *[f"{_FEWER} of fewer seeds than other rows."] * fewer]


def figure(value: float | None, *, signed: bool = False) -> str:
    """Return a number as tables show it: one decimal, two digits of a small one, - for none."""
    if value is None or not math.isfinite(value):
        return _NONE
    text = f"{value:.1f}" if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"
    return (f"+{text}" if signed and value > 0 else text).replace("-", _MINUS)


def plain(text: str) -> str:
    """Return text with characters that every terminal has."""
    for fine, coarse in {_MINUS: "-", _NONE: "-", "±": "+-", _FEWER: "*", " · ": " / "}.items():
        text = text.replace(fine, coarse)
    return text


def cell_text(cell: Cell) -> str:
    """Return a cell as text."""
    return cell.text if isinstance(cell, Number) else str(cell)


def markdown(table: Table) -> str:
    """Return a table in Markdown, with title and notes."""
    texts = [[_escaped(cell_text(cell)) for cell in row] for row in table.rows]
    texts = [
        [f"**{text}**" if isinstance(cell, Number) and cell.best else text for text, cell in zip(*pair, strict=True)]
        for pair in zip(texts, table.rows, strict=True)
    ]
    rule = ["---:" if numeric else "---" for numeric in table.numeric]
    lines = [f"| {' | '.join(row)} |" for row in ([_escaped(c) for c in table.columns], rule, *texts)]
    return "\n".join([f"**{table.title}**", "", *lines, *[f"\n{note}" for note in table.all_notes], ""])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def latex(table: Table) -> str:
    """Return a table in LaTeX, for the package booktabs; title and notes are its caption."""
    kinds = "".join("r" if numeric else "l" for numeric in table.numeric)
    lines = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    heading = " & ".join(map(_latex_text, table.columns)) + r" \\"
    caption = _latex_text(" ".join([f"{table.title}.", *table.all_notes]))
    body = "\n".join([rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", heading, r"\midrule", *lines, r"\bottomrule"])
    return "\n".join(
        [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", body, r"\end{tabular}", r"\end{table}", ""]
    )


def _latex_cell(cell: Cell) -> str:
    if not isinstance(cell, Number):
        return _latex_text(str(cell))
    text = cell.text
    if text == _NONE:
        return "--"
    dagger = r"^{\dagger}" if _FEWER in text else ""
    maths = text.replace(_FEWER, "").replace("±", r"\pm").replace(_MINUS, "-")
    if cell.best:
        maths = maths.replace(maths.split(" ")[0], rf"\mathbf{{{maths.split(' ')[0]}}}", 1)
    first, _, rest = maths.partition(" ")
    return f"${first}{dagger} {rest}$".replace(" $", "$")


_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}
_LATEX |= {_MINUS: "$-$", "±": r"$\pm$", "·": r"$\cdot$", _NONE: "--", _FEWER: r"$\dagger$", "<": "$<$", ">": "$>$"}


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def as_csv(table: Table) -> str:
    """Return a table as CSV: figures with all their digits, spread, interval and number of seeds in columns beside."""
    headings: list[str] = []
    kinds = [
        next((cell for cell in cells if isinstance(cell, Number)), None) for cells in zip(*table.rows, strict=True)
    ]
    for name, kind in zip(table.columns, kinds or [None] * len(table.columns), strict=True):
        headings += [name, *[f"{name} {further}" for further in _further(kind)]]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(headings)
    for row in table.rows:
        cells = zip(row, kinds, strict=True)
        writer.writerow([text for cell, kind in cells for text in _csv_cells(cell, kind)])
    return written.getvalue()


def _further(kind: Number | None) -> list[str]:
    if kind is None:
        return []
    return [*["sd"] * (kind.sd is not None), *["low", "high"] * (kind.interval is not None), "seeds"]


def _csv_cells(cell: Cell, kind: Number | None) -> list[str]:
    if not isinstance(cell, Number):
        return [str(cell), *[""] * len(_further(kind))]
    numbers = [cell.value, *([cell.sd] if cell.sd is not None else []), *(cell.interval or ())]
    return [*(repr(float(number)) if math.isfinite(number) else "" for number in numbers), str(cell.n)]
