"""A document as one HTML page that needs nothing but itself: no script, no font, no image from elsewhere."""

from __future__ import annotations

import base64
import re
from html import escape
from typing import Final

from .document import Block, Cell, Document, Picture, Section, Table

_STYLE: Final = """
:root { --ink: #1c1917; --quiet: #6b6560; --line: #e7e2dc; --paper: #fffdfa; --ember: #c2410c; --wash: #fdf3ea; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 3.5rem 1.5rem 5rem; max-width: 58rem; color: var(--ink); background: var(--paper);
  font: 400 1.0625rem/1.6 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
    "Noto Sans", sans-serif;
}
header { border-bottom: 3px solid var(--ember); padding-bottom: 1.5rem; margin-bottom: 1rem; }
h1 { font-size: 2.25rem; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 .75rem; text-wrap: balance; }
h2 { font-size: 1.4rem; line-height: 1.25; letter-spacing: -0.01em; margin: 3.25rem 0 .75rem; text-wrap: balance; }
p { margin: 0 0 1rem; max-width: 44rem; text-wrap: pretty; }
header p { font-size: 1.2rem; line-height: 1.5; margin: 0; }
a { color: var(--ember); text-decoration-thickness: 1px; text-underline-offset: 3px; }
code { font: .92em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere;
  background: var(--wash); padding: .1em .3em; border-radius: 3px; }
nav { margin: 0 0 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: 0; }
nav a { text-decoration: none; font-size: .95rem; }
.scroll { overflow-x: auto; margin: 1.25rem 0 .5rem; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .95rem; line-height: 1.4;
  font-variant-numeric: tabular-nums lining-nums; }
th, td { padding: .5rem .4rem .5rem 1rem; text-align: left; vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; position: sticky; left: 0; background: var(--paper); }
thead th { font-weight: 600; vertical-align: bottom; border-bottom: 2px solid var(--ink); }
thead th span, td small, th small { color: var(--quiet); font-weight: 400; }
thead th span, td small, th small { display: block; font-size: .86em; }
tbody th, td { border-bottom: 1px solid var(--line); }
tbody th { font-weight: 400; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
td.best { font-weight: 700; color: var(--ember); }
.note, figcaption { color: var(--quiet); font-size: .9rem; line-height: 1.5; max-width: 44rem; margin: .5rem 0 1rem; }
figure { margin: 1.75rem 0; }
figure img { display: block; width: 100%; max-width: 38rem; height: auto; }
@media (max-width: 40rem) {
  body { padding: 2rem 1rem 3rem; font-size: 1rem; }
  h1 { font-size: 1.75rem; }
  header p { font-size: 1.075rem; }
  tbody th { white-space: normal; }
}
@media print {
  @page { margin: 16mm; }
  body { padding: 0; max-width: none; font-size: 10pt; background: none; }
  h1 { font-size: 20pt; } h2 { font-size: 13pt; margin-top: 18pt; break-after: avoid; }
  nav { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 8.5pt; }
  th:first-child, td:first-child { position: static; background: none; }
  tr, figure { break-inside: avoid; }
  figure img { max-width: 150mm; }
}
"""


def html(document: Document) -> str:
    """The page."""
    contents = "".join(f'<li><a href="#{_anchor(one)}">{escape(one.title)}</a></li>' for one in document.sections)
    sections = "\n".join(_section(section) for section in document.sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(document.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{escape(document.title)}</h1>
<p>{_inline(document.lead)}</p>
</header>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<main>
{sections}
</main>
</body>
</html>
"""


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{_anchor(section)}">\n<h2>{escape(section.title)}</h2>\n{blocks}\n</section>'


def _anchor(section: Section) -> str:
    return re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Picture():
            # As an image of its own, so that the names inside one plot's SVG cannot clash with another's.
            data = base64.b64encode(block.svg.encode()).decode()
            caption = _inline(block.caption)
            return (
                f'<figure><img alt="{escape(block.caption)}" src="data:image/svg+xml;base64,{data}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
        case _:
            return f"<p>{_inline(block)}</p>"


def _table(table: Table) -> str:
    heads = "".join(
        f'<th scope="col"{_aligned(column.number)}>{escape(column.title)}'
        + (f"<span>{escape(column.unit)}</span>" if column.unit else "")
        + "</th>"
        for column in table.columns
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            _cell(cell, number=column.number, names=place == 0)
            for place, (cell, column) in enumerate(zip(row, table.columns, strict=True))
        )
        + "</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{_inline(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n{note}'
    )


def _cell(cell: Cell, *, number: bool, names: bool) -> str:
    detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
    if names:
        return f'<th scope="row">{escape(cell.text)}{detail}</th>'
    classes = " ".join(name for name, holds in (("number", number), ("best", cell.best)) if holds)
    return f"<td{f' class={chr(34)}{classes}{chr(34)}' if classes else ''}>{escape(cell.text)}{detail}</td>"


def _aligned(number: bool) -> str:
    return ' class="number"' if number else ""


def _inline(text: str) -> str:
    """Text with Markdown's `code` marks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
