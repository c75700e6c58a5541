"""The Typer app: one verb per module."""

from __future__ import annotations

import typer

from poseplug.cli.options import NoPlugin, switched_off, warn_of_unknown
from poseplug.cli.verbs import ablate, check, compare, data, detector, export, lift, new, plugins, report, run, show
from poseplug.cli.verbs import eval as evaluation
from poseplug.cli.verbs import list as listing
from poseplug.core import __version__

app = typer.Typer(
    name="poseplug",
    help="Train 2D-to-3D human pose lifters that generalise, from exchangeable parts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", epilog=run.EPILOG)(run.run)
app.command("ablate", epilog=ablate.EPILOG)(ablate.ablate)
app.command("eval", epilog=evaluation.EPILOG)(evaluation.evaluate)
app.command("lift", epilog=lift.EPILOG)(lift.lift)
app.command("compare", epilog=compare.EPILOG)(compare.compare)
app.command("report", epilog=report.EPILOG)(report.report)
app.command("export", epilog=export.EPILOG)(export.export)
app.add_typer(data.app, name="data", help="Look at data sets, draw them, convert them; annotate images.")
app.add_typer(detector.app, name="detector", help="Train detectors of joints in images, measure them.")
app.command("list")(listing.list_components)
app.command("show", epilog=show.EPILOG)(show.show)
app.command("plugins")(plugins.plugins)
app.command("new", epilog=new.EPILOG)(new.new)
app.command("check", epilog=check.EPILOG)(check.check)


@app.callback(invoke_without_command=True)
def _before_the_verb(
    context: typer.Context,
    no_plugin: NoPlugin = [],  # noqa: B006
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        typer.echo(f"poseplug {__version__}")
        raise typer.Exit
    from poseplug.registry.discovery import manager

    warn_of_unknown(manager.switched_off())
    context.with_resource(switched_off(no_plugin))


def main() -> None:
    """Run the command line."""
    app()
