"""How much of a data set's texts an encoder reads: what is cut, which attributes are never reached, what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tokenizers import Tokenizer

from emberline.engine.records import Item
from emberline.engine.text.rendering import render
from emberline.engine.text.tokenizer import UNKNOWN_SHARE, uncut, unknown_id

from .records import Dataset
from .report import ReadReport

#: Texts that are tokenized at a time.
_BATCH: Final = 1024


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the texts is read.

    Attributes:
        max_length: tokens per text, special tokens included.
        texts: number of the texts of items and of profiles that are not empty.
        cut: number of those that are longer.
        longest: tokens of the longest.
        unread: attributes of items that lie beyond the cut in every item that has them.
        unknown: share of the tokens that stand for something the tokenizer does not know.
        example: a text with unknown tokens; empty if there is none.
    """

    max_length: int
    texts: int
    cut: int
    longest: int
    unread: tuple[str, ...]
    unknown: float
    example: str

    @classmethod
    def of(cls, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Coverage:
        """Measure it.

        Args:
            dataset: the items and users.
            tokenizer: of the encoder; it is not changed.
            max_length: tokens per text.
        """
        whole = uncut(tokenizer)
        nothing = unknown_id(whole)
        items = [(item, text) for item, text in zip(dataset.items, dataset.item_texts(), strict=True) if text]
        profiles = [text for text in dataset.user_texts() if text]
        texts = [text for _, text in items] + profiles
        cut = longest = tokens = unknown = 0
        example = ""
        there: dict[str, bool] = {}
        for start in range(0, len(texts), _BATCH):
            for row, encoding in enumerate(whole.encode_batch(texts[start : start + _BATCH]), start=start):
                ids = encoding.ids  # a list of its own at every access
                own = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
                longest = max(longest, len(ids))
                tokens += len(own)
                strange = sum(ids[place] == nothing for place in own)
                unknown += strange
                if strange and not example:
                    example = texts[row]
                read = len(texts[row])
                if len(ids) > max_length:
                    cut += 1
                    kept = max_length - (len(ids) - len(own))
                    read = encoding.offsets[own[kept - 1]][1] if kept > 0 else 0
                if row < len(items):
                    for name, begin in _beginnings(items[row][0], dataset.description.item.fields):
                        there[name] = there.get(name, False) or begin < read
        unread = tuple(name for name, reached in there.items() if not reached)
        return cls(max_length, len(texts), cut, longest, unread, unknown / tokens if tokens else 0.0, example)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "max_length": self.max_length,
            "texts": self.texts,
            "cut": self.cut,
            "longest": self.longest,
            "unread_attributes": list(self.unread),
            "unknown_tokens": round(self.unknown, 4),
        }

    def warnings(self) -> list[str]:
        """What a person should know of it before training, in sentences."""
        found = []
        if self.cut and (self.unread or 2 * self.cut > self.texts):
            found.append(self._cut())
        if self.unknown >= UNKNOWN_SHARE:
            found.append(
                f"{self.unknown:.0%} of the tokens are unknown to the tokenizer, as in {self.example[:60]!r}: "
                "such texts get vectors that say little; name an encoder of their language or a multilingual one, e.g. "
                "--encoder FOLDER with multilingual-e5-small (docs/data.md)"
            )
        return found

    def added_to(self, report: ReadReport) -> ReadReport:
        """A report with the warnings, and with what is cut among the notes."""
        warnings = self.warnings()
        notes = [self._cut()] if self.cut and not any("are cut to" in warning for warning in warnings) else []
        return replace(
            report,
            warnings=(*report.warnings, *warnings),
            notes=(*report.notes, *notes),
            texts=self.as_dict(),
        )

    def _cut(self) -> str:
        lost = f"; of items, {', '.join(self.unread)} are never read" if self.unread else ""
        return (
            f"{self.cut:,} of {self.texts:,} texts are longer than the encoder reads and are cut to {self.max_length} "
            f"tokens (the longest has {self.longest:,}){lost}: raise --max-length, or put what matters first"
        )


def _beginnings(item: Item, order: Sequence[str]) -> list[tuple[str, int]]:
    """Where in an item's rendered text each attribute's value begins."""
    if item.text:
        return []
    places = []
    names = [name for name in order if name in item.attributes] + sorted(item.attributes.keys() - set(order))
    at = 0
    for name in names:
        part = render({name: item.attributes[name]}, order)
        if part:
            places.append((name, at + len(name) + 2))
            at += len(part) + 2
    return places
