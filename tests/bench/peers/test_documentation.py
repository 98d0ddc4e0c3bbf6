from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from emberline.bench import cli
from emberline.bench.peers.registry import PEERS, UNAVAILABLE

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "peers.md").read_text(encoding="utf-8")


def keys(value):
    """All keys of a JSON value, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_every_key_is_documented(result):
    """A reader of peers.json finds each key in docs/peers.md, or where all results are explained."""
    documented = re.findall(r"`([a-z0-9_]+)`", TEXT + (DOCS / "benchmarks.md").read_text(encoding="utf-8"))
    assert set(keys(result)) - set(documented) == set()


def test_every_option_is_documented():
    """In the table of options and, for all of them, in the command's help."""
    for parameter in typer.main.get_command(cli.bench).commands["peers"].params:
        assert parameter.help, parameter.name
        if parameter.param_type_name == "option" and parameter.name not in ("out", "run"):
            assert any(f"`{name}" in TEXT for name in parameter.opts), parameter.opts


@pytest.mark.parametrize("name", [*(one.name for one in PEERS), *UNAVAILABLE])
def test_every_peer_is_documented(name):
    """A reader finds who takes part, and who is missing."""
    words = re.split(r"[ ,]+", name)
    assert any(all(word in line for word in words) for line in TEXT.splitlines()), name
