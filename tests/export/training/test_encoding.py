from __future__ import annotations

from pathlib import Path

import torch

from emberline.export import pretrained
from emberline.export.training.encoding import encode, tokens


def test_a_text_is_encoded_the_same_in_any_company(tiny_bert: Path) -> None:
    """Padding and neighbours do not change a vector, and the order is kept."""
    source = pretrained.load(str(tiny_bert), 64)
    texts = ["a", "a much longer text than that", "b c d"]
    together = encode(source.encoder, source.tokenizer, texts, batch=3)
    alone = torch.cat([encode(source.encoder, source.tokenizer, [text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))


def test_an_empty_text_is_zeros(tiny_bert: Path) -> None:
    """Nothing known gives no direction."""
    source = pretrained.load(str(tiny_bert), 64)
    vectors = encode(source.encoder, source.tokenizer, ["", "a"])
    assert not vectors[0].any()
    assert vectors[1].any()


def test_tokens_are_padded_to_the_longest(tiny_bert: Path) -> None:
    """Ids and mask have the longest text's length; the mask counts each text's tokens."""
    source = pretrained.load(str(tiny_bert), 64)
    ids, mask = tokens(source.tokenizer, ["a", "abc"])
    assert ids.shape == mask.shape == (2, 5)
    assert mask.sum(1).tolist() == [3, 5]
