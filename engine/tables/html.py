"""Extraction of the words from HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

#: Tags that do not separate words; all others count as white space.
_INLINE: Final = frozenset(
    tag
    for tags in (
        "a abbr b bdi bdo cite code del dfn em font i",
        "ins kbd mark q s samp small span strike strong sub sup",
    )
    for tag in tags.split()
)
#: Elements whose content is not text.
_IGNORED: Final = ("script", "style", "template")
_MARKUP: Final = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>|<!--|&(#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});")


def has_markup(text: str) -> bool:
    """Return whether a text has HTML tags or entities."""
    return _MARKUP.search(text) is not None


def without_tags(text: str) -> str:
    """Remove tags and resolve entities; entities that were escaped twice are resolved twice."""
    for _ in range(2):
        if not has_markup(text):
            break
        reader = _Words()
        reader.feed(text)
        reader.close()
        text = " ".join("".join(reader.parts).split())
    return text


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._ignored = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._ignored += tag in _IGNORED
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _IGNORED and self._ignored:
            self._ignored -= 1
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._ignored:
            self.parts.append(data)
