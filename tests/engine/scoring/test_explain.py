from __future__ import annotations

from json import dumps

import numpy as np
import pytest

from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind
from emberline.engine.catalogue.rows import Rows, StagedRows
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.records import Floats, Reason
from emberline.engine.scoring.explain import explain

NAMES = ("Comedy", "Crime", "Drama", "Horror", "Sci-Fi", "War", "Western", "Film-Noir", "Musical", "Mystery")
LABELS = tuple(f"genres={name}" for name in NAMES)
#: Horror before Sci-Fi, Drama and Crime; War is among the least probable.
LIKES = np.array([0.3, 0.4, 0.5, 0.9, 0.8, 0.2, 0.1, 0.1, 0.1, 0.1], np.float32)


@pytest.fixture(params=VECTOR_KINDS)
def films(request: pytest.FixtureRequest) -> Snapshot:
    """Three films in each number format; the first two share labels, the last two are near each other."""
    kind: VectorKind = request.param
    documents = [
        {"genres": ["Horror", "Sci-Fi"]},
        {"genres": ["Sci-Fi", "Horror", "War"]},
        {"genres": ["Comedy"]},
    ]
    embeddings = StoredVectors.of(np.array([[2.0, 0.0], [3.0, 4.0], [0.0, 1.0]], np.float32), kind)
    ones = StoredVectors.of(np.ones((3, 1), np.float32), kind)
    ids = ["alien", "aliens", "airplane"]
    rows = Rows(2, 1, kind)
    batch = StagedRows(
        ids, [""] * 3, [dumps(entry) for entry in documents], embeddings, ones, np.ones(3, np.float32), np.zeros(3)
    )
    snapshot = rows.stage(rows.empty(), batch)
    rows.publish(snapshot)
    return snapshot


def reasons(films: Snapshot, rows: list[int], history: list[int], likes: Floats = LIKES) -> tuple[Reason, ...]:
    """The reasons for recommending the films to a user with this history and these probabilities."""
    labels = LABELS[: len(likes)]
    return explain(films, np.array(rows, np.int64), history, likes, user_labels=labels, label_fields=("genres",))


def test_the_nearest_liked_item_is_the_reason(films: Snapshot) -> None:
    """It is named with its cosine, whatever the vectors' lengths, and with the labels that it shares."""
    (reason,) = reasons(films, [1], [0, 2])
    assert reason.because_of == "airplane"
    assert reason.nearness == pytest.approx(0.8, abs=0.003)
    assert reason.shared_attributes == ()
    (reason,) = reasons(films, [1], [0])
    assert reason.because_of == "alien"
    assert reason.nearness == pytest.approx(0.6, abs=0.003)
    assert reason.shared_attributes == ("genres=Sci-Fi", "genres=Horror")


def test_predicted_likes_are_the_items_own_labels_among_the_most_probable(films: Snapshot) -> None:
    """Of the item's labels those are named that are among the user's likeliest third, the most probable first."""
    (reason,) = reasons(films, [1], [])
    assert reason == Reason("", 0.0, (), ("genres=Horror", "genres=Sci-Fi"))
    assert reasons(films, [2], [], LIKES[:3])[0].predicted_likes == ()


def test_predicted_likes_are_five_labels_at_most(films: Snapshot) -> None:
    """Of many labels not even a third is called likely."""
    labels = (*(f"actor={number}" for number in range(30)), "genres=War", *LABELS)
    likes = np.array([*[0.1] * 30, 0.2, *[0.9] * 5, *[0.0] * 5], np.float32)
    rows = np.array([1], np.int64)
    (reason,) = explain(films, rows, [], likes, user_labels=labels, label_fields=("genres",))
    assert reason.predicted_likes == ("genres=Horror", "genres=Sci-Fi")


def test_an_item_of_the_history_is_no_reason_for_itself(films: Snapshot) -> None:
    """Recommended again, an item is explained by another one of the history, or by none."""
    assert [reason.because_of for reason in reasons(films, [0, 0], [0])] == ["", ""]
    assert reasons(films, [0], [0, 1])[0].because_of == "aliens"


def test_a_model_without_labels_explains_by_the_history_alone(films: Snapshot) -> None:
    """Without predicted labels the nearest item is still named."""
    (reason,) = reasons(films, [1], [0], np.zeros(0, np.float32))
    assert (reason.because_of, reason.predicted_likes) == ("alien", ())


@pytest.mark.parametrize(("labels", "likely"), [(9, 3), (10, 4), (12, 4), (15, 5), (30, 5)])
def test_a_third_of_few_labels_is_likely_rounded_up(films: Snapshot, labels: int, likely: int) -> None:
    """Of nine labels three are called likely, of ten four, of fifteen and more five."""
    names = [f"genres={number}" for number in range(labels)]
    for place, counts in ((likely - 1, True), (likely, False)):
        names[place], replaced = "genres=Comedy", names[place]
        likes = np.linspace(0.9, 0.1, labels, dtype=np.float32)
        rows = np.array([2], np.int64)
        (reason,) = explain(films, rows, [], likes, user_labels=names, label_fields=("genres",))
        assert reason.predicted_likes == (("genres=Comedy",) if counts else ())
        names[place] = replaced
