from pathlib import Path

import numpy as np
import pytest

from emberline.engine.bundle import Bundle
from emberline.engine.scoring.heads import Heads


@pytest.fixture(scope="module")
def heads(tiny_bundle: Path) -> Heads:
    """The tiny bundle's towers and match head."""
    return Heads(Bundle.open(tiny_bundle))


def _random(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def test_the_item_tower_gives_each_item_its_own(heads: Heads) -> None:
    """An item's vector, bias and labels are the same alone and among others."""
    embeddings = _random(3, 16)
    together = heads.item(embeddings)
    assert [array.shape for array in together] == [(3, 8), (3,), (3, 3)]
    alone = heads.item(embeddings[1:2])
    for many, single in zip(together, alone, strict=True):
        assert many[1] == pytest.approx(single[0], abs=1e-6)


def test_the_user_tower_reads_history_profile_and_length(heads: Heads) -> None:
    """Each of its three inputs makes a difference."""
    history, profile, length = _random(1, 8), _random(1, 16) * 2, np.array([3], np.float32)
    base = heads.user(history, profile, length).embedding
    for changed in (
        heads.user(history * 0, profile, length),
        heads.user(history, profile * 0, length),
        heads.user(history, profile, length + 5),
    ):
        assert not np.allclose(base, changed.embedding)


def test_the_match_head_compares_one_user_with_many_items(heads: Heads) -> None:
    """Probabilities and ratings come in the items' order."""
    user, items, biases = _random(8), _random(4, 8), _random(4)
    match = heads.match(user, items, biases)
    expected = 1 / (1 + np.exp(-(items @ user + biases)))
    assert match.probability == pytest.approx(expected, abs=1e-5)
    assert match.rating == pytest.approx(1 + 4 * expected, abs=1e-5)
