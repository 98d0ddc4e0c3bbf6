"""The program: its own commands, and those that the other packages bring along as entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Final

import typer

from emberline import __version__
from emberline.engine.errors import EmberlineError, MissingExtra

from .encode import encode
from .info import info
from .items import items
from .recommend import recommend
from .score import score
from .serve import serve
from .verify import verify

#: Entry points of this group are commands: a `typer.Typer` or a function, by the command's name.
GROUP: Final = "emberline.commands"

_ASK: Final = "Serve and ask"
_MAKE: Final = "Make and measure"
#: Its own commands and where the help lists them.
_OWN: Final[dict[str, tuple[Callable[..., None], str]]] = {
    "verify": (verify, _MAKE),
    "serve": (serve, _ASK),
    "encode": (encode, _ASK),
    "score": (score, _ASK),
    "recommend": (recommend, _ASK),
    "info": (info, _ASK),
}


def main() -> None:
    """Run the program; what it raises on purpose becomes one line on the standard error and exit code 1."""
    # gRPC writes what it raises to the standard error as well; one line is enough.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    arguments = sys.argv[1:]
    try:
        program(arguments[0] if arguments else "")()
    except EmberlineError as error:
        typer.echo(f"emberline: {' '.join(str(error).split())}", err=True)
        sys.exit(1)


def program(first: str) -> typer.Typer:
    """The program's commands.

    Args:
        first: its first argument. Other packages' commands are not even looked for if it names one of its own.
    """
    app = typer.Typer(
        help="Recommend what has never been seen: train, prove, serve and ask a multitask BERT.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name, (command, panel) in _OWN.items():
        app.command(name, rich_help_panel=panel)(command)
    app.add_typer(items, name="items", rich_help_panel=_ASK)
    if first != "items" and first not in _OWN:
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
            _add(app, entry)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """The program's own options; `version` is answered by its callback."""


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        # The command is listed all the same, and says what it lacks.
        refuse = _refusing(_fault(entry, error))
        anything = {"allow_extra_args": True, "ignore_unknown_options": True}
        app.command(entry.name, rich_help_panel=_MAKE, context_settings=anything)(refuse)
        return
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry.name, rich_help_panel=_MAKE)
    else:
        app.command(entry.name, rich_help_panel=_MAKE)(command)


def _fault(entry: EntryPoint, error: ImportError | AttributeError) -> EmberlineError:
    name = f"`emberline {entry.name}`"
    missing = (error.name or "").partition(".")[0]
    if isinstance(error, MissingExtra):
        return error
    if isinstance(error, AttributeError) or missing in ("", "emberline"):
        return EmberlineError(f"{name} cannot be loaded ({error}); install Emberline again")
    # Each package's extra bears its name: emberline.export.cli needs the extra "export".
    return MissingExtra(name, entry.module.split(".")[1], missing)


def _refusing(fault: EmberlineError) -> Callable[[], None]:
    def refuse() -> None:
        raise fault

    refuse.__doc__ = f"Not available: {fault}."
    return refuse
