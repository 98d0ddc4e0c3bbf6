"""The model: one BERT encoder under two small towers and a match head.

Only the encoder is large, and only the encoder is quantised. Everything above it reads `sentence_embedding`, so an item
or a user that was never seen in training differs from the others in nothing.

Shapes: B texts, users or items; L tokens; H the encoder's width; D the towers' width; A item labels; C user labels.
"""

from .config import ModelConfig
from .distances import BUCKETS, DistanceBias
from .emberline import CONFIG, WEIGHTS, Emberline, word_rows
from .encoder import POOLINGS, Pooling, TextEncoder
from .encoder_files import ENCODER, MPNET_DISTANCES, MPNET_NAMES, MPNET_SKIPPED
from .items import LABEL, LIMIT, ItemTower
from .match import MatchHead
from .users import PROFILE
from .words import WordRows

__all__ = [
    "BUCKETS",
    "CONFIG",
    "ENCODER",
    "LABEL",
    "LIMIT",
    "MPNET_DISTANCES",
    "MPNET_NAMES",
    "MPNET_SKIPPED",
    "POOLINGS",
    "PROFILE",
    "WEIGHTS",
    "DistanceBias",
    "Emberline",
    "ItemTower",
    "MatchHead",
    "ModelConfig",
    "Pooling",
    "TextEncoder",
    "WordRows",
    "word_rows",
]
