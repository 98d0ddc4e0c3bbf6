"""The losses of the three tasks, each a mean over what it is about."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

#: Rows and columns of pairs of a user and a candidate.
Pairs = tuple[Tensor, Tensor]


def log_shares(scores: Tensor, known: Pairs) -> Tensor:
    """Log of the softmax over the candidates, (B, C).

    Args:
        scores: (B, C).
        known: what a user is known to like, which is no candidate for them.
    """
    return functional.log_softmax(scores.index_put(known, scores.new_full((), -1e4)), dim=1)


def ranking(shares: Tensor, target: Pairs, weights: Tensor) -> Tensor:
    """Multinomial likelihood of what is liked (Liang et al., "Variational Autoencoders for Collaborative Filtering",
    WWW 2018): a softmax over the candidates for every liked one in turn.

    Args:
        shares: (B, C), of `log_shares`.
        target: what is liked; without any, the loss is 0.
        weights: (C,) above 0, how much a like of each candidate counts.
    """
    counts = weights[target[1]]
    return -(shares[target] * counts).sum() / counts.sum().clamp(min=1e-9)


def alignment(difference: Tensor, known: Tensor, scale: float) -> Tensor:
    """Squared distance from what is to be met, in units of its variance.

    Args:
        difference: (B, D + 1) of what texts say from what they shall say.
        known: (B,) 1, or 0 for an item of which there is nothing to be met.
        scale: the variance of what is to be met, summed over D + 1.
    """
    return (difference.pow(2).sum(-1) * known).sum() / (scale * known.sum().clamp(min=1))


def prior(shares: Tensor, expected: Tensor, asked: Tensor) -> Tensor:
    """Cross-entropy between what is expected of users of whom only the profile is known, and what they are shown.

    Args:
        shares: (B, C), of `log_shares`.
        expected: (b, C) of those users.
        asked: (B,) which they are; the loss is 0 without any, and grows with their share of all.
    """
    return -(shares[asked] * expected).sum() / len(shares)


def attributes(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy, summed over the labels.

    Args:
        logits: (B, A).
        labels: (B, A), from 0 to 1.
    """
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(-1).mean()


def behaviour(logits: Tensor, liked: Tensor) -> Tensor:
    """Binary cross-entropy of P pairs.

    Args:
        logits: (P,).
        liked: (P,) 0 or 1.
    """
    return functional.binary_cross_entropy_with_logits(logits, liked, reduction="sum") / max(1, len(liked))


def rating(predicted: Tensor, actual: Tensor, span: float) -> Tensor:
    """Squared error in units of the scale's span, over the pairs that have a rating.

    Args:
        predicted: (P,).
        actual: (P,), NaN without one.
        span: highest − lowest rating.
    """
    known = ~torch.isnan(actual)
    error = (predicted - torch.where(known, actual, predicted)) / span
    return error.pow(2).sum() / known.sum().clamp(min=1)
