"""The model: one BERT encoder under two small towers and a match head.

Only the encoder is large, and only the encoder is quantised. Everything above it reads `sentence_embedding`, so an item
or a user that was never seen in training differs from the others in nothing.

Shapes: B texts, users or items; L tokens; H the encoder's width; D the towers' width; A item labels; C user labels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedModel
from transformers.utils import ModelOutput

from emberline.engine.errors import DataError

#: The files of a saved model.
WEIGHTS: Final = "weights.safetensors"
CONFIG: Final = "model.json"

#: How much a label, and a limit of a number that is passed, counts beside the sentence embedding, of unit length,
#: where an item is placed by its text. Found on inner splits of MovieLens-100K, as the next one.
LABEL: Final = 0.3
LIMIT: Final = 0.5
#: Size of the entries of a profile beside those of a history, which are about 1: smaller inputs are read with more
#: caution, since weights are decayed.
PROFILE: Final = 0.25


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What the model's shape depends on; the weights fit only this.

    Attributes:
        encoder: the fields of a `transformers.BertConfig`.
        item_labels: what the columns of `item_attributes` stand for, as ``field=value``.
        user_labels: likewise for `user_attributes`.
        item_limits: what the item tower tells of an item's numbers, as ``field>limit``; not among its outputs.
        rating_range: lowest and highest rating; equal if the data has none.
        dimensions: D.
        tower_width: width of the towers' and the match head's hidden layer.
        temperature: τ of ``s(u, i) = z_u·z_i / τ + b_i``.
        max_length: tokens a text; longer ones are cut.
        memory: M, how many items of training the item tower remembers.
        nearness: the cosine at which an item is as much a remembered one as a new one. Above that of different items,
            of which an encoder that learnt what matters puts many close together; below that of the same text through
            an encoder in another precision.
        sharpness: how quickly memory fades below that cosine.
    """

    encoder: Mapping[str, Any]
    item_labels: tuple[str, ...]
    user_labels: tuple[str, ...]
    rating_range: tuple[float, float]
    item_limits: tuple[str, ...] = ()
    dimensions: int = 64
    tower_width: int = 256
    temperature: float = 8.0
    max_length: int = 128
    memory: int = 0
    nearness: float = 0.995
    sharpness: float = 1000.0

    @property
    def hidden(self) -> int:
        """H, the width of `sentence_embedding`."""
        return int(self.encoder["hidden_size"])


@dataclass
class TextEncoding(ModelOutput):  # type: ignore[misc]  # transformers has no types that mypy can follow
    """What the encoder gives.

    Attributes:
        sentence_embedding: (B, H), of unit length.
    """

    sentence_embedding: Tensor | None = None


class TextEncoder(PreTrainedModel):  # type: ignore[misc]  # transformers has no types that mypy can follow
    """BERT, the mean over the tokens that are not padding, unit length."""

    config_class = BertConfig
    base_model_prefix = "bert"
    _supports_sdpa = True

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TextEncoding:
        """Encode token ids.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64, 1 for a token and 0 for padding.
        """
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, L, H)
        mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (B, L, 1)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1.0)  # (B, H)
        # Not F.normalize: it leaves the output without a static width in the ONNX graph.
        norm = mean.pow(2).sum(-1, keepdim=True).clamp(min=1e-12).sqrt()
        return TextEncoding(sentence_embedding=mean / norm)


