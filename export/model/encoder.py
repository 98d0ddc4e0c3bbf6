"""The encoder: token ids to `sentence_embedding`. Only it is large, and only it is quantised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedModel
from transformers.utils import ModelOutput

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

    Attributes:
        pooling: how it pools; the configuration's ``pooling``, or else the mean.
        words: the wide part, whose W numbers follow the H of BERT's; None: there is none, and W is 0.
    """

    config_class = BertConfig
    base_model_prefix = "bert"
    _supports_sdpa = True

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.pooling: Pooling = getattr(config, "pooling", "mean")
        self.words: WordRows | None = None
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TextEncoding:
        """Encode token ids.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64, 1 for a token and 0 for padding.
        """
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, L, H)
        mask = attention_mask
        if self.pooling == "cls":
            mask = mask * (mask.cumsum(1) == 1)  # of the first token alone, wherever padding lies
        weight = mask.unsqueeze(-1).to(states.dtype)  # (B, L, 1)
        mean = (states * weight).sum(1) / weight.sum(1).clamp(min=1.0)  # (B, H)
        sentence = _unit(mean)
        if self.words is not None:
            sentence = _unit(torch.cat([sentence, self.words(input_ids, attention_mask)], dim=-1))
        return TextEncoding(sentence_embedding=sentence)

    @property
    def width(self) -> int:
        """H + W."""
        wide = 0 if self.words is None else self.words.row_embeddings.embedding_dim - 1
        return int(self.config.hidden_size) + wide


def _unit(vectors: Tensor) -> Tensor:
    # Not F.normalize: it leaves the output without a static width in the ONNX graph.
    norm = vectors.pow(2).sum(-1, keepdim=True).clamp(min=1e-12).sqrt()
    return vectors / norm
