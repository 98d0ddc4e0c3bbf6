"""The program: its own commands, and those of other packages, which are entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emberline import __version__
from emberline.engine.errors import EmberlineError, MissingExtra

from .catalogue import catalogue
from .encode import encode
from .failures import UsageError, failure
from .health import health
from .info import info
from .items import items
from .models import models
from .recommend import recommend
from .score import score
from .serve import serve
from .sign import sign
from .verify import verify

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: Entry points of this group are commands: each is a `typer.Typer` or a function, by the command's name.
GROUP: Final = "emberline.commands"

_ASK: Final = "Serve and ask"
_MAKE: Final = "Make and measure"
#: The program's own commands, and the panel of the help that lists them.
_OWN: Final[dict[str, tuple[Callable[..., None], str]]] = {
    "verify": (verify, _MAKE),
    "sign": (sign, _MAKE),
    "serve": (serve, _ASK),
    "encode": (encode, _ASK),
    "score": (score, _ASK),
    "recommend": (recommend, _ASK),
    "info": (info, _ASK),
    "health": (health, _ASK),
}


def main() -> None:
    """Run the program. An error becomes one line on standard error; see `failure` for the exit code."""
    # gRPC also writes its errors to standard error; one line is enough.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Under `python -c` the program would be called "-c", in usage texts and in what a result says of its making.
    sys.argv[0] = str(Path(sys.argv[0]).with_name("emberline"))
    arguments = sys.argv[1:]
    try:
        code = program(arguments[0] if arguments else "")(prog_name="emberline", standalone_mode=False)
    except (EmberlineError, UsageError) as error:
        line, code = failure(error)
        if line:
            typer.echo(line, err=True)
    sys.exit(code)


def program(first: str) -> typer.Typer:
    """Build the program's commands.

    Args:
        first: the first argument. If it names one of the program's own commands, those of other packages are not
            loaded.
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
    app.add_typer(catalogue, name="catalogue", rich_help_panel=_ASK)
    app.add_typer(models, name="models", rich_help_panel=_ASK)
    if first not in ("items", "catalogue", "models", *_OWN):
        from importlib.metadata import entry_points  # which the program's own commands do without

        for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
            _add(app, entry)
    return app


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """The program's own options; a callback handles `version`."""


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        # The command is still listed, and its error says what is missing.
        refuse = _unavailable(_loading_error(entry, error))
        anything = {"allow_extra_args": True, "ignore_unknown_options": True}
        app.command(entry.name, rich_help_panel=_MAKE, context_settings=anything)(refuse)
        return
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry.name, rich_help_panel=_MAKE)
    else:
        app.command(entry.name, rich_help_panel=_MAKE)(command)


def _loading_error(entry: EntryPoint, error: ImportError | AttributeError) -> EmberlineError:
    name = f"`emberline {entry.name}`"
    missing = (error.name or "").partition(".")[0]
    if isinstance(error, MissingExtra):
        return error
    if isinstance(error, AttributeError) or missing in ("", "emberline"):
        return EmberlineError(f"{name} cannot be loaded ({error}); install Emberline again")
    # Each package's extra has its name: emberline.export.cli needs the extra "export".
    return MissingExtra(name, entry.module.split(".")[1], missing)


def _unavailable(error: EmberlineError) -> Callable[[], None]:
    def refuse() -> None:
        raise error

    refuse.__doc__ = f"Not available: {error}."
    return refuse