class ItemTower(nn.Module):
    """An item's vector, its bias (how popular it is likely to be) and its attributes, all from `sentence_embedding`.

    What the text alone says is linear in `sentence_embedding` and in the attributes that are predicted from it: few
    items are trained on, and of what they are, not how their text is put, most of their likes depend. Training also
    leaves a memory: for the items that many users met, what their interactions say beyond their text. It is recalled by
    nearness, so an item whose text is none of the remembered ones, a new item, is placed by its text alone, and a
    remembered one is placed as if by its id.
    """

    keys: Tensor
    values: Tensor
    emphasis: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dimensions = config.dimensions
        self.labels = len(config.item_labels)
        self.nearness, self.sharpness = config.nearness, config.sharpness
        described = self.labels + len(config.item_limits)
        self.text = nn.Linear(config.hidden, config.dimensions + 1)
        self.described = _linear_from(described, config.dimensions + 1)
        emphasis = [LABEL] * self.labels + [LIMIT] * len(config.item_limits)
        self.register_buffer("emphasis", torch.tensor(emphasis), persistent=False)
        self.scale = math.sqrt(config.hidden)
        self.attributes = _Residual(config.hidden, config.tower_width, described)
        self.register_buffer("keys", torch.zeros(config.memory, config.hidden))
        self.register_buffer("values", torch.zeros(config.memory, config.dimensions + 1))

    def recall(self, sentence_embedding: Tensor) -> Tensor:
        """What the memory adds to what the text says, (B, D + 1): about nothing for an item that is not remembered.

        A softmax over the cosines with the M remembered items, with one place more for "none of them".

        Args:
            sentence_embedding: (B, H), of unit length.
        """
        near = self.sharpness * (sentence_embedding @ self.keys.T - self.nearness)  # (B, M)
        weights = torch.softmax(torch.cat([near, torch.zeros_like(near[:, :1])], dim=-1), dim=-1)  # (B, M + 1)
        return weights[:, :-1] @ self.values

    def describe(self, sentence_embedding: Tensor) -> Tensor:
        """The logits of `item_attributes` and, after them, of the limits, (B, A + N), of (B, H)."""
        logits: Tensor = self.attributes(sentence_embedding * self.scale)
        return logits

    def read(self, sentence_embedding: Tensor, told: Tensor | None = None) -> Tensor:
        """Vector and bias by what the text alone says, (B, D + 1).

        Args:
            sentence_embedding: (B, H).
            told: (B, A + N) which labels the item has and which limits it passes, from 0 to 1; None: as predicted.
        """
        if told is None:
            told = self.describe(sentence_embedding).sigmoid()
        placed: Tensor = self.text(sentence_embedding) + self.described(self.emphasis * told)
        return placed

    def rank(self, sentence_embedding: Tensor, told: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Give `item_embedding` (B, D) and `item_bias` (B,), what ranking needs; for the arguments see `read`."""
        both = self.read(sentence_embedding, told)  # (B, D + 1)
        if len(self.keys):
            both = both + self.recall(sentence_embedding)
        return both[:, : self.dimensions], both[:, self.dimensions]

    def forward(self, sentence_embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give `item_embedding` (B, D), `item_bias` (B,) and the logits of `item_attributes` (B, A).

        Args:
            sentence_embedding: (B, H).
        """
        logits = self.describe(sentence_embedding)
        vector, bias = self.rank(sentence_embedding, logits.sigmoid())
        return vector, bias, logits[:, : self.labels]


class UserTower(nn.Module):
    """A user's vector and the attributes that their next likes will probably have.

    A user is read by the items' own vectors, not by those of their texts: what is known of an item by its interactions
    then also tells what liking it means.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.body = _Residual(config.dimensions + config.hidden + 1, config.tower_width, config.dimensions)
        self.attributes = _linear(config.dimensions, len(config.user_labels))
        # Items' vectors are about √τ long.
        self.scale = math.sqrt(config.dimensions / config.temperature)
        # Profiles are near each other; what tells them apart is what is left without their mean.
        self.register_buffer("centre", torch.zeros(config.hidden))
        self.register_buffer("spread", torch.ones(()))

    @torch.no_grad()
    def settle(self, profiles: Tensor) -> None:
        """Centre and scale the profiles: of the given ones, (p, H), entries are `PROFILE` in size afterwards."""
        told = profiles[profiles.any(dim=-1)]
        if len(told):
            self.centre.copy_(told.mean(dim=0))
            deviation = (told - self.centre).pow(2).mean().sqrt()
            self.spread.copy_(PROFILE / deviation.clamp(min=1e-3))

    def inputs(self, history: Tensor, profile: Tensor, history_length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the body reads of history (B, D), profile (B, H) and length (B, 1); see `forward`.

        The mean is scaled with the root of the length: likes add up, but each says less than the one before.
        """
        length = history_length.unsqueeze(-1)
        there = profile.pow(2).sum(dim=-1, keepdim=True)  # 1, or 0 without a profile
        return self.scale * history * length.sqrt(), (profile - self.centre * there) * self.spread, torch.log1p(length)

    def forward(self, history: Tensor, profile: Tensor, history_length: Tensor) -> tuple[Tensor, Tensor]:
        """Give `user_embedding` (B, D) and the logits of `user_attributes` (B, C).

        Args:
            history: (B, D) mean of the liked items' `item_embedding`; zeros without any.
            profile: (B, H) sentence embedding of the profile text; zeros without one.
            history_length: (B,) float32, how many liked items there are.
        """
        return self.read(*self.inputs(history, profile, history_length))

    def read(self, history: Tensor, profile: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, of what `inputs` gives."""
        user = self.body(torch.cat([history, profile, length], dim=-1))  # (B, D)
        return user, self.attributes(user)


class MatchHead(nn.Module):
    """Whether a user will like an item, calibrated, and how they will rate it."""

    axes: Tensor
    curve: Tensor
    popularity: Tensor
    reach: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.low, self.high = config.rating_range
        self.body = nn.Sequential(
            nn.Linear(4 * config.dimensions + 2, config.tower_width), nn.GELU(), nn.Linear(config.tower_width, 2)
        )
        # Products of single numbers depend on the axes; the head keeps those that it was trained with.
        self.register_buffer("axes", torch.eye(config.dimensions))
        # Fitted on validation rows after training, as Platt's scaling is: polynomials of the network's logit, from
        # degree 0 up, and of the item's bias, from degree 1 up; and the values within which they were fitted.
        self.register_buffer("curve", torch.tensor([0.0, 1.0, 0.0, 0.0]))
        self.register_buffer("popularity", torch.zeros(2))
        self.register_buffer("reach", torch.tensor([[-1e4, 1e4], [-1e4, 1e4]]))

    def calibrated(self, logit: Tensor, item_bias: Tensor) -> Tensor:
        """The logits (B,) of probabilities, of those that the network gives and the items' biases (B,)."""
        within = logit.clamp(self.reach[0, 0], self.reach[0, 1])
        bias = item_bias.clamp(self.reach[1, 0], self.reach[1, 1])
        c0, c1, c2, c3 = self.curve
        b1, b2 = self.popularity
        curved = c0 + within * (c1 + within * (c2 + within * c3)) + bias * (b1 + bias * b2)
        # Beyond, the curve goes straight on: what the network tells apart stays apart.
        found: Tensor = curved + c1 * (logit - within)
        return found

    def forward(self, user_embedding: Tensor, item_embedding: Tensor, item_bias: Tensor) -> tuple[Tensor, Tensor]:
        """Give the logit of `probability` (B,) and `rating` (B,) of B pairs.

        Args:
            user_embedding: (B, D).
            item_embedding: (B, D).
            item_bias: (B,).
        """
        user, item = user_embedding @ self.axes.T, item_embedding @ self.axes.T  # (B, D)
        product = user * item
        similarity = product.sum(-1) / self.temperature + item_bias  # (B,)
        features = [user, item, (user - item).abs(), product]
        out = self.body(torch.cat([*features, item_bias.unsqueeze(-1), similarity.unsqueeze(-1)], dim=-1))  # (B, 2)
        rating = self.low + (self.high - self.low) * torch.sigmoid(out[:, 1])
        return self.calibrated(out[:, 0], item_bias), rating


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


class _Residual(nn.Module):
    """A linear map plus a correction by one hidden layer; the correction starts at zero."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.linear = _linear(inputs, outputs)
        self.hidden = nn.Linear(inputs, width)
        self.drop = nn.Dropout(0.2)
        self.output = _linear(width, outputs, bias=False)
        with torch.no_grad():
            self.output.weight.zero_()

    def forward(self, inputs: Tensor) -> Tensor:
        correction: Tensor = self.output(self.drop(nn.functional.gelu(self.hidden(inputs))))
        linear: Tensor = self.linear(inputs)
        return linear + correction


def _linear_from(inputs: int, outputs: int) -> nn.Linear:
    """A linear map without bias that starts at zero, maybe from nothing."""
    linear = nn.Linear(max(1, inputs), outputs, bias=False)
    with torch.no_grad():
        linear.weight.zero_()
    if not inputs:
        linear.in_features = 0
        linear.weight = nn.Parameter(linear.weight.detach()[:, :0])
    return linear


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A linear map; data without labels has maps to nothing, which torch warns of when it initialises them."""
    linear = nn.Linear(inputs, max(1, outputs), bias=bias)
    if not outputs:
        linear.out_features = 0
        for name, weight in list(linear.named_parameters()):
            setattr(linear, name, nn.Parameter(weight.detach()[:0]))
    return linear
