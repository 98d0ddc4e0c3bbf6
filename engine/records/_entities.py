"""The entities that requests and results refer to: items, users, filters and tokenized texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._arrays import Floats, Integers

#: The value of an attribute: a text, a number, or several texts.
Value = str | float | Sequence[str]


@dataclass(frozen=True, slots=True)
class Item:
    """An item, described by its attributes or by a text.

    Attributes:
        id: unique in the catalogue.
        attributes: texts, numbers or lists of texts, by name; rendered to text for the encoder.
        text: encoded in place of the attributes, unless empty.
    """

    id: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class ItemReference:
    """An item of a history or among candidates. Exactly one of id, text and vector is set.

    Attributes:
        id: the item's id in the catalogue.
        text: the text that the encoder reads.
        vector: (H,) the encoder's vector of the item.
    """

    id: str | None = None
    text: str | None = None
    vector: Floats | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user: a profile and a history of liked items. Either may be empty.

    Attributes:
        profile: a text; encoded in place of the attributes, unless empty.
        attributes: texts, numbers or lists of texts, by name; rendered to text for the encoder.
        history: liked items, oldest first.
    """

    profile: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    history: tuple[ItemReference, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item of the catalogue, with the vectors that the model gave it.

    Attributes:
        item: its id, attributes and text.
        embedding: (H,) `sentence_embedding`, the encoder's vector.
        vector: (D,) `item_embedding`, the item tower's vector.
        bias: `item_bias`.
        updated: Unix time of the last change, in seconds.
    """

    item: Item
    embedding: Floats
    vector: Floats
    bias: float
    updated: float


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects items whose attribute has one of some values or lies within a range; `exclude` selects the others."""

    field: str
    any_of: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class Encoding:
    """A tokenized text.

    Attributes:
        ids: (L,) token ids, special tokens included.
        truncated: whether the text had more tokens than the model reads.
    """

    ids: Integers
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text, as people look at it.

    Attributes:
        id: id in the model's vocabulary.
        text: what of the text it stands for; of a special token, its name.
        special: whether the model put it there.
        start: where it begins in the text, in bytes of UTF-8; 0 for a special token.
        stop: where it ends, likewise.
    """

    id: int
    text: str
    special: bool
    start: int
    stop: int
