"""Options that several commands share, and the parsing of their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig

if TYPE_CHECKING:
    from emberline.engine import User
    from emberline.engine.records import Value

#: The server's default address, which is also where commands look for a server.
SERVER: Final = ServerConfig(engine=EngineConfig(bundle=Path())).listen
#: Retries of bulk commands while the server is overloaded; they span a few seconds in all.
RETRIES: Final = 6
#: Default time to wait for an answer, in seconds.
TIMEOUT: Final = 30.0
_LAST_PORT: Final = 65_535


def _address(text: str) -> str:
    if "//" in text:
        raise typer.BadParameter(f"{text!r} is a URL; write HOST:PORT, for instance 127.0.0.1:50051")
    port = text.rpartition(":")[2]
    if port.isdecimal() and int(port) > _LAST_PORT:
        raise typer.BadParameter(f"{text!r} has a port above {_LAST_PORT}; write the one that the server listens on")
    return text


Server = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        envvar="EMBERLINE_SERVER",
        help="Address of the server.",
        callback=_address,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        envvar="EMBERLINE_TOKEN_FILE",
        help="File with the bearer token for the server; EMBERLINE_TOKEN can hold the token itself.",
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        metavar="PEM",
        envvar="EMBERLINE_TLS_CA",
        help="Encrypt the connection, and trust the authorities in this file.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Name of the model that answers; `emberline models list` shows them.",
        show_default="the server's default",
    ),
]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Time to wait for an answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
AsTsv = Annotated[bool, typer.Option("--tsv", help="Print the table as lines with tabs, for other programs.")]
Bundle = Annotated[
    Path,
    typer.Argument(metavar="BUNDLE", help="What `emberline export` or `pack` wrote.", show_default=False),
]
Profile = Annotated[
    str, typer.Option("--profile", metavar="TEXT", help="The user's profile, e.g. 'age: 25; gender: F'.")
]
About = Annotated[
    list[str] | None,
    typer.Option(
        "--about",
        metavar="NAME=VALUE",
        help="An attribute of the user, in place of a profile, e.g. age=25. May be repeated.",
    ),
]
Like = Annotated[
    list[str] | None,
    typer.Option(
        "--like", metavar="ID", help="An item of the catalogue that the user liked; oldest first. May be repeated."
    ),
]
LikeText = Annotated[
    list[str] | None,
    typer.Option(
        "--like-text",
        metavar="TEXT",
        help="An item outside the catalogue that the user liked, as a text. May be repeated.",
    ),
]


def attributes(texts: Sequence[str], lists: Sequence[str] = ()) -> dict[str, Value]:
    """Parse attributes from ``NAME=VALUE`` and, for lists of texts, ``NAME=VALUE,VALUE``.

    Raises:
        typer.BadParameter: an attribute has no name or no ``=``.
    """
    result: dict[str, Value] = {}
    for name, value in map(_pair, texts):
        result[name] = _number_or_text(value)
    for name, value in map(_pair, lists):
        result[name] = [entry.strip() for entry in value.split(",") if entry.strip()]
    return result


def user(
    profile: str, about: Sequence[str] | None, like: Sequence[str] | None, like_text: Sequence[str] | None
) -> User:
    """Make a user from the options. In the history, items given by text follow those of the catalogue.

    Raises:
        typer.BadParameter: there is a profile and attributes, or an attribute has no name or no ``=``.
    """
    from emberline.engine import User, by_id, by_text

    if profile and about:
        raise typer.BadParameter(
            "--about gives the user's attributes in place of a --profile; give one of the two", param_hint="--about"
        )
    history = (*map(by_id, like or ()), *map(by_text, like_text or ()))
    return User(profile, attributes(about or ()), history)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE, for instance year=1979")
    return name.strip(), value


def _number_or_text(value: str) -> float | str:
    """Parse a number if it is written in the usual way: 1979 is a number, 007 is a text."""
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) and value in (str(number), f"{number:.0f}") else value
