"""``poseplug compare``: finished runs beside one another, seeds of one run together."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from poseplug.registry.reports.question import Question

EPILOG = """Examples:

poseplug compare runs/mine runs/narrow

poseplug compare runs/a-seed-0 runs/a-seed-1 runs/b-seed-0 runs/b-seed-1 --baseline a

poseplug compare runs/mine runs/narrow --metric p_mpjpe_mm --latex
"""


class _Form(enum.StrEnum):
    csv = "csv"
    latex = "latex"
    markdown = "markdown"


def compare(
    paths: Annotated[
        list[Path], typer.Argument(help="Run directories, folders of them, or a grid's folder.", metavar="RUN...")
    ],
    metric: Annotated[list[str], typer.Option("--metric", help="Only this one, such as mpjpe_mm; repeatable.")] = [],  # noqa: B006
    evaluation: Annotated[
        list[str], typer.Option("--eval", help="Only this evaluation; repeatable.", metavar="LABEL")
    ] = [],  # noqa: B006
    baseline: Annotated[
        str, typer.Option(help="Also tell how the others differ from this run, paired by seed.", metavar="RUN")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with all digits.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX (booktabs).")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Compare finished runs; those that are equal up to their seed are one row, with mean and spread."""
    from poseplug.cli.render import reporting

    with reporting():
        from poseplug.core.errors import PoseplugError
        from poseplug.registry.grids.finished_runs import open_results
        from poseplug.registry.reports.question import Question
        from poseplug.registry.reports.rows import Rows

        wanted = {_Form.csv: as_csv, _Form.latex: as_latex, _Form.markdown: as_markdown}
        forms = [form for form, asked in wanted.items() if asked]
        if len(forms) > 1:
            raise PoseplugError(f"--{forms[0]} and --{forms[1]} are two forms of one table; give one of them.")
        rows = Rows.of(open_results(*paths))
        question = Question.of(rows, next(iter(metric), ""), baseline)
        places = [rows.evaluation(label) for label in evaluation] or range(len(rows.evaluations))
        for name in metric:
            rows.metric(name)
        _print(question, metric, list(places), with_differences=bool(baseline), form=forms[0] if forms else None)


def _print(
    question: Question, metrics: list[str], evaluations: list[int], *, with_differences: bool, form: _Form | None
) -> None:
    from poseplug.cli.render import print_figures
    from poseplug.registry.reports import tables
    from poseplug.registry.reports.contents import differences_table, metrics_table, wide_table

    if form is _Form.csv:
        typer.echo(tables.as_csv(wide_table(question, evaluations, metrics)), nl=False)
        return
    found = [metrics_table(question, evaluation, metrics, cut=False) for evaluation in evaluations]
    if with_differences:
        found.append(differences_table(question, evaluations, cut=False))
    for number, table in enumerate(found):
        if form is not None:
            typer.echo(tables.latex(table) if form is _Form.latex else tables.markdown(table))
            continue
        rows = [[tables.plain(tables.cell_text(cell)) for cell in row] for row in table.rows]
        if number:
            typer.echo()
        print_figures(list(table.columns), rows, tables.plain(table.title))
        for note in table.all_notes:
            typer.echo(tables.plain(note))
