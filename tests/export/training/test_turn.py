from __future__ import annotations

import pytest
import torch

from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.table import ItemTable
from emberline.export.training.turn import turn


@pytest.fixture
def model() -> Emberline:
    """A model with random weights."""
    torch.manual_seed(0)
    encoder = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = Emberline(ModelConfig(encoder, ("a",), ("a", "b"), (1.0, 5.0), ("year>1990",), dimensions=4, tower_width=8))
    for weights in model.parameters():
        torch.nn.init.normal_(weights)
    return model.eval()


def test_nothing_changes_but_the_axes(model: Emberline) -> None:
    """Scores, attributes, probabilities and ratings are those of before, and the item tower agrees with the table."""
    table = ItemTable(6, 4)
    torch.nn.init.normal_(table.vectors)
    h = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    length = torch.tensor([0.0, 1.0, 2.0, 3.0, 9.0])

    def ask() -> list[torch.Tensor]:
        item, bias, _ = model.item_tower(h)
        user, attributes = model.user_tower(table.vectors[:5], h, length)
        scores = model.similarity(user, item, bias)
        return [scores, user @ table.vectors.T, attributes, *model.match(user, item, bias)]

    with torch.no_grad():
        before = ask()
        turn(model, table, torch.randn(7, 4))
        for found, wanted in zip(ask(), before, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_the_first_numbers_tell_most(model: Emberline) -> None:
    """Users and items that differ in one direction only need one number afterwards."""
    direction = torch.tensor([1.0, -2.0, 0.5, 1.0])
    users = torch.randn(20, 1) * direction
    table = ItemTable(6, 4)
    with torch.no_grad():
        table.vectors.copy_(torch.randn(6, 1) * direction)
    turn(model, table, users)
    assert table.vectors[:, 0].abs().min() > 0
    torch.testing.assert_close(table.vectors[:, 1:].detach(), torch.zeros(6, 3), atol=1e-5, rtol=0)
