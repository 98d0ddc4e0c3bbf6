from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from emberline.export.data.words import words_of
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples
from emberline.export.training.texts import STRAY, item_text, varied_texts


def test_left_out_attributes_are_not_in_the_text(examples: Examples) -> None:
    """An attribute that is left out leaves neither name nor value."""
    assert item_text(examples, 0, frozenset({"genres"})) == item_text(examples, 0).partition("; genres")[0]


def test_labels_are_hidden_in_their_share_of_the_texts(examples: Examples, config: TrainConfig) -> None:
    """About half of the texts lack the labels, and those are the incomplete ones."""
    columns = np.zeros(400, dtype=np.int64)
    settings = replace(config, hide_labels=0.5, field_dropout=0.0, stray_words=0.0, typing_errors=0.0)
    texts, complete = varied_texts(examples, columns, settings, np.random.default_rng(0))
    hidden = ["genres" not in text for text in texts]
    assert 150 < sum(hidden) < 250
    assert [not whole for whole in complete] == hidden


def test_no_text_is_ever_empty(examples: Examples, config: TrainConfig) -> None:
    """Where chance would leave out every attribute, the text stays complete."""
    settings = replace(config, hide_labels=0.9, field_dropout=0.9)
    texts, _ = varied_texts(examples, np.zeros(50, dtype=np.int64), settings, np.random.default_rng(0))
    assert all(texts)


def corrupted(examples: Examples, config: TrainConfig, **settings: float) -> list[tuple[str, bool]]:
    """Many texts of the first item, and whether each is complete and sound."""
    settings = {"hide_labels": 0.0, "field_dropout": 0.0, "stray_words": 0.0, "typing_errors": 0.0, **settings}
    columns = np.zeros(400, dtype=np.int64)
    return list(
        zip(*varied_texts(examples, columns, replace(config, **settings), np.random.default_rng(0)), strict=True)
    )


def test_stray_words_are_other_items_words(examples: Examples, config: TrainConfig) -> None:
    """Half of the texts have some, one to eight, anywhere in the first text; what was there stays, in its order."""
    whole = item_text(examples, 0)
    title, genres = whole.removeprefix("title: ").split("; genres: ")
    known = {word for index in examples.items for word in words_of(examples.view.items[index])}
    found = corrupted(examples, config, stray_words=0.5)
    stuffed = [text for text, sound in found if not sound]
    assert 150 < len(stuffed) < 250
    assert {text for text, sound in found if sound} == {whole}
    firsts = set()
    for text in stuffed:
        words, kept = text.removeprefix("title: ").split("; genres: ")
        assert kept == genres
        strays = Counter(words.split()) - Counter(title.split())
        assert 1 <= strays.total() == len(words.split()) - len(title.split()) <= STRAY
        assert set(strays) <= known
        rest = iter(words.split())
        assert all(word in rest for word in title.split())
        firsts.add(words.split()[0])
    assert len(firsts) > 2


def test_typing_errors_are_in_their_share_of_the_texts(examples: Examples, config: TrainConfig) -> None:
    """A text with them has as many words as before."""
    whole = item_text(examples, 0)
    mistyped = [text for text, sound in corrupted(examples, config, typing_errors=0.9) if not sound]
    assert len(mistyped) > 100
    assert all(text != whole and len(text.split()) == len(whole.split()) for text in mistyped)


def test_texts_without_labels_are_never_corrupted(examples: Examples, config: TrainConfig) -> None:
    """What is to be predicted from a text is predicted from a sound one."""
    without = item_text(examples, 0, frozenset({"genres"}))
    found = corrupted(examples, config, hide_labels=0.5, stray_words=0.9, typing_errors=0.9)
    assert {text for text, _ in found if "genres" not in text} == {without}
    assert any(text not in (without, item_text(examples, 0)) for text, _ in found)
