"""Options that several commands have, and how their values are read."""

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

#: Where a server listens unless it is told otherwise, and so where a command looks for one.
SERVER: Final = ServerConfig(engine=EngineConfig(bundle=Path())).listen
#: How often commands for bulk work send a part again for which the server had no room: for a few seconds in all.
RETRIES: Final = 6
#: Seconds to wait for an answer.
TIMEOUT: Final = 30.0

Server = Annotated[
    str, typer.Option("--server", metavar="HOST:PORT", envvar="EMBERLINE_SERVER", help="The server to ask.")
]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="How long to wait for an answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, and nothing else.")]
Bundle = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="The folder that `emberline export` wrote.", show_default=False)
]
Profile = Annotated[
    str, typer.Option("--profile", metavar="TEXT", help="The user's profile, for instance 'age: 25; gender: F'.")
]
About = Annotated[
    list[str] | None,
    typer.Option(
        "--about",
        metavar="NAME=VALUE",
        help="An attribute of the user in place of a profile, for instance age=25. May be repeated.",
    ),
]
Like = Annotated[
    list[str] | None,
    typer.Option(
        "--like", metavar="ID", help="An item of the catalogue that the user liked, oldest first. May be repeated."
    ),
]
LikeText = Annotated[
    list[str] | None,
    typer.Option(
        "--like-text",
        metavar="TEXT",
        help="An item that the user liked and the catalogue does not have. May be repeated.",
    ),
]


def attributes(texts: Sequence[str], lists: Sequence[str] = ()) -> dict[str, Value]:
    """Attributes from ``NAME=VALUE`` and, for lists of texts, ``NAME=VALUE,VALUE``.

    Raises:
        typer.BadParameter: one has no name or no ``=``.
    """
    found: dict[str, Value] = {}
    for name, value in map(_pair, texts):
        found[name] = _number_or_text(value)
    for name, value in map(_pair, lists):
        found[name] = [entry.strip() for entry in value.split(",") if entry.strip()]
    return found


def user(
    profile: str, about: Sequence[str] | None, like: Sequence[str] | None, like_text: Sequence[str] | None
) -> User:
    """A user from the options; items given by text come after those of the catalogue."""
    from emberline.engine import User, by_id, by_text

    history = (*map(by_id, like or ()), *map(by_text, like_text or ()))
    return User(profile, attributes(about or ()), history)


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{given!r} is not NAME=VALUE")
    return name.strip(), value


def _number_or_text(value: str) -> float | str:
    """A number where it reads the same as the text: 1979 is one, 007 is not."""
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) and value in (str(number), f"{number:.0f}") else value
