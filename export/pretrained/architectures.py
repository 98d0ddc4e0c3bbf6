"""Encoders that are BERT under other names: their settings and their weights' names as BERT has them.

RoBERTa and XLM-R are BERT whose positions count from behind the padding's id and which know one type of token.
DistilBERT is BERT without types of tokens, with half of the layers. MPNet has no types either; its positions count as
RoBERTa's, and its attention also adds a number for the distance of two tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from transformers import BertConfig

from emberline.engine.errors import DataError
from emberline.export.model import BUCKETS, MPNET_NAMES, MPNET_SKIPPED


@dataclass(frozen=True, slots=True)
class WeightNames:
    """How a kind of encoder stores the weights of a BERT.

    Attributes:
        renamed: patterns of its names, and what BERT calls these.
        skipped_positions: positions at the beginning that no token has.
        has_types: whether there are embeddings of token types.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    skipped_positions: int = 0
    has_types: bool = True

    def of_bert(self, name: str) -> str:
        """What BERT calls a weight."""
        for pattern, new in self.renamed.items():
            name = re.sub(pattern, new, name)
        return name


_DISTILBERT: Final = {
    r"^transformer\.layer\.": "encoder.layer.",
    r"\.attention\.q_lin\.": ".attention.self.query.",
    r"\.attention\.k_lin\.": ".attention.self.key.",
    r"\.attention\.v_lin\.": ".attention.self.value.",
    r"\.attention\.out_lin\.": ".attention.output.dense.",
    r"\.sa_layer_norm\.": ".attention.output.LayerNorm.",
    r"\.ffn\.lin1\.": ".intermediate.dense.",
    r"\.ffn\.lin2\.": ".output.dense.",
    r"\.output_layer_norm\.": ".output.LayerNorm.",
}
#: What DistilBERT calls a BERT's settings.
_DISTILBERT_FIELDS: Final = {
    "dim": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "hidden_dim": "intermediate_size",
    "activation": "hidden_act",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}
_MPNET: Final = {re.escape(own): name for name, own in MPNET_NAMES.items()}
#: What a BERT has at least one of.
_SIZES: Final = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
#: Read as BERT; `camembert` is RoBERTa.
KINDS: Final = ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "mpnet")


def as_bert(config: Mapping[str, Any], source: str) -> tuple[BertConfig, WeightNames]:
    """The BERT that an encoder is, and how its weights are called.

    Args:
        config: what its config.json holds.
        source: for the message.

    Raises:
        DataError: it is of another kind, or does what Emberline's BERT does not.
    """
    kind = config.get("model_type")
    if kind not in KINDS:
        raise DataError(
            f"{source} is a {kind} model; Emberline trains BERT models and reads {', '.join(KINDS[1:])} as such: "
            "pick one of those"
        )
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise DataError(
            f"{source} has positions of the type {positions!r}; Emberline reads encoders with absolute positions: pick "
            "another"
        )
    if config.get("is_decoder"):
        raise DataError(f"{source} is a decoder; Emberline trains encoders: pick another")
    buckets = config.get("relative_attention_num_buckets", BUCKETS)
    if kind == "mpnet" and (not isinstance(buckets, int) or buckets < BUCKETS):
        raise DataError(f"{source} has {buckets} buckets of distances; MPNet needs {BUCKETS}: fetch config.json again")
    fields = {_DISTILBERT_FIELDS.get(name, name) if kind == "distilbert" else name: v for name, v in config.items()}
    if kind == "distilbert":
        # Of DistilBERT, config.json may leave out what it takes for granted.
        taken = {"hidden_size": 768, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 3072}
        fields = taken | fields | {"type_vocab_size": 1, "layer_norm_eps": 1e-12}
        return _config(fields, source), WeightNames(_DISTILBERT, has_types=False)
    if kind == "mpnet":
        positions = _number(fields, "max_position_embeddings", 512, source) - MPNET_SKIPPED
        own = {"type_vocab_size": 1, "max_position_embeddings": positions, "relative_attention_num_buckets": buckets}
        fields = {"vocab_size": 30527, "pad_token_id": 1} | fields | own
        return _config(fields, source), WeightNames(_MPNET, MPNET_SKIPPED, has_types=False)
    fields.pop("relative_attention_num_buckets", None)
    if kind == "bert":
        return _config(fields, source), WeightNames()
    skipped = _number(fields, "pad_token_id", 1, source) + 1
    fields["max_position_embeddings"] = _number(fields, "max_position_embeddings", 514, source) - skipped
    fields.setdefault("type_vocab_size", 1)
    return _config(fields, source), WeightNames(skipped_positions=skipped)


def _number(fields: Mapping[str, Any], name: str, default: int, source: str) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int):
        raise DataError(f"{source}/config.json has {name} {value!r}, which is not a number; fetch it again")
    return value


def _config(fields: Mapping[str, Any], source: str) -> BertConfig:
    try:
        config = BertConfig(
            **{name: value for name, value in fields.items() if name not in ("model_type", "architectures")}
        )
    except (TypeError, ValueError) as error:
        raise DataError(f"{source}/config.json describes no encoder ({error}); fetch it again") from error
    for name in _SIZES:
        value = getattr(config, name)
        if not isinstance(value, int) or value < 1:
            raise DataError(f"{source}/config.json describes no BERT ({name} is {value!r}); fetch it again")
    return config
