"""A tokenizer's word pieces, and the same tokenizer with some of them alone.

What is left reads a text of kept pieces exactly as before:

- WordPiece takes the longest piece that fits, and a longer one than it took before is not there now either.
- Unigram takes the likeliest pieces; what it charges for the unknown depends on the least likely piece, which stays.
- BPE joins neighbours in a fixed order. A piece stays with all pieces that it is joined from, and with these joints.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tokenizers import Tokenizer, decoders

from emberline.engine.errors import DataError

#: The kinds of tokenizers that are understood.
KINDS: Final = ("WordPiece", "Unigram", "BPE")
#: How pieces mark that they continue a word, or begin or end one.
_MARKS: Final = ("##", "▁", "</w>", "@@")


@dataclass(frozen=True)  # no slots: joints are looked up once
class Vocabulary:
    """The pieces of a tokenizer.

    Attributes:
        raw: the tokenizer's JSON.
        pieces: ids by piece; those of the model, without what was added to it.
        order: ids from the most frequent piece on, as far as the tokenizer tells.
    """

    raw: Mapping[str, Any]
    pieces: Mapping[str, int]
    order: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Vocabulary:
        """Read them.

        Raises:
            DataError: the tokenizer is of another kind.
        """
        raw = json.loads(tokenizer.to_str())
        model = raw["model"]
        if model["type"] not in KINDS:
            raise DataError(
                f"a tokenizer of the kind {model['type']} cannot be reduced, only {', '.join(KINDS)}; keep all of its "
                "word pieces with --vocabulary 0"
            )
        if model["type"] == "Unigram":
            pieces = {piece: number for number, (piece, _) in enumerate(model["vocab"])}
            scores = [score for _, score in model["vocab"]]
            order = sorted(range(len(scores)), key=lambda number: -scores[number])
        else:  # whose ids are in the order in which training found the pieces
            pieces, order = model["vocab"], sorted(model["vocab"].values())
        return cls(raw, pieces, tuple(order))

    def written(self) -> dict[int, str]:
        """What each piece stands for in a text; parts of characters are left out."""
        levels = json.dumps([self.raw.get("pre_tokenizer"), self.raw.get("decoder")])
        if '"ByteLevel"' in levels:
            decoder = decoders.ByteLevel()
            found = {number: decoder.decode([piece]).strip() for piece, number in self.pieces.items()}
            return {number: text for number, text in found.items() if "\ufffd" not in text}
        return {number: _bare(piece) for piece, number in self.pieces.items()}

    def required(self) -> set[int]:
        """Ids without which the tokenizer would read texts of the other pieces differently."""
        model = self.raw["model"]
        found = {int(token["id"]) for token in self.raw["added_tokens"]} | set(_ids(self.raw.get("post_processor")))
        if model["type"] == "Unigram":
            found.add(self.order[-1])
            if model["unk_id"] is not None:
                found.add(model["unk_id"])
        elif model.get("unk_token") in self.pieces:
            found.add(self.pieces[model["unk_token"]])
        bytewise = model.get("byte_fallback", False)
        for piece, number in self.pieces.items():
            # Of single letters BPE makes all else, and bytes stand in for what has no piece.
            if (model["type"] == "BPE" and len(piece) == 1) or (bytewise and piece.startswith("<0x")):
                found.add(number)
        return found

    def parts(self, numbers: Iterable[int]) -> set[int]:
        """Some ids, with those of the pieces that they are joined from."""
        found, left = set(numbers), list(numbers)
        while left:
            new = [part for part in self._parts.get(left.pop(), ()) if part not in found]
            found.update(new)
            left += new
        return found

    def only(self, kept: Collection[int]) -> tuple[Tokenizer, dict[int, int]]:
        """The tokenizer with some pieces alone, numbered anew in their old order.

        Args:
            kept: their ids; closed under `parts`, with all that are `required`.

        Returns:
            The tokenizer, and the new ids by the old ones.
        """
        new = {old: number for number, old in enumerate(sorted(kept))}
        raw = json.loads(json.dumps(self.raw))
        model = raw["model"]
        if model["type"] == "Unigram":
            model["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if number in new]
            if model["unk_id"] is not None:
                model["unk_id"] = new[model["unk_id"]]
        else:
            model["vocab"] = {piece: new[number] for piece, number in self.pieces.items() if number in new}
        if model["type"] == "BPE":
            there = model["vocab"]
            model["merges"] = [
                [first, second]
                for first, second in self._joints()
                if first in there and second in there and self._joined(first, second) in there
            ]
        for token in raw["added_tokens"]:
            token["id"] = new[token["id"]]
        _renumber(raw.get("post_processor"), new)
        return Tokenizer.from_str(json.dumps(raw)), new

    @cached_property
    def _parts(self) -> dict[int, list[int]]:
        """The pieces that each piece is joined from, in any way; empty for tokenizers that join nothing."""
        found: dict[int, list[int]] = {}
        for first, second in self._joints():
            whole = self.pieces.get(self._joined(first, second))
            if whole is not None:
                found.setdefault(whole, []).extend((self.pieces[first], self.pieces[second]))
        return found

    def _joints(self) -> Iterator[tuple[str, str]]:
        for joint in self.raw["model"].get("merges", ()):
            first, second = joint.split(" ") if isinstance(joint, str) else joint
            yield first, second

    def _joined(self, first: str, second: str) -> str:
        return first + second.removeprefix(self.raw["model"].get("continuing_subword_prefix") or "")


def _bare(piece: str) -> str:
    for mark in _MARKS:
        piece = piece.removeprefix(mark).removesuffix(mark)
    return piece


def _ids(processor: Any) -> Iterator[int]:
    """The token ids that stand in a post-processor's JSON."""
    for holder, key in _places(processor):
        yield from holder[key] if isinstance(holder[key], list) else [holder[key]]


def _renumber(processor: Any, new: Mapping[int, int]) -> None:
    for holder, key in _places(processor):
        old = holder[key]
        holder[key] = [new[one] for one in old] if isinstance(old, list) else new[old]


def _places(processor: Any) -> Iterator[tuple[Any, Any]]:
    """Where ids stand in a post-processor: what holds them, and under which key."""
    if not isinstance(processor, dict):
        return
    for inner in processor.get("processors", ()):
        yield from _places(inner)
    special = processor.get("special_tokens")
    if isinstance(special, dict):
        for token in special.values():
            yield token, "ids"
    for name in ("sep", "cls"):  # of BERT's and RoBERTa's
        if isinstance(processor.get(name), list):
            yield processor[name], 1
