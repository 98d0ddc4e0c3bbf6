"""Where a model stands."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from emberline.bench.coldstart.comparisons import MethodRatio
from emberline.bench.coldstart.standing import standing
from emberline.bench.harness.measurements import Measurements
from emberline.bench.report.page import markdown
from emberline.bench.report.views.standing import side_by_side


def _ratio(method: str, against: str, scenario: str, ratio: float, *, best: bool = True) -> MethodRatio:
    return MethodRatio(method, against, scenario, best, (ratio,), ratio, ratio - 0.1, None)


@pytest.fixture
def measured():
    """Two seeds of a model and two baselines."""
    found = Measurements()
    for value in (0.2, 0.4):
        found.add("item cold", "Emberline", {"ndcg@10": value})
        found.add("item cold", "kNN", {"ndcg@10": 0.25})
        found.add("one ranking", "Emberline", {"ndcg@10": value, "new_places@10": value / 2, "new_likes": 0.5})
        found.add("warm", "Emberline", {"ndcg@10": 0.1})
        found.add("warm", "EASE", {"ndcg@10": 0.2})
    return found


def test_a_row_is_beside_the_best_baseline_or_the_one_that_is_named(measured):
    """Rows that are lost are there; others than the best are not, but for known items, which are beside EASE."""
    found = standing(
        [
            _ratio("Emberline", "kNN", "item cold", 1.2),
            _ratio("Emberline", "BM25", "item cold", 1.5, best=False),
            _ratio("Emberline", "ALS", "warm", 0.4),
            _ratio("Emberline", "EASE", "warm", 0.5, best=False),
            _ratio("Emberline", "popularity", "user cold, 1 known", 0.9),
            _ratio("Emberline", "popularity", "user cold, 1 known, no profile", 0.9),
        ],
        measured,
    )
    assert [(one.measure, one.against, one.reached) for one in found] == [
        ("new items", "kNN", True),
        ("new items' share of the places / of the likes, by draw", "their share of the likes", False),
        ("new users, 1 like known", "popularity", False),
        ("known users and items / EASE", "EASE", False),
    ]
    assert (found[0].value, found[0].other) == (pytest.approx(0.3), 0.25)
    assert found[1].seeds == (pytest.approx(0.2), pytest.approx(0.4))
    assert found[1].ratio == pytest.approx(0.3)


def test_another_precision_is_beside_its_model(measured):
    """In the scenario in which it loses most; it has no rows beside baselines."""
    served = "Emberline, int8 served"
    found = standing(
        [
            _ratio("Emberline", "kNN", "item cold", 1.2),
            _ratio(served, "kNN", "item cold", 1.1),
            _ratio(served, "Emberline", "item cold", 0.995, best=False),
            _ratio(served, "Emberline", "warm", 0.97, best=False),
        ],
        measured,
    )
    (row,) = [one for one in found if one.method == served]
    assert (row.measure, row.scenario, row.ratio) == ("int8 / fp32, where it loses most", "warm", 0.97)
    assert not row.reached


def test_data_sets_stand_side_by_side(measured):
    """A column each, their mean with its own bound, a dash where nothing was measured; what is missed is bold."""

    def result(name, ratios):
        rows = standing([_ratio("Emberline", "kNN", *one) for one in ratios], measured)
        return {
            "settings": {"data_set": name, "seeds": [0, 1]},
            "standing": [asdict(one) for one in rows if "share" not in one.measure],
        }

    results = [
        result("films", [("item cold", 1.2), ("by time", 1.1)]),
        result("books", [("item cold", 1.02), ("user cold, 0 known", 1.08)]),
    ]
    text = markdown(side_by_side(results))
    lines = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    assert lines[0] == ["Ratio", "films", "books", "mean", "should be"]
    assert ["new items", "1.20", "**1.02**", "**1.11**", "≥ 1.05; mean 1.12"] in lines
    assert ["known and new items in one ranking, by time", "1.10", "–", "1.10", "≥ 1.05"] in lines
    assert ["new users, 0 likes known", "–", "1.08", "1.08", "≥ 1; mean 1.05"] in lines
