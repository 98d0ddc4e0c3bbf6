"""The words of a text that is HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

#: Tags that part no words; all others stand for white space.
_INLINE: Final = frozenset(
    tag
    for tags in (
        "a abbr b bdi bdo cite code del dfn em font i",
        "ins kbd mark q s samp small span strike strong sub sup",
    )
    for tag in tags.split()
)
#: What is written between these is for machines.
_UNREAD: Final = ("script", "style", "template")
_MARKUP: Final = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>|<!--|&(#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});")


def has_markup(text: str) -> bool:
    """Whether a text has tags or entities of HTML."""
    return _MARKUP.search(text) is not None


def without_tags(text: str) -> str:
    """A text's words without tags, entities resolved; what was escaped twice is resolved twice."""
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
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._unread += tag in _UNREAD
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD and self._unread:
            self._unread -= 1
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.parts.append(data)
