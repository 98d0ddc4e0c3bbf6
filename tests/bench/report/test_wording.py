"""The report's prose, which lies in templates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from emberline.bench.report import wording

REPORT = Path(wording.__file__).parent


def test_a_passage_is_one_paragraph_with_its_numbers_filled_in() -> None:
    """Line breaks of the template are spaces, and numbers are written as everywhere in a report."""
    found = wording.prose("overview.headline", name="int8", median=3.21, ratio=None, reference=None, kept=0.975)
    assert found == "int8 answers a request of one text in 3.21 ms at the median, and keeps 97.5% of its top 10."


def test_what_a_passage_needs_has_to_be_given() -> None:
    """A value that is forgotten is an error and not an empty place in a sentence."""
    with pytest.raises(UndefinedError, match="texts"):
        wording.prose("latency.single")


def test_every_passage_is_used_and_every_used_one_exists() -> None:
    """No text lies in the templates that no report shows."""
    given = {
        f"{page.stem}.{block}"
        for page in (REPORT / "prose").glob("*.jinja")
        for block in re.findall(r"{% block (\w+) %}", page.read_text(encoding="utf-8"))
    }
    code = "".join(file.read_text(encoding="utf-8") for file in REPORT.rglob("*.py"))
    scenarios = {f"latency.{name}" for name in ("SingleStream", "MultiStream", "Offline", "Server")}
    assert set(re.findall(r'prose\("(\w+\.\w+)"', code)) | scenarios == given
