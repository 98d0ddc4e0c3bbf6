"""A document as Markdown, and as one HTML page that loads nothing: no script, font or image from elsewhere."""

from __future__ import annotations

import base64
import re
from importlib import resources

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from .document import Document


def markdown(document: Document) -> str:
    """A document as Markdown; its pictures are links to ``<name>.png`` beside it."""
    text = _templates(escaped=False).get_template("page.md.jinja").render(document=document)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def html(document: Document) -> str:
    """A document as a page, styled by ``page.css``."""
    style = Markup(resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8"))
    return _templates(escaped=True).get_template("page.html.jinja").render(document=document, style=style)


def _templates(*, escaped: bool) -> Environment:
    loader = PackageLoader(__package__, ".")
    found = Environment(
        loader=loader, autoescape=escaped, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    found.filters["code"] = _code
    found.filters["cell"] = lambda text: text.replace("|", "\\|")
    found.filters["anchor"] = lambda title: re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    found.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    return found


def _code(text: str) -> Markup:
    """Text with Markdown's `code` and **strong** marks."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked))
