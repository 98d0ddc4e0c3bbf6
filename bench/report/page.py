"""A document as one HTML page that needs nothing but itself: no script, no font, no image from elsewhere."""

from __future__ import annotations

import base64
import re
from importlib import resources

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from .document import Document


def html(document: Document) -> str:
    """The page, from ``page.html.jinja`` and ``page.css``."""
    pages = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {"code": _code, "anchor": _anchor, "base64": _base64}
    style = Markup(resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8"))
    return pages.get_template("page.html.jinja").render(document=document, style=style)


def _code(text: str) -> Markup:
    """Text with Markdown's `code` marks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
