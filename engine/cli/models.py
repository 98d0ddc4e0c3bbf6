"""`emberline models`: loads, unloads, lists and routes the models of a running server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .connection import connect
from .options import SERVER, TIMEOUT, AsJson, AsTsv, Server, Timeout, TlsCa, TokenFile
from .output import print_json, print_table

if TYPE_CHECKING:
    from emberline.engine.records import LoadedModel

models: Final = typer.Typer(help="Load, unload, list or route the models of a running server.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model's folder.", show_default=False)]


@models.command()
def load(
    name: _Name,
    items: Annotated[
        bool, typer.Option("--items", help="Give it the default model's items, which it encodes first.")
    ] = False,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Load a model from the server's folder of models, or load it again. The token needs the scope admin.

    Calls reach it by the metadata `emberline-model: NAME`, as Client(model=NAME) and the option --model send them.
    """
    with connect(server, tls_ca, token_file) as client:
        _print(client.load_model(name, items=items), as_json, as_tsv)


@models.command()
def unload(
    name: _Name,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Unload a model, once its requests are answered. The token needs the scope admin."""
    with connect(server, tls_ca, token_file, timeout=timeout) as client:
        _print(client.unload_model(name), as_json, as_tsv)


@models.command()
def route(
    name: _Name,
    share: Annotated[float, typer.Option("--share", help="Share of the requests that it answers.")] = 0.0,
    shadow: Annotated[
        float, typer.Option("--shadow", help="Share of the others that it gets as well; these answers are dropped.")
    ] = 0.0,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Send a share of the requests that name no model to a loaded one. The token needs the scope admin."""
    with connect(server, tls_ca, token_file, timeout=timeout) as client:
        _print(client.route_model(name, share=share, shadow=shadow), as_json, as_tsv)


@models.command(name="list")
def show(
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """List the models that are loaded, the default first."""
    with connect(server, tls_ca, token_file, timeout=timeout) as client:
        _print(client.list_models(), as_json, as_tsv)


def _print(loaded: Iterable[LoadedModel], as_json: bool, as_tsv: bool) -> None:
    if as_json:
        print_json(loaded)
        return
    columns = {"name": "left", "model": "left", "precision": "left", "items": "right"}
    rows = [
        (
            model.name or "(default)",
            model.model_id,
            model.precision,
            model.catalogue_items,
            f"{model.share:g}",
            f"{model.shadow:g}",
        )
        for model in loaded
    ]
    print_table(columns | {"share": "right", "shadow": "right"}, rows, as_tsv=as_tsv)
