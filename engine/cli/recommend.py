"""`emberline recommend`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from emberline.engine.text.rendering import render

from .conditions import condition
from .options import SERVER, TIMEOUT, About, AsJson, Like, LikeText, Profile, Server, Timeout, user
from .output import print_footer, print_json, print_table

if TYPE_CHECKING:
    from emberline.engine import Reason, RecommendResult


def recommend(
    k: Annotated[int, typer.Option("-k", "--count", metavar="K", help="Number of items.")] = 10,
    profile: Profile = "",
    about: About = None,
    like: Like = None,
    like_text: LikeText = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="A condition that items must meet: 'genres=Horror|Sci-Fi' (one of them), 'genres!=Horror', "
            "'year>=1990', 'year<=1999', 'year=1990..1999'. May be repeated.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="An item to leave out. May be repeated.")
    ] = None,
    include_history: Annotated[
        bool, typer.Option("--include-history", help="Allow items of the history in the results.")
    ] = False,
    diversity: Annotated[
        float,
        typer.Option(
            help="From 0, ranking by score alone, to 1: the weight of dissimilarity to the items ranked before."
        ),
    ] = 0.0,
    reasons: Annotated[bool, typer.Option("--reasons", help="Explain why each item is result.")] = False,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="An output in addition to the score: `probability` or `rating`. May be repeated."
        ),
    ] = None,
    server: Server = SERVER,
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Recommend items of the catalogue to a known or new user, described by a profile, liked items, both or neither."""
    from emberline.engine import Client

    filters = [condition(text) for text in where or ()]
    person = user(profile, about, like, like_text)
    with Client(server, timeout=timeout) as client:
        result = client.recommend(
            person,
            k,
            filters=filters,
            include_history=include_history,
            exclude_ids=exclude or (),
            diversity=diversity,
            reasons=reasons,
            outputs=output or (),
        )
        fields = () if as_json else client.info().item_fields
    if as_json:
        print_json(result)
    else:
        _print(result, fields)


def _print(result: RecommendResult, fields: Sequence[str]) -> None:
    scores = [
        name
        for name in ("score", "probability", "rating")
        if any(getattr(item, name) is not None for item in result.items)
    ]
    explained = any(item.reason for item in result.items)
    columns = {"": "right", "id": "left"} | dict.fromkeys(scores, "right") | {"item": "left"}
    if explained:
        columns["why"] = "left"
    rows = []
    for rank, item in enumerate(result.items, 1):
        row = [rank, item.id, *(f"{getattr(item, name):.3f}" for name in scores), render(item.attributes, fields)]
        if item.reason:
            row.append(_sentence(item.reason))
        rows.append(row)
    print_table(columns, rows)
    print_footer(result.timings, result.provenance, f"{result.considered} items considered")


def _sentence(reason: Reason) -> str:
    parts = []
    if reason.because_of:
        parts.append(f"like {reason.because_of} ({reason.nearness:.2f})")
    if reason.shared_attributes:
        parts.append(f"both {', '.join(reason.shared_attributes)}")
    if reason.predicted_likes:
        parts.append(f"probably likes {', '.join(reason.predicted_likes)}")
    return "; ".join(parts)
