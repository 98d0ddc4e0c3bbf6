"""`emberline score`."""

from __future__ import annotations

from typing import Annotated

import typer

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


def score(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Items of the catalogue to score.")] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="An item to score, as a text. May be repeated.")
    ] = None,
    profile: Profile = "",
    about: About = None,
    like: Like = None,
    like_text: LikeText = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="`score`, `probability` or `rating`. May be repeated.",
            show_default="score and probability",
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
    """Score items for one user: the ranking score, the probability of a like, and the predicted rating."""
    from emberline.engine import by_id, by_text

    candidates = [*map(by_id, ids or ()), *map(by_text, text or ())]
    if not candidates:
        raise typer.BadParameter("name items by id, or give their texts with --text", param_hint="ID")
    person = user(profile, about, like, like_text)
    with connect(server, tls_ca, token_file, model=model, timeout=timeout) as client:
        result = client.score(person, candidates, output or ("score", "probability"))
    print_warnings(result.provenance.warnings)
    names = [*(ids or ()), *(text or ())]
    if as_json:
        print_json(
            {
                "candidates": names,
                "outputs": result.outputs,
                "timings": result.timings,
                "provenance": result.provenance,
            }
        )
        return
    rows = zip(names, *([f"{number:.3f}" for number in scores] for scores in result.outputs.values()), strict=True)
    print_table({"item": "left"} | dict.fromkeys(result.outputs, "right"), rows, as_tsv=as_tsv)
    if not as_tsv:
        print_footer(result.timings, result.provenance)
