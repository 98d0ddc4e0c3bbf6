"""The user tower: a profile and a history to a user's vector."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .layers import Residual, linear

#: Size of the entries of a profile beside those of a history, which are about 1: smaller inputs are read with more
#: caution, since weights are decayed. Found on inner splits of MovieLens-100K.
PROFILE: Final = 0.25


class UserTower(nn.Module):
    """A user's vector and the attributes that their next likes will probably have.

    A user is read by the items' own vectors, not by those of their texts: what is known of an item by its interactions
    then also tells what liking it means.
    """

    centre: Tensor
    spread: Tensor
    strength: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.hidden, self.trained, self.matched = config.hidden, config.trained, config.matched
        self.body = Residual(config.trained + config.hidden + 1, config.tower_width, config.trained)
        self.attributes = linear(config.trained, len(config.user_labels))
        # Items' vectors are about √τ long.
        self.scale = math.sqrt(config.trained / config.temperature)
        # Profiles are near each other; what tells them apart is what is left without their mean.
        self.register_buffer("centre", torch.zeros(config.hidden))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("strength", torch.ones(()))  # of the factors that a history folds to

    @torch.no_grad()
    def settle(self, profiles: Tensor) -> None:
        """Centre and scale the profiles: of the given ones, (p, H), entries are `PROFILE` in size afterwards."""
        known = profiles[profiles.any(dim=-1)]
        if len(known):
            self.centre.copy_(known.mean(dim=0))
            deviation = (known - self.centre).pow(2).mean().sqrt()
            self.spread.copy_(PROFILE / deviation.clamp(min=1e-3))

    def inputs(self, history: Tensor, profile: Tensor, history_length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the body reads of history (B, T), profile (B, H + W) and length (B, 1); see `forward`.

        The mean is scaled with the root of the length: likes add up, but each says less than the one before.
        """
        length = history_length.unsqueeze(-1)
        profile = self.deep(profile)
        there = profile.pow(2).sum(dim=-1, keepdim=True)  # 1, or 0 without a profile
        return self.scale * history * length.sqrt(), (profile - self.centre * there) * self.spread, torch.log1p(length)

    def deep(self, profile: Tensor) -> Tensor:
        """The encoder's vector (B, H), of unit length, of (B, H + W): the wide part knows nothing of profiles."""
        if profile.shape[-1] == self.hidden:
            return profile
        profile = profile[:, : self.hidden]
        return profile / profile.pow(2).sum(dim=-1, keepdim=True).clamp(min=1e-12).sqrt()

    def forward(self, history: Tensor, profile: Tensor, history_length: Tensor) -> tuple[Tensor, Tensor]:
        """Give `user_embedding` (B, D) and the logits of `user_attributes` (B, C).

        Args:
            history: (B, D) of the liked items' `item_embedding`, as `pool` has it; zeros without any.
            profile: (B, H + W) sentence embedding of the profile text; zeros without one.
            history_length: (B,) float32, how many liked items there are.
        """
        user, attributes = self.read(*self.inputs(history[:, : self.trained], profile, history_length))
        if self.matched > self.trained:
            folded = self.strength * history[:, self.matched :]
            user = torch.cat([user, folded, torch.zeros_like(folded)], dim=-1)
        return user, attributes

    def read(self, history: Tensor, profile: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """The part of a user's vector that is trained, (B, T), and the attributes, of what `inputs` gives."""
        user = self.body(torch.cat([history, profile, length], dim=-1))  # (B, T)
        return user, self.attributes(user)
