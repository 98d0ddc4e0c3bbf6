"""`emberline items`: changes and shows the live catalogue."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emberline.engine.errors import DataError, InvalidInput
from emberline.engine.text.rendering import render

from .connection import connect
from .itemfile import ItemFile, as_file, described_items
from .options import RETRIES, SERVER, TIMEOUT, AsJson, AsTsv, Model, Server, Timeout, TlsCa, TokenFile, attributes
from .output import print_json, print_table, print_warnings
from .progress import progress

if TYPE_CHECKING:
    from emberline.engine import Client, Item
    from emberline.engine.records import UpsertResult

items: Final = typer.Typer(help="Add, replace, delete or show items of the live catalogue.", no_args_is_help=True)

#: Maximum number of items in a request. Each request is durable as a whole, and takes well under a second.
_PART: Final = 256

_ITEM: Final = re.compile(r"items\[(\d+)\]")

_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the items.", show_default=False)]


@items.command()
def upsert(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="A file of JSON Lines, one item per line: its id, optionally a text, and its attributes, as in "
            '{"id": "x", "title": "Alien", "year": 1979, "genres": ["Horror"]} or in an object of their own, '
            '{"id": "x", "attributes": {…}}. Or CSV or TSV with such columns. All may be compressed. -: '
            "standard input.",
        ),
    ] = None,
    description: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The data-set description that the model was trained with. Its `item` table gives the columns of the "
            "FILE, with their kinds and names.",
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
    text: Annotated[str, typer.Option(metavar="TEXT", help="The text to encode in place of the attributes.")] = "",
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    model: Model = "",
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Add items, or replace those with the same id. They are durable and recommendable on return.

    A file is sent in parts of up to 256 items. Each part is stored as a whole or not at all. An error names the line;
    the parts before it stay stored.
    """
    from emberline.engine import Item

    if bool(item_id) == bool(file):
        raise typer.BadParameter("give either a FILE (- for standard input) or one item with --id")
    if file and (set_ or list_ or text):
        raise typer.BadParameter("--set, --list and --text describe the item of --id, not the items of a FILE")
    if item_id and description:
        raise typer.BadParameter("--description says how a FILE is read; leave it out with --id")
    entity = described_items(description) if description else None
    inserted = replaced = 0
    with (
        as_file(file or Path()) as path,
        connect(server, tls_ca, token_file, model=model, timeout=timeout, retries=RETRIES) as client,
        progress("items upserted") as advance,
    ):
        info = client.info()
        single = Item(item_id, attributes(set_ or (), list_ or ()), text)
        described = (
            iter([(f"--id {item_id}", single)]) if item_id else ItemFile(path, entity, info.item_fields, _note).items()
        )
        size = min(_PART, info.max_inputs)
        warnings: dict[str, None] = {}
        while part := list(islice(described, size)):
            result = _upsert(client, part)
            warnings |= dict.fromkeys(result.provenance.warnings)
            inserted, replaced = inserted + result.inserted, replaced + result.replaced
            advance(len(part))
    print_warnings(warnings)
    if not inserted + replaced:
        raise DataError(f"{file} has no items; write one per line")
    if as_json:
        print_json({"inserted": inserted, "replaced": replaced})
    else:
        typer.echo(f"{inserted} inserted, {replaced} replaced")


def _note(sentence: str) -> None:
    typer.echo(f"emberline: {sentence}", err=True)


def _upsert(client: Client, part: list[tuple[str, Item]]) -> UpsertResult:
    # As in training, equal rows count once. The server rejects rows with one id that differ.
    last: dict[str, Item] = {}
    unique = []
    for place, item in part:
        if last.get(item.id) != item:
            unique.append((place, item))
        last[item.id] = item
    part = unique
    try:
        return client.upsert_items([item for _, item in part])
    except InvalidInput as error:
        # The server names the index in the request; the user needs the line in the file.
        raise DataError(_ITEM.sub(lambda match: part[int(match[1])][0], str(error))) from None


@items.command()
def delete(
    ids: _Ids,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    model: Model = "",
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Delete items. On return they are no longer recommended. Exit code 1 if an id is unknown."""
    with connect(server, tls_ca, token_file, model=model, timeout=timeout) as client:
        result = client.delete_items(ids)
    if as_json:
        print_json(result)
    else:
        typer.echo(f"{result.deleted} deleted")
    _end(result.unknown_ids)


@items.command()
def get(
    ids: _Ids,
    vectors: Annotated[bool, typer.Option("--vectors", help="Include the vectors; needs --json.")] = False,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    model: Model = "",
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Show items of the live catalogue. Exit code 1 if an id is unknown."""
    if vectors and not as_json:
        raise typer.BadParameter("vectors are for programs; add --json", param_hint="--vectors")
    with connect(server, tls_ca, token_file, model=model, timeout=timeout) as client:
        result = client.get_items(ids, vectors=vectors)
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
                    for stored in result.items
                ],
                "unknown_ids": result.unknown_ids,
            }
        )
    else:
        rows = [
            (stored.item.id, stored.item.text or render(stored.item.attributes, fields), _when(stored.updated))
            for stored in result.items
        ]
        print_table({"id": "left", "item": "left", "updated": "left"}, rows, as_tsv=as_tsv)
    _end(result.unknown_ids)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def _end(unknown_ids: tuple[str, ...]) -> None:
    if unknown_ids:
        typer.echo(f"emberline: not in the catalogue: {', '.join(unknown_ids)}", err=True)
        raise typer.Exit(1)
