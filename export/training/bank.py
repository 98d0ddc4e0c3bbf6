"""The bank: the encoder's vector of every item and profile, so that a step encodes only what it trains on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from emberline.export.model import TextEncoder
from emberline.export.progress import Progress, silent

from .encoding import encode
from .examples import Examples, Indexes
from .texts import item_text, item_texts


@dataclass(slots=True)
class Bank:
    """Vectors of n items and of the profiles of u trained users.

    Attributes:
        items: (n, H) of the complete texts.
        hidden: (n, H) of the texts without the attributes to be predicted.
        profiles: (p, H) of the different profile texts; the zeros of an empty one included.
    """

    items: Tensor
    hidden: Tensor
    profiles: Tensor

    @classmethod
    def encode(
        cls,
        examples: Examples,
        profiles: Profiles,
        encoder: TextEncoder,
        tokenizer: Tokenizer,
        progress: Progress = silent,
    ) -> Bank:
        """Encode everything; the stage ``encoding`` counts texts."""
        columns = range(len(examples.items))
        labels = frozenset(examples.view.description.item.labels)
        whole = item_texts(examples)
        without = [item_text(examples, column, labels) or whole[column] for column in columns]
        parts = [whole, profiles.texts] if without == whole else [whole, without, profiles.texts]
        total, done = sum(1 for texts in parts for text in texts if text), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress("encoding", done, total, {})

        items, *hidden, known = (encode(encoder, tokenizer, texts, advance=advance) for texts in parts)
        return cls(items, hidden[0] if hidden else items.clone(), known)

    def state(self) -> dict[str, Tensor]:
        """All of it, for a checkpoint."""
        return {"items": self.items, "hidden": self.hidden, "profiles": self.profiles}


@dataclass(frozen=True, slots=True)
class Profiles:
    """The different profile texts.

    Attributes:
        texts: (p,).
        of: (u,) which of them each trained user has.
    """

    texts: list[str]
    of: Indexes

    def vectors(self, bank: Bank) -> Tensor:
        """(u, H) of each trained user."""
        return bank.profiles[torch.from_numpy(self.of)]

    @classmethod
    def among(cls, examples: Examples) -> Profiles:
        """The profiles of the trained users."""
        everyone = examples.view.user_texts()
        texts, of = np.unique([everyone[user] for user in examples.users], return_inverse=True)
        return cls([str(text) for text in texts], of.astype(np.int64))
