"""The losses of the three tasks, each a mean over what it is about."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def ranking(scores: Tensor, known: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    """Softmax over the candidates, for every liked item in turn; what is known is no candidate.

    A user's likes count by their share of the batch's likes per user, as in a multinomial likelihood (Liang et al.,
    "Variational Autoencoders for Collaborative Filtering", WWW 2018): users who like much say more.

    Args:
        scores: (B, C).
        known: rows and columns of what is known to be liked, which is neither right nor wrong.
        target: rows and columns of what is liked.
    """
    masked = scores.index_put(known, scores.new_full((), -1e4))
    return -functional.log_softmax(masked, dim=1)[target].mean()


def alignment(item_embedding: Tensor, factors: Tensor) -> Tensor:
    """1 − the cosine with the teacher's factors, over the items that the teacher knows.

    Args:
        item_embedding: (C, D).
        factors: (C, D), of unit length, or zeros where the teacher knows nothing.
    """
    known = factors.pow(2).sum(-1) > 0  # (C,)
    gap = 1 - functional.cosine_similarity(item_embedding, factors, dim=-1)  # (C,)
    return (gap * known).sum() / known.sum().clamp(min=1)


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
    return functional.binary_cross_entropy_with_logits(logits, liked)


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
