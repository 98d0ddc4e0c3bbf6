from __future__ import annotations

import math

import pytest
import torch

from emberline.export.training import losses


def _pairs(*pairs: tuple[int, int]) -> losses.Pairs:
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    return torch.tensor(rows, dtype=torch.int64), torch.tensor(columns, dtype=torch.int64)


ONES = torch.ones(3)


def test_ranking_is_the_softmax_over_what_is_not_known() -> None:
    """A known item takes no share: with two of three left and equal scores, the loss is log 2."""
    shares = losses.log_shares(torch.zeros(1, 3), _pairs((0, 0)))
    assert losses.ranking(shares, _pairs((0, 1)), ONES).item() == pytest.approx(math.log(2))


def test_ranking_without_targets_is_nothing() -> None:
    """A step whose new items nobody likes has no ranking loss of them."""
    assert losses.ranking(losses.log_shares(torch.zeros(2, 3), _pairs()), _pairs(), ONES).item() == 0


def test_a_like_counts_by_its_weight() -> None:
    """The loss is the weighted mean over the likes."""
    shares = losses.log_shares(torch.tensor([[0.0, 1.0, 2.0]]), _pairs())
    loss = losses.ranking(shares, _pairs((0, 0), (0, 2)), torch.tensor([3.0, 1.0, 1.0]))
    assert loss.item() == pytest.approx(-(3 * shares[0, 0] + shares[0, 2]).item() / 4)


def test_a_known_item_has_no_gradient() -> None:
    """A masked score is pushed neither up nor down."""
    scores = torch.zeros(1, 3, requires_grad=True)
    losses.ranking(losses.log_shares(scores, _pairs((0, 0))), _pairs((0, 1)), ONES).backward()
    assert scores.grad is not None
    assert scores.grad[0, 0] == 0
    assert scores.grad[0, 1] < 0 < scores.grad[0, 2]


def test_alignment_leaves_out_what_is_not_known() -> None:
    """It is the mean over the items that there is something to be met of, in units of the scale."""
    difference = torch.tensor([[1.0, 1.0], [9.0, 9.0]])
    assert losses.alignment(difference, torch.tensor([1.0, 0.0]), scale=4.0).item() == pytest.approx(0.5)
    assert losses.alignment(difference, torch.zeros(2), scale=4.0).item() == 0


def test_the_prior_is_met_by_those_without_a_history() -> None:
    """The loss is the cross-entropy of the users who are asked, as a share of all, and 0 without any."""
    shares = losses.log_shares(torch.zeros(2, 2), _pairs())
    asked = torch.tensor([True, False])
    assert losses.prior(shares, torch.tensor([[0.3, 0.7]]), asked).item() == pytest.approx(math.log(2) / 2)
    assert losses.prior(shares, torch.empty(0, 2), ~asked & asked).item() == 0


def test_rating_leaves_out_what_has_none() -> None:
    """The rating loss is in units of the span and ignores pairs without a rating."""
    loss = losses.rating(torch.tensor([3.0, 1.0]), torch.tensor([5.0, float("nan")]), span=4.0)
    assert loss.item() == pytest.approx(0.25)


def test_rating_of_nothing_has_a_finite_gradient() -> None:
    """No rating at all gives no loss and no NaN gradient."""
    predicted = torch.zeros(2, requires_grad=True)
    loss = losses.rating(predicted, torch.full((2,), float("nan")), span=4.0)
    loss.backward()
    assert loss.item() == 0
    assert predicted.grad is not None
    assert torch.equal(predicted.grad, torch.zeros(2))


def test_behaviour_of_no_pairs_is_nothing() -> None:
    """A batch in which nothing is asked has no behaviour loss, rather than NaN."""
    assert losses.behaviour(torch.zeros(0), torch.zeros(0)).item() == 0


def test_attributes_sum_over_labels() -> None:
    """An undecided prediction costs log 2 for each label."""
    assert losses.attributes(torch.zeros(4, 3), torch.ones(4, 3)).item() == pytest.approx(3 * math.log(2))


def test_behaviour_is_the_mean_over_pairs() -> None:
    """Two undecided predictions cost log 2, as one does; sure ones cost what they are wrong by."""
    assert losses.behaviour(torch.zeros(2), torch.tensor([1.0, 0.0])).item() == pytest.approx(math.log(2))
    wrong = losses.behaviour(torch.tensor([3.0]), torch.tensor([0.0])).item()
    assert wrong == pytest.approx(math.log(1 + math.exp(3.0)))


def test_the_rating_loss_is_the_mean_over_rated_pairs() -> None:
    """Of two rated pairs, off by a half and by all of the span, it is the mean of the squares."""
    actual = torch.tensor([5.0, 1.0, float("nan")])
    loss = losses.rating(torch.tensor([3.0, 5.0, 1.0]), actual, span=4.0)
    assert loss.item() == pytest.approx((0.25 + 1.0) / 2)


def test_attributes_are_a_mean_over_items() -> None:
    """One item of two that is predicted for sure halves the loss."""
    logits = torch.tensor([[0.0, 0.0], [50.0, -50.0]])
    assert losses.attributes(logits, torch.tensor([[1.0, 0.0]] * 2)).item() == pytest.approx(math.log(2))


def test_alignment_is_a_mean_over_known_items() -> None:
    """Squared distances of 2 and 6 in units of 4 are 0.5 and 1.5."""
    difference = torch.tensor([[1.0, 1.0], [1.0, -(5.0**0.5)]])
    assert losses.alignment(difference, torch.ones(2), scale=4.0).item() == pytest.approx(1.0)
