"""``poseplug data``: what is in data sets, pictures and files of them; new ones, by annotating."""

from __future__ import annotations

import typer

from poseplug.cli.verbs.data import annotate, convert, inspect, limits, plot

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("inspect", epilog=inspect.EPILOG)(inspect.inspect)
app.command("convert", epilog=convert.EPILOG)(convert.convert)
app.command("plot", epilog=plot.EPILOG)(plot.plot)
app.command("annotate", epilog=annotate.EPILOG)(annotate.annotate)
app.add_typer(limits.app, name="limits", help="Which way limbs may point: learn it, import it, hold data against it.")
