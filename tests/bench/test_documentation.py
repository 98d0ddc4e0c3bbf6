from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("command", ["latency", "recall", "report"])
def test_every_key_is_documented(command, saved, undocumented):
    """A reader of a result finds each of its keys in docs/benchmarks.md, or in the guides of what a report shows."""
    guides = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("coldstart.md", "peers.md"))
    elsewhere = set(re.findall(r"`([a-z0-9_]+)`", guides)) if command == "report" else set()
    assert undocumented(json.loads((saved / f"{command}.json").read_text())) - elsewhere == set()
