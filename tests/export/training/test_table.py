from __future__ import annotations

import torch
from transformers import BertConfig

from emberline.export.model import ItemTower, ModelConfig
from emberline.export.training.bank import Bank
from emberline.export.training.table import ItemTable, remember


def _tower(memory: int) -> ItemTower:
    encoder = {"hidden_size": 8, **BertConfig(hidden_size=8, num_attention_heads=2).to_diff_dict()}
    return ItemTower(ModelConfig(encoder, ("a",), ("a",), (1.0, 5.0), dimensions=3, memory=memory))


def _bank(count: int) -> Bank:
    vectors = torch.nn.functional.normalize(torch.randn(count, 8), dim=1)
    return Bank(vectors, vectors, vectors)


def test_rebasing_keeps_the_rows() -> None:
    """What texts say may change; an item's vector and bias stay."""
    table = ItemTable(4, 3)
    torch.nn.init.normal_(table.correction)
    before = table.rows()
    table.rebase(torch.randn(4, 4))
    torch.testing.assert_close(table.rows(), before)


def test_forgotten_items_are_their_text() -> None:
    """An item seen as if it were new has no correction, and gives none a gradient."""
    table = ItemTable(2, 3)
    torch.nn.init.normal_(table.correction)
    rows = table(torch.tensor([[True], [False]]))
    assert torch.equal(rows[0], table.text[0])
    rows.sum().backward()
    assert table.correction.grad is not None
    assert not table.correction.grad[0].any()
    assert table.correction.grad[1].all()


def test_a_remembered_item_is_placed_as_in_training() -> None:
    """The item tower gives a remembered item its row of the table, nearly exactly."""
    torch.manual_seed(0)
    tower, bank, table = _tower(5), _bank(5), ItemTable(5, 3)
    torch.nn.init.normal_(table.correction)
    remember(tower, bank, table, popularity=torch.arange(5.0).numpy())
    vector, bias = tower.rank(bank.items)
    torch.testing.assert_close(torch.cat([vector, bias[:, None]], dim=1), table.rows(), atol=0.1, rtol=0)


def test_a_new_item_is_placed_by_its_text() -> None:
    """Memory adds nothing to an item that is unlike all remembered ones."""
    torch.manual_seed(0)
    tower, bank, table = _tower(5), _bank(5), ItemTable(5, 3)
    torch.nn.init.normal_(table.correction)
    remember(tower, bank, table, popularity=torch.ones(5).numpy())
    new = -bank.items[:1]
    torch.testing.assert_close(tower.recall(new), torch.zeros(1, 4), atol=1e-4, rtol=0)


def test_the_most_popular_are_remembered() -> None:
    """With room for two of three, the two most popular items are."""
    tower, bank, table = _tower(2), _bank(3), ItemTable(3, 3)
    remember(tower, bank, table, popularity=torch.tensor([5.0, 1.0, 9.0]).numpy())
    assert torch.equal(tower.keys, bank.items[[0, 2]])
