"""The encoder: token ids to `sentence_embedding`. Only it is large, and only it is quantised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedModel
from transformers.utils import ModelOutput

from .distances import DistanceBias
from .words import WordRows

#: How the tokens' vectors become one: their mean, or the first token's (`[CLS]`).
Pooling = Literal["mean", "cls"]
POOLINGS: Final[tuple[Pooling, ...]] = get_args(Pooling)


@dataclass
class TextEncoding(ModelOutput):  # type: ignore[misc]  # transformers has no types that mypy can follow
    """What the encoder gives.

    Attributes:
        sentence_embedding: (B, H + W), of unit length.
    """

    sentence_embedding: Tensor | None = None


class TextEncoder(PreTrainedModel):  # type: ignore[misc]  # transformers has no types that mypy can follow
    """BERT, pooling over the tokens that are not padding, unit length.

    Without layers it is static: nothing is read but each word piece's own vector, and their mean is the text's.

    Attributes:
        pooling: how it pools; the configuration's ``pooling``, or else the mean.
        distances: what attention adds for the distance of two tokens; None: nothing, as in BERT itself.
        words: the wide part, whose W numbers follow the H of BERT's; None: there is none, and W is 0.
    """

    config_class = BertConfig
    base_model_prefix = "bert"
    _supports_sdpa = True

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.pooling: Pooling = getattr(config, "pooling", "mean")
        buckets = getattr(config, "relative_attention_num_buckets", 0)
        shape = (buckets, config.num_attention_heads, config.max_position_embeddings)
        self.distances = DistanceBias(*shape) if buckets else None
        self.words: WordRows | None = None
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TextEncoding:
        """Encode token ids.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64, 1 for a token and 0 for padding.
        """
        states = self._states(input_ids, attention_mask)  # (B, L, H)
        mask = attention_mask
        if self.pooling == "cls":
            mask = mask * (mask.cumsum(1) == 1)  # of the first token alone, wherever padding lies
        weight = mask.unsqueeze(-1).to(states.dtype)  # (B, L, 1)
        mean = (states * weight).sum(1) / weight.sum(1).clamp(min=1.0)  # (B, H)
        sentence = _unit(mean)
        if self.words is not None:
            sentence = _unit(torch.cat([sentence, self.words(input_ids, attention_mask)], dim=-1))
        return TextEncoding(sentence_embedding=sentence)

    def _states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        if not self.config.num_hidden_layers:
            rows: Tensor = self.bert.embeddings.word_embeddings(input_ids)
            return rows
        if self.distances is None:
            states: Tensor = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return states
        embedded = self.bert.embeddings(input_ids)  # (B, L, H)
        hidden = (1 - attention_mask)[:, None, None, :].to(embedded.dtype) * torch.finfo(embedded.dtype).min
        bias = self.distances(input_ids.shape[1]) + hidden  # (B, heads, L, L)
        states = self.bert.encoder(embedded, attention_mask=bias).last_hidden_state
        return states  # noqa: RET504 - transformers has no types

    @property
    def width(self) -> int:
        """H + W."""
        wide = 0 if self.words is None else self.words.row_embeddings.embedding_dim - 1
        return int(self.config.hidden_size) + wide


def _unit(vectors: Tensor) -> Tensor:
    # Not F.normalize: it leaves the output without a static width in the ONNX graph.
    norm = vectors.pow(2).sum(-1, keepdim=True).clamp(min=1e-12).sqrt()
    return vectors / norm
