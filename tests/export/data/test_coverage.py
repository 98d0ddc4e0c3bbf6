"""What an encoder reads of a data set's texts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from emberline.engine.records import Item
from emberline.export.data.coverage import Coverage
from emberline.export.data.records import Dataset
from emberline.export.data.report import ReadReport

WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "title",
    "genre",
    "age",
    ":",
    ";",
    "red",
    "lamp",
    "chair",
    "odd",
    "even",
    "2",
)


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Knows a few whole words, and cuts and pads as files of tokenizers often ask for."""
    made = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.enable_truncation(4)
    made.enable_padding(length=32)
    return made


def _dataset(make_dataset: object, *titles: str) -> Dataset:
    assert callable(make_dataset)
    made = make_dataset([(0, 0, 5.0, 1)], 1, len(titles))
    items = tuple(Item(str(row), {"title": title, "genre": "odd"}) for row, title in enumerate(titles))
    return replace(made, items=items, users=())


def _report() -> ReadReport:
    return ReadReport("small", Path(), {}, 1, 0, 1, 1, ())


def test_texts_that_fit_need_no_word(make_dataset: object, tokenizer: Tokenizer) -> None:
    """Short texts of known words are read whole; the report has their figures, and nothing to warn of."""
    found = Coverage.of(_dataset(make_dataset, "red lamp", "chair"), tokenizer, 16)
    assert (found.texts, found.cut, found.longest, found.unread, found.unknown) == (2, 0, 10, (), 0.0)
    report = found.added_to(_report())
    assert (report.warnings, report.notes) == ((), ())
    assert json.loads(json.dumps(report.as_dict()))["texts"]["unknown_tokens"] == 0


def test_what_is_cut_is_counted_and_what_is_never_read_is_named(make_dataset: object, tokenizer: Tokenizer) -> None:
    """Attributes beyond the cut of every item are named; those that one item shows are not."""
    long = _dataset(make_dataset, "red " * 20, "lamp " * 20)
    found = Coverage.of(long, tokenizer, 16)
    assert (found.cut, found.longest, found.unread) == (2, 28, ("genre",))
    (warning,) = found.added_to(_report()).warnings
    assert "2 of 2 texts are longer than the encoder reads and are cut to 16 tokens (the longest has 28)" in warning
    assert "genre are never read: raise --max-length" in warning
    mixed = Coverage.of(_dataset(make_dataset, "red " * 20, "lamp", "chair"), tokenizer, 16)
    assert (mixed.cut, mixed.unread, mixed.warnings()) == (1, (), [])
    assert "1 of 3 texts are longer" in mixed.added_to(_report()).notes[0]


@pytest.mark.parametrize(("length", "read"), [(14, True), (13, True), (12, False)])
def test_an_attribute_is_read_if_its_value_begins_before_the_cut(
    make_dataset: object, tokenizer: Tokenizer, length: int, read: bool
) -> None:
    """`[CLS] title : red ×5 ; genre : odd [SEP]` has 13 tokens: one fewer, and the genre's value is not read."""
    found = Coverage.of(_dataset(make_dataset, "red red red red red"), tokenizer, length)
    assert found.longest == 13
    assert found.unread == (() if read else ("genre",))


def test_unknown_tokens_are_warned_of(make_dataset: object, tokenizer: Tokenizer) -> None:
    """From one token in twenty on the report names the share, a text and the remedy."""
    found = Coverage.of(_dataset(make_dataset, "蓝牙降噪耳机", "red lamp"), tokenizer, 16)
    assert found.unknown == pytest.approx(1 / 15)
    (warning,) = found.added_to(_report()).warnings
    assert "of the tokens are unknown" in warning
    assert "蓝牙" in warning
    assert "multilingual" in warning
    few = Coverage.of(_dataset(make_dataset, *["red lamp"] * 30, "蓝"), tokenizer, 16)
    assert 0 < few.unknown < 0.05
    assert few.warnings() == []


def test_a_unigram_tokenizer_knows_its_unknown_token(make_dataset: object) -> None:
    """Unigram tokenizers name their unknown token by id, and byte-level ones have none."""
    pieces = [("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in "title:gnreodd;la mp")]
    unigram = Tokenizer(models.Unigram(list(dict(pieces).items()), unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    assert Coverage.of(_dataset(make_dataset, "蓝牙"), unigram, 64).unknown > 0
    assert Coverage.of(_dataset(make_dataset, "red"), Tokenizer(models.BPE()), 64).unknown == 0


def test_a_book_is_counted_in_one_go(tokenizer: Tokenizer, make_dataset: object) -> None:
    """Each token of a very long text is looked at once: looking again for each other one would take hours."""
    found = Coverage.of(_dataset(make_dataset, "red lamp " * 100_000), tokenizer, 64)
    assert found.longest == 200_008
    assert (found.cut, found.unknown) == (1, 0.0)
