from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import BundleCorrupt
from emberline.engine.records import Encoding
from emberline.engine.text.tokenizer import TextTokenizer, pad

MAX_LENGTH = 32


@pytest.fixture(scope="module")
def path(tiny_bundle: Path) -> Path:
    """The tiny bundle's tokenizer."""
    return BundleLayout(tiny_bundle).tokenizer


def test_a_text_has_its_special_tokens_and_no_padding(path: Path, tmp_path: Path) -> None:
    """A tokenizer file that pads every text to the full length is read without its padding."""
    padding = Tokenizer.from_file(str(path))
    padding.enable_padding(length=MAX_LENGTH)
    padding.save(str(tmp_path / "tokenizer.json"))
    (encoding,) = TextTokenizer(tmp_path / "tokenizer.json", MAX_LENGTH).encode(["horror: the"])
    assert encoding.ids.tolist() == Tokenizer.from_file(str(path)).encode("horror: the").ids
    assert not encoding.truncated


def test_a_long_text_is_cut_and_says_so(path: Path) -> None:
    """A text with more tokens than the encoder reads is truncated, and marked."""
    short, long = TextTokenizer(path, MAX_LENGTH).encode(["the " * 30, "the " * 31])
    assert (len(short), short.truncated) == (MAX_LENGTH, False)
    assert (len(long), long.truncated) == (MAX_LENGTH, True)


words = st.one_of(st.sampled_from(["the", "horror", "x" * 150, " " * 300, "a;b,c", "中文"]), st.text(max_size=12))


@settings(max_examples=60)
@given(st.lists(st.lists(words, max_size=60).map(" ".join), min_size=1, max_size=3))
def test_reading_only_the_head_of_a_long_text_changes_nothing(path: Path, texts: list[str]) -> None:
    """The tokens are those of the whole text, though most of a long text is never tokenized."""
    whole = Tokenizer.from_file(str(path))
    whole.enable_truncation(MAX_LENGTH)
    for text, encoding in zip(texts, TextTokenizer(path, MAX_LENGTH).encode(texts), strict=True):
        expected = whole.encode(text)
        assert encoding.ids.tolist() == expected.ids
        assert encoding.truncated == bool(expected.overflowing)


#: Words and characters of many scripts, with and without spaces between them, and what looks like words and is none.
SCRIPTS = [
    *(
        "the quick brown fox ",
        "日本語の文章",
        "蓝牙降噪耳机",
        "한국어 문장 ",
        "ภาษาไทยไม่มีช่องว่าง",
        "العربية بلا مسافات ",
        "हिन्दी में ",
        "русский текст ",
    ),
    *(
        "👍🏽👨‍👩‍👧",
        "a" * 99,
        "b" * 101,
        "é" * 40,
        "e\u0301" * 30,
        "\u200b" * 20,
        " \t\n" * 20,
        "...---!!!",
        "x1y2z3",
        "İstanbulＡＢＣ",
    ),
]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(SCRIPTS), st.integers(1, 60)), min_size=1, max_size=8))
def test_a_cut_before_tokenizing_changes_no_token_in_any_script(path: Path, parts: list[tuple[str, int]]) -> None:
    """The tokens are those of the whole text, and whether it was truncated is known."""
    text = "".join(part * count for part, count in parts)
    whole = Tokenizer.from_file(str(path))
    whole.enable_truncation(MAX_LENGTH)
    expected = whole.encode(text)
    (encoding,) = TextTokenizer(path, MAX_LENGTH).encode([text])
    assert encoding.ids.tolist() == expected.ids
    assert encoding.truncated == bool(expected.overflowing)


@pytest.mark.parametrize("text", ["日" * 1_000_000, "the " * 250_000, "日本 " * 300_000])
def test_a_long_text_is_hardly_read(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tokenizer is given is a few times what the encoder reads, whatever the script."""
    tokenizer = TextTokenizer(path, MAX_LENGTH)
    read: list[int] = []

    class WatchedTokenizer:
        def encode_batch_fast(self, texts: list[str]) -> object:
            read.extend(map(len, texts))
            return inner.encode_batch_fast(texts)

    inner = tokenizer._tokenizer
    monkeypatch.setattr(tokenizer, "_tokenizer", WatchedTokenizer())
    assert len(tokenizer.encode([text])[0]) == MAX_LENGTH
    assert sum(read) <= 16 * MAX_LENGTH


def test_a_batch_is_padded_to_its_longest_only() -> None:
    """Ids are padded with zeros, and the mask marks the tokens."""
    ids, mask = pad([Encoding(np.array([5, 6, 7]), False), Encoding(np.array([8]), False)])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_file_that_is_not_a_tokenizer_is_named(tmp_path: Path) -> None:
    """The error names the file and the next step."""
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleCorrupt, match=r"tokenizer.json is not a tokenizer .* export the bundle again"):
        TextTokenizer(tmp_path / "tokenizer.json", MAX_LENGTH)


def test_unknown_tokens_are_counted(path: Path, tmp_path: Path) -> None:
    """Whether the tokenizer calls the token by its name, by its number or not at all; special tokens are apart."""
    tokenizer = TextTokenizer(path, MAX_LENGTH)
    assert tokenizer.unknown(tokenizer.encode(["the 蓝牙", "horror", "蓝"])) == [2, 0, 1]
    assert tokenizer.specials == 2
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -1.0), ("a", -2.0)], unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.save(str(tmp_path / "unigram.json"))
    tokenizer = TextTokenizer(tmp_path / "unigram.json", MAX_LENGTH)
    assert tokenizer.unknown(tokenizer.encode(["aa", "ab"])) == [0, 1]
    letters = {letter: number for number, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    bytewise = Tokenizer(models.BPE(letters, []))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel()
    bytewise.save(str(tmp_path / "bytes.json"))
    tokenizer = TextTokenizer(tmp_path / "bytes.json", MAX_LENGTH)
    assert tokenizer.unknown(tokenizer.encode(["蓝牙"])) == [0]


def test_special_tokens_are_left_out_of_a_text_on_demand(path: Path, tmp_path: Path) -> None:
    """They are those that the tokenizer knows as such."""
    known = Tokenizer.from_file(str(path))
    known.add_special_tokens(["[CLS]", "[SEP]"])
    known.save(str(tmp_path / "tokenizer.json"))
    tokenizer = TextTokenizer(tmp_path / "tokenizer.json", MAX_LENGTH)
    ids = [token.id for token in tokenizer.tokens("the horror", specials=True)]
    assert tokenizer.decode(ids, skip_specials=True) == "the horror"
    assert tokenizer.decode(ids, skip_specials=False) == "[CLS] the horror [SEP]"
