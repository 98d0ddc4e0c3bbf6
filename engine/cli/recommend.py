"""`emberline recommend`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from emberline.engine.text.rendering import render

from .conditions import condition
from .connection import connect
from .options import (
    SERVER,
    TIMEOUT,
    About,
    AsJson,
    AsTsv,
    Like,
    LikeText,
    Model,
    Profile,
    Server,
    Timeout,
    TlsCa,
    TokenFile,
    user,
)
from .output import print_footer, print_json, print_table, print_warnings

if TYPE_CHECKING:
    from emberline.engine import Client, Reason, RecommendResult


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
    new_item_weight: Annotated[
        float,
        typer.Option(
            metavar="W",
            help="Above 1 for more items that training did not know, below 1 for fewer; 1 is what training found best.",
        ),
    ] = 1.0,
    reasons: Annotated[bool, typer.Option("--reasons", help="Explain why each item is recommended.")] = False,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="An output in addition to the score: `probability` or `rating`. May be repeated."
        ),
    ] = None,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    model: Model = "",
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Recommend items of the catalogue to a known or new user, described by a profile, liked items, both or neither."""
    filters = [condition(text) for text in where or ()]
    person = user(profile, about, like, like_text)
    with connect(server, tls_ca, token_file, model=model, timeout=timeout) as client:
        result = client.recommend(
            person,
            k,
            filters=filters,
            include_history=include_history,
            exclude_ids=exclude or (),
            diversity=diversity,
            reasons=reasons,
            outputs=output or (),
            new_item_weight=new_item_weight,
        )
        print_warnings(result.provenance.warnings)
        if filters and not result.considered:
            print_warnings(["no item meets --where; texts are compared letter by letter, capital or not"])
        if as_json:
            print_json(result)
            return
        fields = client.info().item_fields
        liked = dict.fromkeys(item.reason.because_of for item in result.items if item.reason)
        names = _names(client, [item_id for item_id in liked if item_id], fields)
    _print(result, fields, names, as_tsv=as_tsv)


def _names(client: Client, ids: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """What people call the liked items, by id: the value of the first field that an item's text begins with."""
    stored = client.get_items(ids).items if ids and fields else ()
    return {one.item.id: str(one.item.attributes.get(fields[0], one.item.id)) for one in stored}


def _print(result: RecommendResult, fields: Sequence[str], names: Mapping[str, str], *, as_tsv: bool) -> None:
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
            row.append(_sentence(item.reason, names))
        rows.append(row)
    print_table(columns, rows, as_tsv=as_tsv)
    if not as_tsv:
        print_footer(result.timings, result.provenance, f"{result.considered} items considered")


def _sentence(reason: Reason, names: Mapping[str, str]) -> str:
    parts = []
    if reason.because_of:
        parts.append(f"like {names.get(reason.because_of, reason.because_of)} ({reason.nearness:.2f})")
    if reason.shared_attributes:
        parts.append(f"both {', '.join(reason.shared_attributes)}")
    if reason.predicted_likes:
        parts.append(f"probably likes {', '.join(reason.predicted_likes)}")
    return "; ".join(parts)
