"""`emberline info`."""

from __future__ import annotations

from dataclasses import asdict

from .connection import connect
from .options import SERVER, TIMEOUT, AsJson, AsTsv, Model, Server, Timeout, TlsCa, TokenFile
from .output import print_json, print_table


def info(
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    model: Model = "",
    timeout: Timeout = TIMEOUT,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Show a server's model, precision, device and why it is that one, limits and labels."""
    with connect(server, tls_ca, token_file, model=model, timeout=timeout) as client:
        record = client.info()
    if as_json:
        print_json(record)
        return
    shown = asdict(record) | {"uptime": f"{record.uptime:.0f} s", "device_notes": "; ".join(record.device_notes)}
    rows = [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, tuple) else value)
        for name, value in shown.items()
    ]
    print_table({"": "left", server: "left"}, rows, as_tsv=as_tsv)
