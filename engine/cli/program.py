"""The program: its own commands, and those of other packages, which are entry points."""

from __future__ import annotations

import io
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
from .failures import FAILED, UsageError, failure, machine_failure
from .health import health
from .info import info
from .items import items
from .models import models
from .pack import apply, diff, pack, unpack
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
    "pack": (pack, _MAKE),
    "unpack": (unpack, _MAKE),
    "diff": (diff, _MAKE),
    "apply": (apply, _MAKE),
    "serve": (serve, _ASK),
    "encode": (encode, _ASK),
    "score": (score, _ASK),
    "recommend": (recommend, _ASK),
    "info": (info, _ASK),
    "health": (health, _ASK),
}
_GROUPS: Final[dict[str, typer.Typer]] = {"items": items, "catalogue": catalogue, "models": models}


def main() -> None:
    """Run the program. An error becomes one line on standard error; see `failure` for the exit code."""
    # gRPC also writes its errors to standard error; one line is enough.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Under `python -c` the program would be called "-c", in usage texts and in what a result says of its making.
    sys.argv[0] = str(Path(sys.argv[0]).with_name("emberline"))
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding lacks, such as a Chinese title, is written as an escape and ends nothing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:]
    try:
        code = program(arguments[0] if arguments else "--help")(prog_name="emberline", standalone_mode=False)
    except (EmberlineError, UsageError) as error:
        line, code = failure(error)
        if line:
            typer.echo(line, err=True)
    except Exception as error:  # libraries have many kinds of it for a full disk
        line, code = machine_failure(error), FAILED
        if not line:
            raise
        typer.echo(line, err=True)
    sys.exit(code)


def program(first: str) -> typer.Typer:
    """Build the program's commands.

    To build a command takes longer than to load it, so that nothing is built that is not needed.

    Args:
        first: the first argument. If it names a command, that one alone is built; otherwise all are listed with their
            first lines, for the help. Empty: all are built.
    """
    app = typer.Typer(
        help="Recommend what has never been seen: train, prove, serve and ask a multitask BERT.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    alone = first in _OWN or first in _GROUPS
    entries = [] if alone else _entries()
    alone = alone or first in [entry.name for entry in entries]
    listed = bool(first) and not alone
    for name, (command, panel) in _OWN.items():
        if not alone or name == first:
            app.command(name, rich_help_panel=panel)(_listed(command) if listed else command)
    for name, group in _GROUPS.items():
        if not alone or name == first:
            app.add_typer(_listed_group(group) if listed else group, name=name, rich_help_panel=_ASK)
    for entry in entries:
        if not alone or entry.name == first:
            _add(app, entry, listed=listed)
    return app


def _entries() -> list[EntryPoint]:
    """The commands of other packages."""
    from importlib.metadata import entry_points  # which the program's own commands do without

    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


def _listed(command: Callable[..., None]) -> Callable[[], None]:
    """A command as a list of commands needs it: without its options."""

    def nothing() -> None:
        pass

    nothing.__doc__ = command.__doc__
    return nothing


def _listed_group(group: typer.Typer) -> typer.Typer:
    return typer.Typer(help=group.info.help)


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


def _add(app: typer.Typer, entry: EntryPoint, *, listed: bool) -> None:
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        # The command is still listed, and its error says what is missing.
        refuse = _unavailable(_loading_error(entry, error))
        anything = {"allow_extra_args": True, "ignore_unknown_options": True}
        app.command(entry.name, rich_help_panel=_MAKE, context_settings=anything)(refuse)
        return
    if isinstance(command, typer.Typer):
        app.add_typer(_listed_group(command) if listed else command, name=entry.name, rich_help_panel=_MAKE)
    else:
        app.command(entry.name, rich_help_panel=_MAKE)(_listed(command) if listed else command)


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
