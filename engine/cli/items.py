"""`emberline items`: the live catalogue's items."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emberline.engine.errors import DataError, InvalidInput
from emberline.engine.text.rendering import render

from .itemlines import read_item
from .lines import lines
from .options import RETRIES, SERVER, TIMEOUT, AsJson, Server, Timeout, attributes
from .output import print_json, print_table
from .progress import progress

if TYPE_CHECKING:
    from emberline.engine import Client, Item

items: Final = typer.Typer(help="Add, replace, delete or show items of the live catalogue.", no_args_is_help=True)

#: Items a request, if the server takes so many: each request is durable as a whole, and takes well under a second.
_PART: Final = 256

_ITEM: Final = re.compile(r"items\[(\d+)\]")

_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="The items' ids.", show_default=False)]


@items.command()
def upsert(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="JSON Lines, an item each: its id, perhaps a text, and its attributes, as "
            '{"id": "x", "title": "Alien", "year": 1979, "genres": ["Horror"]} or in an object of their own, '
            '{"id": "x", "attributes": {…}}. -: the standard input.',
        ),
    ] = None,
    item_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="Upsert one item, described by --set, --list and --text.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An attribute: a text, or a number. May be repeated."),
    ] = None,
    list_: Annotated[
        list[str] | None,
        typer.Option(
            "--list", metavar="NAME=A,B", help="An attribute that is a list: genres=Horror,Sci-Fi. May be repeated."
        ),
    ] = None,
    text: Annotated[str, typer.Option(metavar="TEXT", help="What to encode in place of the attributes.")] = "",
    server: Server = SERVER,
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Add items or replace those with the same id; they are durable and recommendable when it returns.

    A file goes in parts of up to 256 items. Each part is kept as a whole or not at all; an error names the line, and
    the parts before it are kept.
    """
    from emberline.engine import Client, Item

    if bool(item_id) == bool(file):
        raise typer.BadParameter("give either a FILE (- for the standard input) or one item by --id")
    if file and (set_ or list_ or text):
        raise typer.BadParameter("--set, --list and --text describe the item of --id, not those of a FILE")
    if item_id:
        one = Item(item_id, attributes(set_ or (), list_ or ()), text)
        described = iter([(f"--id {item_id}", one)])
    else:
        described = ((place, read_item(place, line)) for place, line in lines(file))
    inserted = replaced = 0
    with Client(server, timeout=timeout, retries=RETRIES) as client, progress("items upserted") as advance:
        size = min(_PART, client.info().max_inputs)
        while part := list(islice(described, size)):
            new, old = _upsert(client, part)
            inserted, replaced = inserted + new, replaced + old
            advance(len(part))
    if not inserted + replaced:
        raise DataError(f"{file} has no items; give one a line")
    if as_json:
        print_json({"inserted": inserted, "replaced": replaced})
    else:
        typer.echo(f"{inserted} inserted, {replaced} replaced")


def _upsert(client: Client, part: list[tuple[str, Item]]) -> tuple[int, int]:
    try:
        upserted = client.upsert_items([item for _, item in part])
    except InvalidInput as error:
        # The server knows places in the request; who wrote the file knows lines.
        raise DataError(_ITEM.sub(lambda found: part[int(found[1])][0], str(error))) from None
    return upserted.inserted, upserted.replaced


@items.command()
def delete(ids: _Ids, server: Server = SERVER, timeout: Timeout = TIMEOUT, as_json: AsJson = False) -> None:
    """Delete items; they are not recommended any more when it returns. Exit code 1 if an id is unknown."""
    from emberline.engine import Client

    with Client(server, timeout=timeout) as client:
        deleted = client.delete_items(ids)
    if as_json:
        print_json(deleted)
    else:
        typer.echo(f"{deleted.deleted} deleted")
    _end(deleted.unknown_ids)


@items.command()
def get(
    ids: _Ids,
    vectors: Annotated[bool, typer.Option("--vectors", help="With their vectors; needs --json.")] = False,
    server: Server = SERVER,
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Show items of the live catalogue. Exit code 1 if an id is unknown."""
    from emberline.engine import Client

    if vectors and not as_json:
        raise typer.BadParameter("vectors are for programs; add --json", param_hint="--vectors")
    with Client(server, timeout=timeout) as client:
        found = client.get_items(ids, vectors=vectors)
        fields = () if as_json else client.info().item_fields
    if as_json:
        print_json(
            {
                "items": [
                    {
                        "id": stored.item.id,
                        "text": stored.item.text,
                        "attributes": stored.item.attributes,
                        "updated": stored.updated,
                    }
                    | (
                        {
                            "sentence_embedding": stored.embedding,
                            "item_embedding": stored.vector,
                            "item_bias": stored.bias,
                        }
                        if vectors
                        else {}
                    )
                    for stored in found.items
                ],
                "unknown_ids": found.unknown_ids,
            }
        )
    else:
        rows = [
            (stored.item.id, stored.item.text or render(stored.item.attributes, fields), _when(stored.updated))
            for stored in found.items
        ]
        print_table({"id": "left", "item": "left", "updated": "left"}, rows)
    _end(found.unknown_ids)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def _end(unknown_ids: tuple[str, ...]) -> None:
    if unknown_ids:
        typer.echo(f"emberline: not in the catalogue: {', '.join(unknown_ids)}", err=True)
        raise typer.Exit(1)
