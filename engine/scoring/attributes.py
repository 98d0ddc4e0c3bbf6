"""What a model makes of attributes and texts that it was not trained on: numbers are read, the rest is said."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from emberline.engine.errors import InvalidInput
from emberline.engine.records import TokenIds, Value

#: Unknown attributes that a warning names.
_NAMED: Final = 5
#: Unknown attributes that are compared with the known ones.
_MATCHED: Final = 32
#: Characters of a text that a warning shows.
_SHOWN: Final = 60
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def with_numbers(attributes: Mapping[str, Value], numbers: frozenset[str], field: str) -> Mapping[str, Value]:
    """Read the texts of attributes that the model knows as numbers, as training reads them.

    Args:
        attributes: values by name; they are valid.
        numbers: names of the attributes that are numbers.
        field: of the request, for the error.

    Returns:
        The same attributes if there is nothing to read. An empty text is left out: it stands for no value.

    Raises:
        InvalidInput: a value is not a number.
    """
    texts = [name for name in attributes if name in numbers and not isinstance(attributes[name], int | float)]
    if not texts:
        return attributes
    found = dict(attributes)
    for name in texts:
        value = found.pop(name)
        text = value.strip() if isinstance(value, str) else None
        if text == "":
            continue
        number = float(text) if text is not None and _NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(number):
            what = "a list" if text is None else f"the text {text[:_SHOWN]!r}"
            raise InvalidInput(f"{field}.{name}", f"is {what}; the model knows it as a number: give one, such as 12.5")
        found[name] = number
    return found


def unknown_attributes(names: Sequence[str], known: Sequence[str]) -> str:
    """Say that attributes were not among those of training.

    Args:
        names: the attributes, at least one.
        known: those of training.
    """
    similar = [(name, get_close_matches(name, known, 1)) for name in names[:_MATCHED]]
    similar = sorted(similar, key=lambda pair: not pair[1])[:_NAMED]  # misspelt ones first
    told = [f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else "") for name, near in similar]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"the model was not trained on {', '.join(told)}{more}; it reads such attributes as text alone. It knows "
        f"{', '.join(known) or 'none'}"
    )


def unknown_tokens(share: float, text: str | TokenIds) -> str:
    """Say that texts are not of the encoder's languages.

    Args:
        share: of the tokens that are unknown.
        text: one with such tokens.
    """
    return (
        f"{share:.0%} of the tokens are unknown to the model's tokenizer, as in {text[:_SHOWN]!r}: such texts get "
        "vectors that say little; train with an encoder of their language, or a multilingual one (docs/languages.md)"
    )
