"""The page: one HTML file that needs nothing else, neither beside it nor from the network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from poseplug.registry.reports.examples import Examples
from poseplug.registry.reports.figures import Figure
from poseplug.registry.reports.headline import Fact
from poseplug.registry.reports.statistics import require
from poseplug.registry.reports.tables import Number, Table

_WEB = Path(__file__).with_name("web")
# Tables of more rows are folded away.
LONG = 20


@attrs.frozen(kw_only=True)
class Section:
    """A part of the page: under a heading what has to be said, figures, tables.

    Attributes:
        name: its anchor.
        title: its heading.
        text: sentences.
        figures, tables: in this order.
        folded_figures, folded: those that are looked at by few, seen when they are asked for.
        viewer: whether the examples' 3D view stands here.
    """

    name: str
    title: str
    text: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    folded_figures: Sequence[Figure] = ()
    folded: Sequence[Table] = ()
    viewer: bool = False


@attrs.frozen(kw_only=True)
class Page:
    """What a report shows.

    Attributes:
        title: name of the grid.
        made: when, by which version.
        headline: what there is to know first.
        sections: in order.
        examples: of the 3D view; None where there are none.
        configuration: everything else that the data set knows, by name: text, or JSON.
    """

    title: str
    made: str
    headline: Sequence[Fact]
    sections: Sequence[Section]
    examples: Examples | None
    configuration: Mapping[str, str]


def html(page: Page) -> str:
    """Return the page.

    Raises:
        PoseplugError: plotly or jinja2 is not installed.
    """
    figures = {
        figure.name: {"data": figure.data, "layout": figure.layout}
        for section in page.sections
        for figure in (*section.figures, *section.folded_figures)
    }
    return filled(_WEB / "page", {"figures": figures, "examples": _examples(page.examples)}, page=page, long=LONG)


def filled(files: Path, data: Any, **values: Any) -> str:
    """Return a page with its style, its script and plotly inside, which needs nothing else.

    Args:
        files: what its files are called before .html.j2, .css and .js.
        data: what the script reads, as JSON.
        values: what the template names.

    Raises:
        PoseplugError: plotly or jinja2 is not installed.
    """
    require("jinja2", "plotly")
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(files.parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["number"] = lambda cell: isinstance(cell, Number)
    environment.tests["spread"] = lambda cell: isinstance(cell, Number) and (cell.sd, cell.interval) != (None, None)
    environment.filters["anchor"] = lambda name: re.sub(r"[^\w-]+", "-", name)
    return environment.get_template(f"{files.name}.html.j2").render(
        style=files.with_suffix(".css").read_text(encoding="utf-8"),
        script=files.with_suffix(".js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        # No text in it can end the script that it stands in.
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        **values,
    )


def _examples(examples: Examples | None) -> Any:
    if examples is None:
        return None
    cases = [
        {
            "evaluation": case.evaluation,
            "rank": case.rank,
            "what": case.what,
            "errors": [round(error, 1) for error in case.errors],
            # Millimetres are enough for the eye, and a third of the size.
            "poses": [[[round(float(x), 3) for x in joint] for joint in pose] for pose in (case.truth, *case.poses)],
        }
        for case in examples.cases
    ]
    names = ["truth", *examples.models]
    return {"names": names, "bones": examples.bones, "sides": examples.sides, "cases": cases}
