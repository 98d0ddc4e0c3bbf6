"""The match head: probability and rating of a user and an item."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ModelConfig


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
        self.trained = config.trained
        self.body = nn.Sequential(
            nn.Linear(4 * config.trained + 2, config.tower_width), nn.GELU(), nn.Linear(config.tower_width, 2)
        )
        # Products of single numbers depend on the axes; the head keeps those that it was trained with.
        self.register_buffer("axes", torch.eye(config.trained))
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
        """Give the logit of `probability` (B,) and `rating` (B,) of B pairs, by the numbers that are trained.

        Args:
            user_embedding: (B, D).
            item_embedding: (B, D).
            item_bias: (B,).
        """
        user, item = (vectors[:, : self.trained] @ self.axes.T for vectors in (user_embedding, item_embedding))
        product = user * item
        similarity = product.sum(-1) / self.temperature + item_bias  # (B,)
        features = [user, item, (user - item).abs(), product]
        out = self.body(torch.cat([*features, item_bias.unsqueeze(-1), similarity.unsqueeze(-1)], dim=-1))  # (B, 2)
        rating = self.low + (self.high - self.low) * torch.sigmoid(out[:, 1])
        return self.calibrated(out[:, 0], item_bias), rating
