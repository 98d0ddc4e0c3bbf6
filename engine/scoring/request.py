"""A request read against the catalogue: which texts must be encoded, and where every other vector comes from.

Everything is checked here, before anything is computed. Each text of a request is encoded once, however often it
occurs in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.errors import InvalidInput, UnknownItem
from emberline.engine.records import (
    ENCODE_OUTPUTS,
    ITEM_OUTPUTS,
    USER_OUTPUTS,
    Floats,
    Integers,
    Item,
    ItemReference,
    User,
)
from emberline.engine.text.rendering import render
from emberline.engine.validation import (
    check_attributes,
    check_count,
    check_id,
    check_names,
    check_reference,
    check_text,
    check_vector,
)


@dataclass(frozen=True, slots=True)
class RequestSchema:
    """What a request is read by.

    Attributes:
        item_fields: the item attributes in their order in the text.
        user_fields: the user attributes in their order in the text.
        hidden: H, the width of the encoder's vectors.
        max_inputs: entries of a history, and texts to encode, at most.
        max_text_bytes: of a text, at most.
    """

    item_fields: tuple[str, ...]
    user_fields: tuple[str, ...]
    hidden: int
    max_inputs: int
    max_text_bytes: int


@dataclass(frozen=True, slots=True)
class ResolvedItems:
    """N items of a history or among candidates.

    Attributes:
        rows: (N,) each one's row in the snapshot; -1 for one that was not given by its id.
        texts: (N,) each one's place among the request's texts; -1 for one that was not given by its text.
        vectors: those given by vector, by their index.
    """

    rows: Integers
    texts: Integers
    vectors: Mapping[int, Floats]

    def __len__(self) -> int:
        return len(self.rows)

    def embeddings(self, snapshot: Snapshot, encoded: Floats) -> Floats:
        """(N, H) the encoder's vector of each.

        Args:
            snapshot: the one that the request was read against.
            encoded: (T, H) of the request's texts.
        """
        found = np.empty((len(self), snapshot.embeddings.shape[1]), np.float32)
        stored, fresh = self.rows >= 0, self.texts >= 0
        found[stored] = snapshot.embeddings[self.rows[stored]]
        found[fresh] = encoded[self.texts[fresh]]
        for index, vector in self.vectors.items():
            found[index] = vector
        return found


@dataclass(frozen=True, slots=True)
class ResolvedUser:
    """A user.

    Attributes:
        profile: the profile's place among the request's texts; -1 without a profile.
        history: what they liked.
    """

    profile: int
    history: ResolvedItems


@dataclass(frozen=True, slots=True)
class ResolvedInputs:
    """B inputs of an encode request.

    Attributes:
        places: (B,) each one's place among the request's texts; -1 for a user without a profile.
        people: the users, if all inputs are users; empty otherwise.
    """

    places: Integers
    people: tuple[ResolvedUser, ...]


class RequestResolver:
    """Reads one request. Collects the texts that must be encoded in `texts`, each once."""

    def __init__(self, snapshot: Snapshot, schema: RequestSchema) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}
        self._snapshot = snapshot
        self._schema = schema

    def text(self, text: str, field: str) -> int:
        """Read a text; returns its place among `texts`.

        Raises:
            InvalidInput: it is empty, too long or has control characters.
        """
        place = self._places.get(text)
        if place is None:
            check_text(text, self._schema.max_text_bytes, field)
            place = self._places[text] = len(self.texts)
            self.texts.append(text)
            if place == self._schema.max_inputs:
                raise InvalidInput(
                    field, f"is one text more than the {place} that are encoded at once; send several requests"
                )
        return place

    def item(self, item: Item, field: str) -> int:
        """Read an item: its text, or else its attributes; returns the text's place among `texts`.

        Raises:
            InvalidInput: it has neither, or they cannot be encoded.
        """
        check_attributes(item.attributes, f"{field}.attributes")
        if item.text:
            return self.text(item.text, f"{field}.text")
        rendered = render(item.attributes, self._schema.item_fields)
        if not rendered:
            raise InvalidInput(field, "has neither text nor attributes; give one of them")
        return self.text(rendered, f"{field}.attributes")

    def items(self, items: Sequence[Item]) -> Integers:
        """Read items to store; returns (N,) their texts' places among `texts`.

        Raises:
            InvalidInput: one of them cannot be encoded or has no id, or two have the same.
        """
        check_count(len(items), self._schema.max_inputs, "items")
        first: dict[str, int] = {}
        places = np.empty(len(items), np.int64)
        for index, item in enumerate(items):
            field = f"items[{index}]"
            check_id(item.id, f"{field}.id")
            if (earlier := first.setdefault(item.id, index)) != index:
                raise InvalidInput(f"{field}.id", f"{item.id!r} is also the id of items[{earlier}]")
            places[index] = self.item(item, field)
        return places

    def user(self, user: User, field: str) -> ResolvedUser:
        """Read a user: their profile's text, or else their attributes, and their history.

        Raises:
            InvalidInput: the profile or an item of the history cannot be encoded.
            UnknownItem: an id of the history is not in the catalogue.
        """
        check_attributes(user.attributes, f"{field}.attributes")
        profile = -1
        if user.profile:
            profile = self.text(user.profile, f"{field}.profile")
        elif rendered := render(user.attributes, self._schema.user_fields):
            profile = self.text(rendered, f"{field}.attributes")
        return ResolvedUser(profile, self.references(user.history, f"{field}.history"))

    def inputs(self, inputs: Sequence[str | Item | User], outputs: Sequence[str]) -> ResolvedInputs:
        """Read the inputs of an encode request. Histories are read only if an output depends on them.

        Raises:
            InvalidInput: one of them cannot be encoded, or an output is not defined on one of them.
            UnknownItem: an id of a history is not in the catalogue.
        """
        check_count(len(inputs), self._schema.max_inputs, "inputs")
        check_names(outputs, ENCODE_OUTPUTS, "outputs")
        _check_defined(inputs, outputs)
        likes_matter = not set(outputs).isdisjoint(USER_OUTPUTS)
        places = np.full(len(inputs), -1, np.int64)
        people: list[ResolvedUser] = []
        for index, given in enumerate(inputs):
            field = f"inputs[{index}]"
            if isinstance(given, User):
                people.append(self.user(given if likes_matter else replace(given, history=()), f"{field}.user"))
                places[index] = people[-1].profile
            elif isinstance(given, Item):
                places[index] = self.item(given, f"{field}.item")
            else:
                places[index] = self.text(given, f"{field}.text")
        return ResolvedInputs(places, tuple(people))

    def references(self, references: Sequence[ItemReference], field: str) -> ResolvedItems:
        """Read the items of a history or candidates.

        Raises:
            InvalidInput: one of them cannot be encoded, or there are too many.
            UnknownItem: an id is not in the catalogue.
        """
        check_count(len(references), self._schema.max_inputs, field, least=0)
        rows = np.full(len(references), -1, np.int64)
        texts = np.full(len(references), -1, np.int64)
        vectors: dict[int, Floats] = {}
        for index, reference in enumerate(references):
            where = f"{field}[{index}]"
            check_reference(reference, where)
            if reference.id is not None:
                check_id(reference.id, f"{where}.id")
                row = self._snapshot.position(reference.id)
                if row is None:
                    raise UnknownItem(f"{where}.id", reference.id)
                rows[index] = row
            elif reference.text is not None:
                texts[index] = self.text(reference.text, f"{where}.text")
            elif reference.vector is not None:
                check_vector(reference.vector, self._schema.hidden, f"{where}.vector")
                vectors[index] = reference.vector
        return ResolvedItems(rows, texts, vectors)


def _check_defined(inputs: Sequence[str | Item | User], outputs: Sequence[str]) -> None:
    for index, name in enumerate(outputs):
        for place, given in enumerate(inputs):
            undefined, kind = (ITEM_OUTPUTS, "a user") if isinstance(given, User) else (USER_OUTPUTS, "no user")
            if name in undefined:
                raise InvalidInput(
                    f"outputs[{index}]",
                    f"{name} is not defined on inputs[{place}], which is {kind}; send users in requests of their own",
                )
