"""What a report answers first."""

from __future__ import annotations

import copy

from emberline.bench.harness.measurements import Measurements
from emberline.bench.report.views.answers import answers


def test_int8_ships_where_no_loss_is_measured(latency_result, recall_result):
    """Its interval holds PyTorch's quality in every scenario, and its gate passed."""
    shipping, *_ = answers({"latency": latency_result(), "recall": recall_result}).blocks
    assert shipping.startswith("**Ship int8? Yes.** No loss of ranking quality was measured in any of 2 scenarios")


def test_the_verdict_of_training_says_what_the_model_is_worth(latency_result):
    """Each kind of newcomers has its answer: yes or no by an interval without 0 %, else not measurably."""
    worth, figures, *_ = answers({"latency": latency_result()}).blocks
    assert worth == (
        "**Is the model better than a simple baseline?** New items: **yes**; new users, 0 known: **not measurably**; "
        "new users, 5 known: **no**."
    )
    first = [(cell.text, cell.detail) for cell in figures.rows[0]]
    assert first == [
        ("new items", ""),
        ("0.114", ""),
        ("0.100", "words, ridge to ALS"),
        ("+14%", "+10% to +18%"),
        ("1,200", ""),
    ]


def test_data_too_small_for_a_verdict_is_said(latency_result):
    """Without a comparison nothing is claimed; results of before have none and say nothing."""
    small = copy.deepcopy(latency_result())
    small["bundle"]["verdicts"] = []
    assert "**Nobody can tell**" in answers({"latency": small}).blocks[0]
    del small["bundle"]["verdicts"], small["bundle"]["unknown_tokens"]
    assert answers({"latency": small}) is None


def test_texts_that_the_encoder_cannot_read_are_said(latency_result):
    """The share of unknown tokens is on the page, with the remedy where it is large."""
    assert "**Does the encoder read the texts? Yes.** Of their tokens, 0.4% are unknown to it." in (
        answers({"latency": latency_result()}).blocks
    )
    chinese = copy.deepcopy(latency_result())
    chinese["bundle"]["unknown_tokens"] = 0.81
    said = answers({"latency": chinese}).blocks[2]
    assert said.startswith("**Does the encoder read the texts? No.** Of their tokens, 81.0% are unknown to it, and ")
    assert "multilingual" in said


def test_a_measured_loss_and_a_failed_gate_are_said(latency_result, recall_result):
    """What int8 costs is named with its scenario; a gate that rejects it decides."""
    lossy = copy.deepcopy(recall_result)
    for one in lossy["rankings"]:
        if one["precision"] == "int8" and one["kind"] == "precision":
            one["ndcg_kept"] |= {"estimate": 0.93, "low": 0.9, "high": 0.96}
    said = answers({"recall": lossy}).blocks[0]
    assert said.startswith("**Ship int8? Only if you can spare what it costs.**")
    assert "NDCG@10 (item cold) is 93.0% of PyTorch fp32's, at most 96.0%" in said
    failed = latency_result()
    for one in failed["variants"]:
        if one["precision"] == "int8":
            one["gate"] = "failed"
    assert answers({"latency": failed, "recall": lossy}).blocks[0].startswith("**Ship int8? No.**")


def test_a_quick_run_says_so(latency_result):
    """Its figures are not for publishing."""
    quick = copy.deepcopy(latency_result())
    quick["environment"]["command_line"] += " --quick"
    assert answers({"latency": quick}).blocks[-1].startswith("**This is a quick run** (latency)")


def test_results_that_answer_nothing_have_no_answers():
    """A report of other results begins with its tables."""
    assert answers({}) is None


def test_few_requests_have_no_tail():
    """Of four requests the slowest is p90 and p99 at once, which says nothing of either."""
    measured = Measurements()
    measured.add("few", "one", {"p50": 1.0, "p90": 3.0, "p99": 3.0})
    measured.add("many", "one", {"p50": 1.0, "p90": 3.0, "p99": 4.0})
    assert not measured.has_tail("few", "one")
    assert measured.has_tail("many", "one")
