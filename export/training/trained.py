"""A trained model with its tokenizer, in NumPy terms: the reference that every exported form is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from emberline.engine.errors import DataError
from emberline.engine.scoring.history import pool
from emberline.export.model import Emberline
from emberline.export.pretrained import cutting

from .encoding import encode
from .sentence_files import TOKENIZER, write_sentence_files

Floats = NDArray[np.float32]

#: Items that the tower takes at once.
ITEMS: Final = 1024


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model in evaluation mode and the tokenizer that it was trained with.

    Shapes: N texts or pairs, H the encoder's width, D the towers', A item labels, C user labels.

    Attributes:
        model: the model.
        tokenizer: cuts to `model.config.max_length` tokens and does not pad.
    """

    model: Emberline
    tokenizer: Tokenizer

    def encode(self, texts: Sequence[str], batch: int = 32) -> Floats:
        """`sentence_embedding` of N texts, (N, H); zeros for an empty text."""
        return _array(encode(self.model.encoder, self.tokenizer, texts, batch))

    @torch.inference_mode()
    def item(self, embeddings: Floats) -> tuple[Floats, Floats, Floats]:
        """`item_embedding` (N, D), `item_bias` (N,) and the probabilities `item_attributes` (N, A).

        Args:
            embeddings: (N, H) sentence embeddings.
        """
        # In parts: the tower compares every item with all that it remembers.
        given = _tensor(embeddings)
        starts = range(0, max(1, len(given)), ITEMS)
        parts = [self.model.item_tower(given[start : start + ITEMS]) for start in starts]
        vector, bias, attributes = (torch.cat(column) for column in zip(*parts, strict=True))
        return _array(vector), _array(bias), _array(attributes.sigmoid())

    @torch.inference_mode()
    def newness(self, embeddings: Floats) -> Floats:
        """How new N items are, (N,) from 0, remembered, to 1, by their sentence embeddings (N, H)."""
        given = _tensor(embeddings)
        starts = range(0, max(1, len(given)), ITEMS)
        return _array(torch.cat([self.model.item_tower.newness(given[start : start + ITEMS]) for start in starts]))

    def pool(self, liked: Floats) -> Floats:
        """See `emberline.engine.scoring.history.pool`."""
        return pool(liked, self.model.config.factors, self.model.config.fold_ridge)

    @torch.inference_mode()
    def user(self, history: Floats, profile: Floats, length: Floats) -> tuple[Floats, Floats]:
        """`user_embedding` (N, D) and the probabilities `user_attributes` (N, C).

        Args:
            history: (N, D) of the liked items, as `pool` has it; zeros without any.
            profile: (N, H) sentence embedding of the profile; zeros without one.
            length: (N,) how many liked items there are.
        """
        vector, attributes = self.model.user_tower(_tensor(history), _tensor(profile), _tensor(length))
        return _array(vector), _array(attributes.sigmoid())

    @torch.inference_mode()
    def match(self, user: Floats, item: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """`probability` and `rating` of N pairs, each (N,).

        Args:
            user: (N, D) user embeddings.
            item: (N, D) item embeddings.
            bias: (N,) the items' biases.
        """
        logit, rating = self.model.match(_tensor(user), _tensor(item), _tensor(bias))
        return _array(logit.sigmoid()), _array(rating)

    @torch.inference_mode()
    def score(self, user: Floats, item: Floats, bias: Floats) -> Floats:
        """The ranking scores (users, items) of every user with every item."""
        return _array(self.model.similarity(_tensor(user), _tensor(item), _tensor(bias)))

    def save(self, folder: Path) -> None:
        """Write model and tokenizer into a folder, which sentence-transformers can load: up to the towers."""
        self.model.save(folder)
        write_sentence_files(self.tokenizer, self.model.config, folder)

    @classmethod
    def load(cls, folder: Path) -> TrainedModel:
        """Read what `save` wrote.

        Raises:
            DataError: the folder holds no trained model.
        """
        model = Emberline.load(folder)
        try:
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # tokenizers raises nothing more precise
            raise DataError(
                f"{folder / TOKENIZER} is not a valid tokenizer ({error}); train again with `emberline train`"
            ) from error
        return cls(model, cutting(tokenizer, model.config.max_length))


def _array(tensor: Tensor) -> Floats:
    return np.asarray(tensor.numpy(), dtype=np.float32)


def _tensor(array: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
