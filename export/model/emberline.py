"""The whole model, and its files."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig

from emberline.engine.bundle import sha256
from emberline.engine.errors import DataError

from .config import ModelConfig
from .encoder import TextEncoder
from .encoder_files import ENCODER, read_encoder, write_encoder
from .items import ItemTower
from .match import MatchHead
from .users import UserTower
from .words import WordRows

#: The files of a saved model, besides those of its encoder.
WEIGHTS: Final = "weights.safetensors"
CONFIG: Final = "model.json"
_ENCODER: Final = ("encoder.bert.", "encoder.distances.")


class Emberline(nn.Module):
    """The whole model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = TextEncoder(BertConfig(**config.encoder))
        self.encoder.words = word_rows(config)
        self.item_tower = ItemTower(config)
        self.user_tower = UserTower(config)
        self.match = MatchHead(config)

    def widen(self, words: WordRows, scale: float) -> None:
        """Give the encoder a wide part.

        Args:
            words: what it is; its rows are divided by the scale.
            scale: see `ModelConfig.word_scale`.
        """
        places, rows = len(words.pairs), words.row_embeddings.num_embeddings
        self.config = replace(
            self.config, word_pieces=words.count - 1, word_places=places, word_rows=rows, word_scale=scale
        )
        self.encoder.words = words
        with torch.no_grad():
            words.row_embeddings.weight[:, :-1] /= scale
        tower = self.item_tower
        tower.wide, tower.word_scale = self.config.wide, scale
        tower.keys = tower.keys.new_zeros(len(tower.keys), self.config.embedding)

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
        """Write the weights and what they fit into a folder.

        The encoder's lie in files of their own, as transformers has them, and their SHA-256 with the others: these
        identify the model.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_encoder(self.encoder, self.config.encoder, folder)
        rest = {name: value.contiguous() for name, value in self.state_dict().items() if not name.startswith(_ENCODER)}
        save_file(rest, folder / WEIGHTS, {ENCODER: sha256(folder / ENCODER)})
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
            encoder = {f"encoder.{name}": value for name, value in read_encoder(model.encoder, folder).items()}
            model.load_state_dict(load_file(folder / WEIGHTS) | encoder)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise DataError(f"{folder} holds no trained model ({error}); train one with `emberline train`") from error
        return model.eval()


def word_rows(config: ModelConfig) -> WordRows | None:
    """The wide part that a model's shape has room for; None: it has none."""
    if not config.wide:
        return None
    vocabulary = int(config.encoder["vocab_size"])
    return WordRows(vocabulary, config.word_pieces, config.word_places, config.word_rows, config.wide)
