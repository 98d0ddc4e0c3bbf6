from __future__ import annotations

import pytest
import torch
from transformers import BertConfig

from emberline.export.model import ItemTower, ModelConfig
from emberline.export.training.bank import Bank
from emberline.export.training.table import ItemTable, remember


def _tower(memory: int) -> ItemTower:
    encoder = {"hidden_size": 8, **BertConfig(hidden_size=8, num_attention_heads=2).to_diff_dict()}
    return ItemTower(ModelConfig(encoder, ("a",), ("a",), (1.0, 5.0), dimensions=3, memory=memory)).eval()


def _bank(count: int) -> Bank:
    vectors = torch.nn.functional.normalize(torch.randn(count, 8), dim=1)
    return Bank(vectors, vectors, vectors)


def test_a_remembered_item_is_placed_as_in_training() -> None:
    """The item tower gives a remembered item its row of the table, nearly exactly."""
    torch.manual_seed(0)
    tower, bank, table = _tower(5), _bank(5), ItemTable(5, 3)
    torch.nn.init.normal_(table.vectors)
    remember(tower, bank, table, popularity=torch.arange(5.0).numpy())
    vector, bias = tower.rank(bank.items)
    torch.testing.assert_close(torch.cat([vector, bias[:, None]], dim=1), table().detach(), atol=0.1, rtol=0)


@pytest.mark.parametrize(("cosine", "share"), [(-1.0, 0.0), (0.98, 0.0), (0.999, 1.0)])
def test_only_the_same_text_is_remembered(cosine: float, share: float) -> None:
    """Memory adds nothing to a new item, however like another; all of it to a text that is only encoded otherwise.

    How new an item is, is the other share.
    """
    torch.manual_seed(0)
    tower, bank, table = _tower(5), _bank(5), ItemTable(5, 3)
    torch.nn.init.normal_(table.vectors)
    remember(tower, bank, table, popularity=torch.ones(5).numpy())
    known = bank.items[:1]
    aside = torch.nn.functional.normalize(bank.items[1:2] - bank.items[1:2] @ known.T * known)
    near = cosine * known + (1 - cosine**2) ** 0.5 * aside
    torch.testing.assert_close(tower.recall(near), share * tower.values[:1], atol=0.05, rtol=0)
    torch.testing.assert_close(tower.newness(near), torch.tensor([1.0 - share]), atol=0.05, rtol=0)


def test_the_most_popular_are_remembered() -> None:
    """With room for two of three, the two most popular items are."""
    tower, bank, table = _tower(2), _bank(3), ItemTable(3, 3)
    remember(tower, bank, table, popularity=torch.tensor([5.0, 1.0, 9.0]).numpy())
    assert torch.equal(tower.keys, bank.items[[0, 2]])
