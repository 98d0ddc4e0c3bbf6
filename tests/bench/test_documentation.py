from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize("command", ["latency", "recall", "report"])
def test_every_key_is_documented(command, saved, undocumented):
    """A reader of a result finds each of its keys in docs/benchmarks.md."""
    assert undocumented(json.loads((saved / f"{command}.json").read_text())) == set()
