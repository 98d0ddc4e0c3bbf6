"""The resolution of a request against the catalogue: which texts to encode, and where all other vectors come from.

Everything is validated here, before anything is computed. Each text of a request is encoded once, however often it
occurs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.errors import InvalidInput, UnknownItem
from emberline.engine.records import (
    ENCODE_OUTPUTS,
    ITEM_OUTPUTS,
    USER_OUTPUTS,
    Floats,
    Input,
    Integers,
    Item,
    ItemReference,
    TokenIds,
    User,
)
from emberline.engine.text.rendering import render
from emberline.engine.validation import (
    check_attribute_bytes,
    check_attributes,
    check_count,
    check_id,
    check_names,
    check_reference,
    check_text,
    check_tokens,
    check_vector,
)

from .attributes import unknown_attributes, with_numbers
from .resolved import ResolvedInputs, ResolvedItems, ResolvedUser


@dataclass(frozen=True, slots=True)
class RequestSchema:
    """The bundle's fields and the limits that requests are resolved with.

    Attributes:
        item_fields: item attributes in their order in the text.
        user_fields: user attributes in their order in the text.
        hidden: H, the width of the encoder's vectors.
        max_inputs: maximum number of texts to encode, and of entries in a history.
        max_text_bytes: maximum size of a text in UTF-8.
        max_attributes: maximum number of attributes of an item or a user.
        max_item_bytes: maximum size of an item's attributes as JSON.
        item_numbers: item attributes that are numbers.
        user_numbers: user attributes that are numbers.
        vocabulary: number of tokens that the encoder knows.
    """

    item_fields: tuple[str, ...]
    user_fields: tuple[str, ...]
    hidden: int
    max_inputs: int
    max_text_bytes: int
    max_attributes: int = 256
    max_item_bytes: int = 65_536
    item_numbers: frozenset[str] = frozenset()
    user_numbers: frozenset[str] = frozenset()
    vocabulary: int = 2**31


class RequestResolver:
    """Resolves one request.

    Attributes:
        texts: the texts to encode, each once.
        paths: where each of them stands first in the request.
    """

    def __init__(self, snapshot: Snapshot, schema: RequestSchema) -> None:
        self.texts: list[str | TokenIds] = []
        self.paths: list[str] = []
        self._indices: dict[str | TokenIds, int] = {}
        self._snapshot = snapshot
        self._schema = schema
        self._item_fields, self._user_fields = set(schema.item_fields), set(schema.user_fields)
        self._unknown_of_items: dict[str, None] = {}
        self._unknown_of_users: dict[str, None] = {}

    def warnings(self) -> list[str]:
        """What the model was not trained on among the attributes so far, in sentences."""
        schema = self._schema
        parts = (self._unknown_of_items, schema.item_fields), (self._unknown_of_users, schema.user_fields)
        return [unknown_attributes(list(names), known) for names, known in parts if names]

    def text(self, text: str, field: str) -> int:
        """Add a text to encode; returns its index among `texts`.

        Raises:
            InvalidInput: the text is empty, too long or has control characters, or there are too many texts.
        """
        index = self._indices.get(text)
        if index is None:
            check_text(text, self._schema.max_text_bytes, field)
            index = self._added(text, field)
        return index

    def tokens(self, ids: TokenIds, field: str) -> int:
        """Add a text that is tokens already; returns its index among `texts`.

        Raises:
            InvalidInput: there are no tokens, one is not known, or there are too many texts.
        """
        index = self._indices.get(ids)
        if index is None:
            check_tokens(ids, self._schema.vocabulary, self._schema.max_text_bytes, field)
            index = self._added(ids, field)
        return index

    def _added(self, text: str | TokenIds, field: str) -> int:
        index = self._indices[text] = len(self.texts)
        self.texts.append(text)
        self.paths.append(field)
        if index == self._schema.max_inputs:
            raise InvalidInput(
                field, f"is one text more than the {index} that are encoded at once; send several requests"
            )
        return index

    def item(self, item: Item, field: str) -> int:
        """Add an item's text, or else its rendered attributes; returns the index among `texts`.

        Raises:
            InvalidInput: the item has neither, or they cannot be encoded.
        """
        check_attributes(item.attributes, f"{field}.attributes", self._schema.max_attributes)
        if item.text:
            return self.text(item.text, f"{field}.text")
        rendered = render(item.attributes, self._schema.item_fields)
        self._unknown_of_items |= dict.fromkeys(name for name in item.attributes if name not in self._item_fields)
        if not rendered:
            raise InvalidInput(field, "has neither text nor attributes; give one of them")
        return self.text(rendered, f"{field}.attributes")

    def readable(self, item: Item, field: str) -> Item:
        """An item whose numbers are numbers.

        Raises:
            InvalidInput: an attribute that the model knows as a number is not one.
        """
        check_attributes(item.attributes, f"{field}.attributes", self._schema.max_attributes)
        attributes = with_numbers(item.attributes, self._schema.item_numbers, f"{field}.attributes")
        return item if attributes is item.attributes else replace(item, attributes=attributes)

    def items(self, items: Sequence[Item]) -> Integers:
        """Add the texts of items to store; returns their indices among `texts`, (N,).

        Raises:
            InvalidInput: an item cannot be encoded or has no id, or two have the same id.
        """
        check_count(len(items), self._schema.max_inputs, "items")
        first: dict[str, int] = {}
        indices = np.empty(len(items), np.int64)
        for index, item in enumerate(items):
            field = f"items[{index}]"
            check_id(item.id, f"{field}.id")
            if (earlier := first.setdefault(item.id, index)) != index:
                raise InvalidInput(f"{field}.id", f"{item.id!r} is also the id of items[{earlier}]")
            indices[index] = self.item(item, field)
            check_attribute_bytes(item.attributes, f"{field}.attributes", self._schema.max_item_bytes)
        return indices

    def user(self, user: User, field: str) -> ResolvedUser:
        """Resolve a user: the profile, or else the rendered attributes, and the history.

        Raises:
            InvalidInput: the profile or an item of the history cannot be encoded.
            UnknownItem: an id of the history is not in the catalogue.
        """
        check_attributes(user.attributes, f"{field}.attributes", self._schema.max_attributes)
        profile = -1
        if user.profile:
            profile = self.text(user.profile, f"{field}.profile")
            return ResolvedUser(profile, self.references(user.history, f"{field}.history"))
        attributes = with_numbers(user.attributes, self._schema.user_numbers, f"{field}.attributes")
        if rendered := render(attributes, self._schema.user_fields):
            profile = self.text(rendered, f"{field}.attributes")
            self._unknown_of_users |= dict.fromkeys(name for name in attributes if name not in self._user_fields)
        return ResolvedUser(profile, self.references(user.history, f"{field}.history"))

    def inputs(self, inputs: Sequence[Input], outputs: Sequence[str]) -> ResolvedInputs:
        """Resolve the inputs of an encode request. Histories are read only if an output depends on them.

        Raises:
            InvalidInput: an input cannot be encoded, or an output is not defined on one of the inputs.
            UnknownItem: an id of a history is not in the catalogue.
        """
        check_count(len(inputs), self._schema.max_inputs, "inputs")
        check_names(outputs, ENCODE_OUTPUTS, "outputs")
        _check_defined(inputs, outputs)
        needs_history = not set(outputs).isdisjoint(USER_OUTPUTS)
        text_indices = np.full(len(inputs), -1, np.int64)
        users: list[ResolvedUser] = []
        for index, entry in enumerate(inputs):
            field = f"inputs[{index}]"
            if isinstance(entry, User):
                users.append(self.user(entry if needs_history else replace(entry, history=()), f"{field}.user"))
                text_indices[index] = users[-1].profile
            elif isinstance(entry, Item):
                text_indices[index] = self.item(self.readable(entry, f"{field}.item"), f"{field}.item")
            elif isinstance(entry, tuple):
                text_indices[index] = self.tokens(entry, f"{field}.tokens")
            else:
                text_indices[index] = self.text(entry, f"{field}.text")
        return ResolvedInputs(text_indices, tuple(users))

    def references(self, references: Sequence[ItemReference], field: str, *, listed: bool = True) -> ResolvedItems:
        """Resolve the items of a history or candidates, or one item that is not in a list.

        Raises:
            InvalidInput: an item cannot be encoded, or there are too many.
            UnknownItem: an id is not in the catalogue.
        """
        check_count(len(references), self._schema.max_inputs, field, least=0)
        rows = np.full(len(references), -1, np.int64)
        text_indices = np.full(len(references), -1, np.int64)
        vectors: dict[int, Floats] = {}
        for index, reference in enumerate(references):
            path = f"{field}[{index}]" if listed else field
            check_reference(reference, path)
            if reference.id is not None:
                check_id(reference.id, f"{path}.id")
                row = self._snapshot.position(reference.id)
                if row is None:
                    raise UnknownItem(f"{path}.id", reference.id)
                rows[index] = row
            elif reference.text is not None:
                text_indices[index] = self.text(reference.text, f"{path}.text")
            elif reference.vector is not None:
                check_vector(reference.vector, self._schema.hidden, f"{path}.vector")
                vectors[index] = reference.vector
        return ResolvedItems(rows, text_indices, vectors)


def _check_defined(inputs: Sequence[Input], outputs: Sequence[str]) -> None:
    for index, name in enumerate(outputs):
        for position, entry in enumerate(inputs):
            undefined, kind = (ITEM_OUTPUTS, "a user") if isinstance(entry, User) else (USER_OUTPUTS, "not a user")
            if name in undefined:
                raise InvalidInput(
                    f"outputs[{index}]",
                    f"{name} is not defined on inputs[{position}], which is {kind}; send users in separate requests",
                )
