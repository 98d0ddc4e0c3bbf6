"""`emberline encode`."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emberline.engine.errors import DataError

from .connection import connect
from .lines import lines
from .options import RETRIES, SERVER, AsJson, AsTsv, Model, Server, TlsCa, TokenFile
from .output import print_footer, print_json, print_table, print_warnings
from .progress import progress

if TYPE_CHECKING:
    from emberline.engine import Client, EncodeResult
    from emberline.engine.records import Floats


def encode(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="The texts to encode. Default: the lines of standard input."),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An output to return; `emberline info` lists them. May be repeated.",
            show_default="sentence_embedding",
        ),
    ] = None,
    as_users: Annotated[
        bool,
        typer.Option("--as-users", help="Treat the texts as profiles of users, not as items, for the outputs user_…."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the arrays to this file: .npy for one output, .npz for any number.",
            show_default="nowhere",
        ),
    ] = None,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    model: Model = "",
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Time limit for all texts together.", show_default="no limit"),
    ] = None,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Encode texts into vectors. One pass through the encoder gives all outputs of a text."""
    if out and out.suffix not in (".npy", ".npz"):
        raise typer.BadParameter(f"{out} is neither .npy nor .npz", param_hint="--out")
    outputs = tuple(output or ("sentence_embedding",))
    if out and out.suffix == ".npy" and len(outputs) > 1:
        raise typer.BadParameter("a .npy file holds one array; name a .npz file for several", param_hint="--out")
    inputs = list(texts) if texts else [line for _, line in lines(None)]
    if not inputs:
        raise DataError("standard input has no text; give one per line, or as an argument")
    encoded = _encode(
        connect(server, tls_ca, token_file, model=model, retries=RETRIES), inputs, outputs, as_users, timeout
    )
    print_warnings(encoded.provenance.warnings)
    if out:
        _write(out, encoded)
    if as_json:
        print_json(encoded)
    else:
        _print(inputs, encoded, as_tsv=as_tsv)


def _encode(
    connected: Client, texts: list[str], outputs: tuple[str, ...], as_users: bool, timeout: float | None
) -> EncodeResult:
    from emberline.engine import User

    inputs = [User(profile=text) for text in texts] if as_users else texts
    parts: list[EncodeResult] = []
    with connected as client, progress("texts encoded") as advance:
        for part in client.encode_stream(inputs, outputs, priority=0, timeout=timeout):
            parts.append(part)
            advance(len(part.tokens))
    return _joined(parts, outputs)


def _joined(parts: list[EncodeResult], outputs: tuple[str, ...]) -> EncodeResult:
    """Join the parts. Their times are summed, although the parts were in flight at the same time."""
    import numpy as np

    from emberline.engine import EncodeResult
    from emberline.engine.records import Timings

    return EncodeResult(
        outputs={name: np.concatenate([part.outputs[name] for part in parts]) for name in outputs},
        tokens=np.concatenate([part.tokens for part in parts]),
        truncated=np.concatenate([part.truncated for part in parts]),
        timings=Timings(*(sum(getattr(part.timings, field.name) for part in parts) for field in fields(Timings))),
        provenance=replace(
            parts[0].provenance,
            warnings=tuple(dict.fromkeys(warning for part in parts for warning in part.provenance.warnings)),
        ),
    )


def _write(path: Path, encoded: EncodeResult) -> None:
    import numpy as np

    try:
        with path.open("wb") as file:
            if path.suffix == ".npy":
                (array,) = encoded.outputs.values()
                np.save(file, array)
            else:
                arrays: dict[str, Any] = dict(encoded.outputs)
                np.savez(file, **arrays)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error


def _print(texts: list[str], encoded: EncodeResult, *, as_tsv: bool) -> None:
    columns = {"text": "left", "tokens": "right"} | dict.fromkeys(encoded.outputs, "left")
    rows = []
    for index, text in enumerate(texts):
        tokens = f"{encoded.tokens[index]}{' (truncated)' if encoded.truncated[index] else ''}"
        arrays = [array[index].reshape(-1) for array in encoded.outputs.values()]
        if as_tsv:
            rows.append((text, tokens, *(" ".join(map(str, array.tolist())) for array in arrays)))
        else:
            rows.append((_short(text), tokens, *map(_numbers, arrays)))
    print_table(columns, rows, as_tsv=as_tsv)
    if not as_tsv:
        print_footer(encoded.timings, encoded.provenance)


def _short(text: str, width: int = 40) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _numbers(array: Floats, shown: int = 4) -> str:
    numbers = " ".join(f"{number:.3f}" for number in array[:shown])
    return numbers if len(array) <= shown else f"{numbers} … ({len(array)})"
