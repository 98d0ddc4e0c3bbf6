"""A catalogue in Chinese, from its tables to recommendations."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from emberline.engine.bundle import Bundle
from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.records import Filter, Item, RecommendRequest, RequestOptions, User
from emberline.engine.text.tokenizer import TextTokenizer
from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.split import split
from emberline.export.training.config import TrainConfig
from emberline.export.training.loop import train
from emberline.export.training.run import RunFolder, load_run
from emberline.export.writer import write_bundle

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "chinese.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example in the documentation, imported from its file."""
    spec = importlib.util.spec_from_file_location("chinese", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A multilingual encoder of random weights: it knows letters of several scripts, and pools by the first token."""
    folder = tmp_path / "encoder"
    letters = sorted({*EXAMPLE.read_text(encoding="utf-8"), *"абвгдежзийклмнопрстуфхцчшщъыьэюя", *"アイウエオ"})
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0 - place / 1000) for place, letter in enumerate(letters) if not letter.isspace()]
    made = Tokenizer(models.Unigram(pieces, unk_id=3))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        pad_token_id=1,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=130,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    )
    return folder


async def test_a_chinese_shop_goes_the_whole_way(example: ModuleType, encoder: Path, tmp_path: Path) -> None:
    """Chinese names, values, filters and profiles: trained with fewer word pieces, exported, added to, recommended."""
    dataset, _ = read(Description.read(example.write_data(tmp_path, products=60, customers=40, ratings=20)))
    assert dataset.description.item.fields == ("标题", "类别", "适合", "价格")
    config = TrainConfig(
        encoder=str(encoder), vocabulary=200, tower_steps=3, joint_steps=1, final_steps=1, items=8, users=16, threads=1
    )
    run = RunFolder(tmp_path / "run")
    train(dataset, split(dataset, 0), config, run.root, data_folder=tmp_path)
    kept = json.loads(run.vocabulary.read_text(encoding="utf-8"))
    assert kept["needed"] <= kept["kept"] <= 200 < kept["pieces"]
    bundle = write_bundle(load_run(run.root), tmp_path / "bundle", precisions=["fp32"], allow_weak_model=True)
    opened = Bundle.open(bundle)
    assert any(label.startswith("类别=") for label in opened.manifest.item_labels)
    text = "标题: 远山防水双肩包 户外 新款; 类别: 服饰"
    (encoding,) = TextTokenizer(bundle / "tokenizer.json", 128).encode([text])
    assert 3 not in encoding.ids  # the unknown token
    engine = await Engine.start(EngineConfig(bundle=bundle, catalogue=tmp_path / "live.sqlite"))
    try:
        new = Item("new-1", {"标题": "远山防水双肩包 户外 新款", "类别": "服饰", "价格": 299.0})
        await engine.upsert((new,), RequestOptions())
        request = RecommendRequest(
            User(attributes={"职业": "健身教练", "兴趣": "跑步和登山"}),
            k=60,
            filters=(Filter("类别", any_of=("服饰",)),),
        )
        answer = await engine.recommend(request, RequestOptions())
    finally:
        await engine.drain()
    assert "new-1" in [item.id for item in answer.items]
    assert {item.attributes["类别"] for item in answer.items} == {"服饰"}
