"""``poseplug report``: what a grid or runs have found, as one page and as tables for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from poseplug.registry.reports.page import Page
    from poseplug.registry.reports.question import Question

EPILOG = """Examples:

poseplug report runs/grid

poseplug report runs/mine runs/narrow --baseline run=narrow --out mine.html

poseplug report runs/grid --baseline lifter=mlp,augmentor=none --latex -
"""


def report(
    paths: Annotated[list[Path], typer.Argument(help="A grid's folder, or run directories.", metavar="PATH...")],
    out: Annotated[Path, typer.Option(help="The page.", metavar="FILE")] = Path("report.html"),
    baseline: Annotated[
        str,
        typer.Option(help="What rows are compared with; default: the first level of all.", metavar="FACTOR=LABEL,..."),
    ] = "",
    metric: Annotated[str, typer.Option(help="What rows are compared by; default: the first, MPJPE.")] = "",
    markdown: Annotated[
        str, typer.Option(help="Tables in Markdown into a file, or - to print them.", metavar="FILE|-")
    ] = "",
    latex: Annotated[str, typer.Option(help="The same in LaTeX (booktabs).", metavar="FILE|-")] = "",
    figures: Annotated[
        Path | None, typer.Option(help="The page's figures as PDF and PNG, into this folder.", metavar="FOLDER")
    ] = None,
    examples: Annotated[
        int, typer.Option(min=1, help="So many best and so many worst cases of each evaluation, in 3D.")
    ] = 4,
    no_examples: Annotated[bool, typer.Option("--no-examples", help="No cases: no model is opened.")] = False,
    device: Annotated[str, typer.Option(help="Where models lift the cases: auto, cpu, cuda or cuda:K.")] = "auto",
) -> None:
    """Write a page on a grid or on finished runs: results, differences, effects, curves, cases."""
    from poseplug.cli.render import err, reporting

    with reporting():
        from poseplug.core.storage.files import write_text
        from poseplug.registry.grids.finished_runs import open_results
        from poseplug.registry.reports import tables as forms
        from poseplug.registry.reports.page import html
        from poseplug.registry.reports.picture_files import write_pictures
        from poseplug.registry.reports.question import Question
        from poseplug.registry.reports.report import tables
        from poseplug.registry.reports.rows import Rows

        question = Question.of(Rows.of(open_results(*paths)), metric, baseline)
        for target, form in ((markdown, forms.markdown), (latex, forms.latex)):
            if not target:
                continue
            text = "\n".join(form(table) for table in tables(question))
            if target == "-":
                typer.echo(text.rstrip())
            else:
                write_text(Path(target), text)
        page = _page(question, 0 if no_examples else examples, device)
        write_text(out, html(page))
        if figures is not None:
            drawn = (figure for section in page.sections for figure in (*section.figures, *section.folded_figures))
            write_pictures(drawn, figures)
        err().print(f"The report is in {out}", soft_wrap=True, markup=False)


def _page(question: Question, each: int, device: str) -> Page:
    from poseplug.core.training.runtime import pick_device
    from poseplug.registry.discovery.catalogue import load_catalogue
    from poseplug.registry.reports.examples import Examples, find_examples
    from poseplug.registry.reports.report import make_page

    where = pick_device(device)

    def find() -> Examples:
        return find_examples(question, load_catalogue(), where, each)

    return make_page(question, find if each else None)
