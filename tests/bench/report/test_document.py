from __future__ import annotations

import re

import pytest

from emberline.bench.report.document import Cell, Column, Document, Picture, Section, Table
from emberline.bench.report.page import html, markdown

PICTURE = Picture("curve", "A curve <steep>", "<svg xmlns='http://www.w3.org/2000/svg'></svg>", b"PNG")
TABLE = Table(
    (Column("Variant", number=False), Column("p50", "ms")),
    ((Cell("a|b"), Cell("1.5", "1.4–1.6", best=True)), (Cell("c"), Cell("2.5"))),
    "Less is better.",
)
DOCUMENT = Document("Title", "Lead with `code`.", (Section("One & two", ("A paragraph.", TABLE, PICTURE)),))


def test_markdown_holds_every_block():
    """Headings, tables with units and spreads, notes and links to the plots' files."""
    text = markdown(DOCUMENT)
    assert text.startswith("# Title\n\nLead with `code`.\n\n## One & two\n\nA paragraph.\n\n")
    assert "| Variant | p50, ms |\n| --- | ---: |\n| a\\|b | **1.5** (1.4–1.6) |\n| c | 2.5 |" in text
    assert "\n\nLess is better.\n\n![A curve <steep>](curve.png)\n" in text


def test_a_page_holds_every_block_escaped():
    """The page has the same content, and no text of it can become markup."""
    page = html(DOCUMENT)
    assert "<h1>Title</h1>" in page
    assert "<p>Lead with <code>code</code>.</p>" in page
    assert '<section id="one-two">\n<h2>One &amp; two</h2>' in page
    assert '<th scope="row">a|b</th><td class="number best">1.5<small>1.4–1.6</small></td>' in page
    assert "A curve &lt;steep&gt;" in page
    assert "<steep>" not in page


def test_a_page_needs_nothing_from_elsewhere():
    """No image, style, font or script is loaded: what the page shows is in it."""
    page = html(DOCUMENT)
    assert re.findall(r"<(?:script|link|iframe|object|embed)\b", page) == []
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', page))
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert "@import" not in page
    assert "url(" not in page


def test_pictures_come_in_their_order():
    """A document's pictures are those of its sections."""
    assert list(DOCUMENT.pictures()) == [PICTURE]


def test_a_row_must_fill_its_table():
    """A row with a cell too few is an error, not a table that says something else."""
    table = Table(TABLE.columns, ((Cell("alone"),),))
    with pytest.raises(ValueError, match="zip"):
        html(Document("Title", "", (Section("One", (table,)),)))
