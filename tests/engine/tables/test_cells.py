"""Cells as texts, lists and numbers."""

from __future__ import annotations

import pytest

from emberline.engine.tables.cells import entries, likely_decimal, number, text


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("12.5", ".", 12.5),
        ("-1e3", ".", -1000),
        ("1,234.50", ".", 1234.5),
        ("1,234", ".", 1234),
        ("12,5", ".", None),
        ("12,5", ",", 12.5),
        ("1.234,50", ",", 1234.5),
        ("1 234,50", ",", 1234.5),
        ("1'234.50", ".", 1234.5),
        ("12.5", ",", None),
        ("0.125", ",", None),
        ("12,50 €", ",", 12.5),
        ("$1,299.00", ".", 1299),
        ("1_000", ".", None),
        ("inf", ".", None),
        ("nan", ".", None),
        ("on request", ".", None),
        ("1,2,3", ",", None),
    ],
)
def test_numbers(cell: str, decimal: str, value: float | None) -> None:
    """Currency signs and marks between thousands are no part of a number; what could mean two things is none."""
    assert number(cell, decimal) == value


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [
        (["12,5", "3", "1.234,00"], ","),
        (["12.5", "1,234.00"], "."),
        (["1,234", "12"], "."),
        (["12,5", "on request", "see p. 3"], ","),
        (["12,5", "12.5"], "."),
        ([], "."),
    ],
)
def test_the_decimal_mark_is_the_one_that_reads_more(cells: list[str], decimal: str) -> None:
    """Cells that are numbers by one mark alone decide; if they do not, it is the point."""
    assert likely_decimal(cells) == decimal


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("<p>Green <b>tea</b>,<br>loose</p>", "Green tea, loose"),
        ("Fish &amp; chips &#8211; 5&nbsp;&euro;", "Fish & chips – 5 €"),
        ("&lt;p&gt;Escaped&lt;/p&gt; twice &amp;amp; more", "Escaped twice & more"),
        ("a<script>alert('x')</script>b<style>p {}</style>", "a b"),
        ("4 < 5 & 6 > 5", "4 < 5 & 6 > 5"),
        ("<ul><li>one</li><li>two</li></ul>", "one two"),
        ("<img src='x.png'/>", None),
    ],
)
def test_html_is_read_as_its_words(cell: str, found: str | None) -> None:
    """Tags go, entities are resolved, blocks part words, and what merely looks like markup stays."""
    assert text(cell, html=True) == found


def test_lists_of_html() -> None:
    """Entries are cleaned one by one; those that stand for nothing go."""
    assert entries("<b>a</b>|&nbsp;|b|a|none", "|", ["none"], html=True) == ["a", "b"]
    assert entries([], ",") is None
