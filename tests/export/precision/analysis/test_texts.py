from __future__ import annotations

import pytest

from emberline.export.precision.analysis.texts import calibration_texts

OWN = [f"title: Film {index}" for index in range(2000)]
VOCABULARY = ["[CLS]", "##s", "film", "night", "king", "7"]


def test_mostly_the_datas_own_texts() -> None:
    """The texts are a bounded sample of the data set, some joined texts and some of random words."""
    texts = calibration_texts(OWN, VOCABULARY)
    own = [text for text in texts if text in OWN]
    assert len(own) == len(set(own)) == 1024
    assert len(texts) - len(own) == pytest.approx(100, abs=20)
    assert any(text.count("title: ") > 5 for text in texts)
    words = {word for text in texts if "title" not in text for word in text.split()}
    assert words == {"film", "night", "king"}


def test_the_same_every_time() -> None:
    """Two exports of a run calibrate on the same texts, whatever the order of the vocabulary."""
    assert calibration_texts(OWN, VOCABULARY) == calibration_texts(OWN, VOCABULARY[::-1])


def test_little_data_is_enough() -> None:
    """One text, and a tokenizer without words, still give something to read."""
    texts = calibration_texts(["title: Alien"], ["[CLS]", "7"])
    assert texts[0] == "title: Alien"
    assert all(texts)
