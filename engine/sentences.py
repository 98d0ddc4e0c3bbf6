"""Texts to vectors in the manner of sentence-transformers, for programs that were written for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from .errors import ConfigError
from .recommender import Recommender

#: Texts in one call of the model, which makes batches of its own.
_TEXTS: Final = 256


class SentenceEncoder:
    """Encodes texts as `sentence_transformers.SentenceTransformer` does, on a `Client` or an `Emberline`.

    Args:
        model: the model that encodes. It stays open.
        priority: see `Client.encode`.
    """

    def __init__(self, model: Recommender, *, priority: int = 0) -> None:
        self._model = model
        self._priority = priority
        self._info = model.info()

    @property
    def max_seq_length(self) -> int:
        """Maximum number of tokens in a text; longer ones are truncated."""
        return self._info.max_length

    def get_sentence_embedding_dimension(self) -> int:
        """Return H, the width of a vector."""
        return self._info.hidden

    def encode(
        self,
        inputs: str | Sequence[str],
        *,
        prompt: str | None = None,
        batch_size: int = 32,  # noqa: ARG002  # the model makes batches of its own
        show_progress_bar: bool | None = None,  # noqa: ARG002  # nothing is shown
        precision: str = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Any:
        """Encode texts.

        Args:
            inputs: one text, or any number of them.
            prompt: put before each text.
            batch_size: accepted and not used: the model makes batches of its own.
            show_progress_bar: accepted and not used.
            precision: number format of the vectors, which is float32.
            convert_to_numpy: whether the vectors come as one array; if not, as a list of arrays.
            convert_to_tensor: tensors of torch, which this does not make.
            normalize_embeddings: whether vectors are scaled to length 1, after `truncate_dim`.
            truncate_dim: number of leading numbers of each vector; None: all.

        Returns:
            (N, H) float32 of N texts, or (H,) of one text that is not in a list.

        Raises:
            ConfigError: tensors or another number format are asked for.
            InvalidInput: a text is empty or not a text. The error names its index among the texts of a call.
        """
        if convert_to_tensor:
            raise ConfigError("convert_to_tensor needs torch, which this is made to do without; leave it out")
        if precision != "float32":
            raise ConfigError(f"precision is {precision!r}; vectors come as float32")
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        if prompt:
            texts = [prompt + text for text in texts]
        found = [
            self._model.encode(
                texts[start : start + _TEXTS],
                dimensions=truncate_dim or 0,
                normalize=normalize_embeddings,
                priority=self._priority,
            ).outputs["sentence_embedding"]
            for start in range(0, len(texts), _TEXTS)
        ]
        vectors = np.concatenate(found) if found else np.empty((0, truncate_dim or self._info.hidden), np.float32)
        if isinstance(inputs, str):
            return vectors[0]  # (H,)
        return vectors if convert_to_numpy else list(vectors)  # (N, H)

    #: Questions and documents are read like all other texts.
    encode_query = encode
    encode_document = encode
