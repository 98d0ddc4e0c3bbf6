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


def ranking(shares: Tensor, target: Pairs) -> Tensor:
    """Multinomial likelihood of what is liked (Liang et al., "Variational Autoencoders for Collaborative Filtering",
    WWW 2018): a softmax over the candidates for every liked one in turn.

    Args:
        shares: (B, C), of `log_shares`.
        target: what is liked; without any, the loss is 0.
    """
    return -shares[target].sum() / max(1, len(target[0]))


def alignment(item: Tensor, rows: Tensor, weights: Tensor, scale: float) -> Tensor:
    """Weighted squared distance from the rows to be met, in units of their variance.

    Args:
        item: (B, D + 1) vectors and biases from texts.
        rows: (B, D + 1).
        weights: (B,) 1 on average.
        scale: the rows' variance, summed over D + 1.
    """
    return ((item - rows).pow(2).sum(-1) * weights).mean() / scale


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
