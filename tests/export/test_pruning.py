from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig

from emberline.engine.errors import DataError
from emberline.export.model import TextEncoder
from emberline.export.pretrained import Pretrained, pruned
from emberline.export.training.encoding import encode

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
LATIN = ("lamp", "kettle", "teapot", "table", "stable", "cable", "lambda", "unstable", "kettledrum", "pot", "potable")
CHINESE = ("蓝牙耳机", "智能手表", "保温杯", "手机", "耳机", "不锈钢", "电饭煲", "手环", "蓝牙音箱")
CYRILLIC = ("чайник", "лампа", "стол", "столовая")


def _corpus() -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice([*LATIN, *CHINESE, *CYRILLIC], 4)) for _ in range(400)]


def _wordpiece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(_corpus(), trainers.WordPieceTrainer(vocab_size=140, special_tokens=SPECIAL))
    made.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    return made


def _unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>")
    made.train_from_iterator(_corpus(), trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return made


def _bpe() -> Tokenizer:
    made = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=SPECIAL, end_of_word_suffix="</w>")
    made.train_from_iterator(_corpus(), trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return made


def _bytes() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet)
    made.train_from_iterator(_corpus(), trainer)
    made.post_processor = processors.Sequence([processors.RobertaProcessing(("</s>", 2), ("<s>", 0))])
    made.add_tokens(["№"])
    return made


TOKENIZERS = pytest.mark.parametrize("make", [_wordpiece, _unigram, _bpe, _bytes])


def _pretrained(tokenizer: Tokenizer) -> Pretrained:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size() + 3,  # some encoders have rows to spare
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        pad_token_id=1,
    )
    return Pretrained(TextEncoder(config).eval(), tokenizer)


TEXTS = ["title: kettle", "蓝牙耳机 table", "unstable lamp lamp", "手机 potable", "", "kettledrum 保温杯"]


@TOKENIZERS
def test_texts_are_read_exactly_as_before(make: Callable[[], Tokenizer]) -> None:
    """With only the pieces that the texts need, fewer rows are left, and every vector stays the same."""
    source = _pretrained(make())
    found, pruning = pruned(source, TEXTS, 1)
    assert pruning.kept == pruning.needed == found.encoder.config.vocab_size < source.tokenizer.get_vocab_size()
    assert max(found.tokenizer.get_vocab().values()) == pruning.kept - 1
    assert found.tokenizer.encode("kettle").tokens == source.tokenizer.encode("kettle").tokens
    assert torch.equal(encode(found.encoder, found.tokenizer, TEXTS), encode(source.encoder, source.tokenizer, TEXTS))
    rows = source.encoder.bert.embeddings.word_embeddings.weight
    for token, number in found.tokenizer.get_vocab().items():
        mine = found.encoder.bert.embeddings.word_embeddings.weight[number]
        assert torch.equal(mine, rows[source.tokenizer.token_to_id(token)])


@TOKENIZERS
def test_everything_is_read_as_before_if_there_is_room(make: Callable[[], Tokenizer]) -> None:
    """Texts that were not counted are read as before where the reserve holds all pieces of their scripts."""
    source = _pretrained(make())
    found, pruning = pruned(source, [*LATIN, *CHINESE, *CYRILLIC], 10_000)
    assert pruning.alike == 1.0
    for text in _corpus():
        assert found.tokenizer.encode(text).tokens == source.tokenizer.encode(text).tokens


def test_the_reserve_is_of_the_texts_scripts() -> None:
    """Single characters come first, so that no word is unknown; letters of scripts that no text has are left out."""
    source = _pretrained(_unigram())
    _, least = pruned(source, TEXTS, 1)
    found, pruning = pruned(source, TEXTS, least.needed + 12)
    assert pruning.kept == least.needed + 12
    there = found.tokenizer.get_vocab()
    assert not any("а" <= letter <= "я" for piece in there for letter in piece)
    whole, _ = pruned(source, TEXTS, 10_000)
    assert whole.tokenizer.token_to_id("<unk>") not in whole.tokenizer.encode("电饭煲 环").ids
    assert whole.tokenizer.token_to_id("<unk>") in whole.tokenizer.encode("чайник").ids


def test_the_reserve_is_measured_on_texts_that_were_not_counted() -> None:
    """Of words that one text alone has, nothing is kept but what the reserve holds anyway."""
    source = _pretrained(_wordpiece())
    texts = ["kettledrum", "lamp", "lamp", "lamp", "lamp"]  # the first of five shows it
    lone, pruning = pruned(source, texts, 1)
    assert lone.tokenizer.encode("kettledrum").tokens == source.tokenizer.encode("kettledrum").tokens
    assert pruning.alike == 0.0
    assert pruned(source, texts, 10_000)[1].alike == 1.0


def test_other_tokenizers_are_kept_whole() -> None:
    """A tokenizer that knows whole words alone is refused, with the way out."""
    words = Tokenizer(models.WordLevel({"<unk>": 0, "lamp": 1}, unk_token="<unk>"))
    with pytest.raises(DataError, match=r"of the kind WordLevel cannot be reduced.*--vocabulary 0"):
        pruned(_pretrained(words), ["lamp"], 1)


def test_the_file_is_a_whole_tokenizer(tmp_path: Path) -> None:
    """Written and read again, by tokenizers alone, it frames texts by the new ids."""
    found, pruning = pruned(_pretrained(_bytes()), TEXTS, 1)
    found.tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ids = again.encode("№ kettle").ids
    assert (ids[0], ids[-1]) == (again.token_to_id("<s>"), again.token_to_id("</s>"))
    assert again.token_to_id("№") in ids
    assert max(ids) < pruning.kept
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["merges"]
