"""``poseplug data plot``: a picture or a page of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_text
from poseplug.registry.datasets.inspect import inspect
from poseplug.registry.datasets.opening import Opened
from poseplug.registry.datasets.page import data_page
from poseplug.registry.datasets.picture import write_picture
from poseplug.registry.datasets.scenes.shown import Predictor
from poseplug.registry.datasets.shown import TOPICS, Shown, look

_PICTURES = (".png", ".pdf", ".svg")


def check_name(out: Path) -> None:
    """Raise PoseplugError unless a file's name says that it is a picture or a page."""
    if out.suffix.lower() not in (*_PICTURES, ".html"):
        raise PoseplugError(f"'{out}' is neither a picture nor a page; end its name with .png, .pdf, .svg or .html.")


def plot(
    opened: Opened,
    out: Path,
    topics: Sequence[str] = (),
    *,
    rows: int = 3,
    columns: int = 8,
    against: Opened | None = None,
    limits: Path | None = None,
    predictor: Predictor | None = None,
) -> Shown:
    """Write a picture (.png, .pdf, .svg) or a page (.html) of a source, and return what it shows.

    Args:
        opened: the source.
        out: the file; one that is there is replaced.
        topics: what to show, of TOPICS and FURTHER; none: those of TOPICS.
        rows, columns: of the grid of poses; rows is also how many scenes there are.
        against: a source whose directions of bones are shown beside those of the first.
        limits: a file of joint limits; none: those that ship.
        predictor: a run whose findings are shown beside the people of scenes.

    Raises:
        PoseplugError: another suffix, no such topic, bad limits, or a package that is not installed.
    """
    check_name(out)
    tables = None if limits is None else JointLimits.load(limits)
    shown = look(
        opened, tuple(topics) or TOPICS, rows=rows, columns=columns, against=against, limits=tables, predictor=predictor
    )
    if out.suffix.lower() == ".html":
        write_text(out, data_page(shown, inspect(opened)))
    else:
        write_picture(shown, out)
    return shown
