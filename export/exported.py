"""An exported model, run by ONNX Runtime in the same way as in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emberline.engine.bundle import BundleLayout, GraphSpec, Precision
from emberline.engine.records import ITEM_OUTPUTS, USER_OUTPUTS, Floats
from emberline.engine.runtime.ort import open_session
from emberline.engine.runtime.session import OrtSession, Session
from emberline.engine.scoring.history import pool
from emberline.engine.text.tokenizer import TextTokenizer

from .model import ModelConfig
from .vectors import encode


class ExportedModel:
    """The graphs of a bundle in one precision, as a `Predictor`."""

    def __init__(
        self,
        layout: BundleLayout,
        precision: Precision,
        encoder: GraphSpec,
        heads: Mapping[str, GraphSpec],
        config: ModelConfig,
        session: Session | None = None,
    ) -> None:
        """Load the graphs; see `open_session` for what it raises.

        Args:
            layout: where the graphs are.
            precision: the precision of the encoder.
            encoder: the inputs and outputs of the encoder.
            heads: the inputs and outputs of ``item_tower``, ``user_tower`` and ``match``.
            config: the configuration of the exported model.
            session: runs the encoder; None: ONNX Runtime on the CPU.
        """
        self._config = config
        self._tokenizer = TextTokenizer(layout.tokenizer, config.max_length)
        self._encoder = session or OrtSession(layout.encoder(precision), encoder, "cpu")
        self._item = open_session(layout.item_tower, heads["item_tower"])
        self._user = open_session(layout.user_tower, heads["user_tower"])
        self._match = open_session(layout.match, heads["match"])

    def encode(self, texts: Sequence[str]) -> Floats:
        """See `Predictor.encode`."""
        known = [row for row, text in enumerate(texts) if text]
        vectors = np.zeros((len(texts), self._config.embedding), np.float32)
        if known:
            vectors[known] = encode(self._encoder, self._tokenizer.encode([texts[row] for row in known]))
        return vectors

    def item(self, embeddings: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Predictor.item`."""
        vector, bias, attributes = self._item.run(ITEM_OUTPUTS, {"sentence_embedding": embeddings})
        return vector, bias, attributes

    def pool(self, liked: Floats) -> Floats:
        """See `Predictor.pool`."""
        return pool(liked, self._config.factors, self._config.fold_ridge)

    def user(self, history: Floats, profile: Floats, length: Floats) -> tuple[Floats, Floats]:
        """See `Predictor.user`."""
        inputs = {"history": history, "profile": profile, "history_length": length}
        vector, attributes = self._user.run(USER_OUTPUTS, inputs)
        return vector, attributes

    def match(self, user: Floats, item: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """See `Predictor.match`."""
        inputs = {"user_embedding": user, "item_embedding": item, "item_bias": bias}
        probability, rating = self._match.run(("probability", "rating"), inputs)
        return probability, rating

    def score(self, user: Floats, item: Floats, bias: Floats) -> Floats:
        """See `Predictor.score`."""
        scores: Floats = user @ item.T / np.float32(self._config.temperature) + bias
        return scores
