"""The whole model, and its files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig

from emberline.engine.errors import DataError

from .config import ModelConfig
from .encoder import TextEncoder
from .items import ItemTower
from .match import MatchHead
from .users import UserTower

#: The files of a saved model.
WEIGHTS: Final = "weights.safetensors"
CONFIG: Final = "model.json"


class Emberline(nn.Module):
    """The whole model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = TextEncoder(BertConfig(**config.encoder))
        self.item_tower = ItemTower(config)
        self.user_tower = UserTower(config)
        self.match = MatchHead(config)

    def similarity(self, user_embedding: Tensor, item_embedding: Tensor, item_bias: Tensor) -> Tensor:
        """The ranking score ``s(u, i) = z_u·z_i / τ + b_i`` of every user with every item.

        Args:
            user_embedding: (U, D).
            item_embedding: (I, D).
            item_bias: (I,).

        Returns:
            (U, I).
        """
        return user_embedding @ item_embedding.T / self.config.temperature + item_bias

    def save(self, folder: Path) -> None:
        """Write the weights and what they fit into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Emberline:
        """Read a model that `save` wrote, in evaluation mode.

        Raises:
            DataError: the folder holds no such model.
        """
        try:
            raw = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            for name in ("item_labels", "user_labels", "item_limits", "rating_range"):
                raw[name] = tuple(raw[name])
            model = cls(ModelConfig(**raw))
            model.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise DataError(f"{folder} holds no trained model ({error}); train one with `emberline train`") from error
        return model.eval()
