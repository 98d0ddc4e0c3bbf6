"""The baselines that a model is compared with, by name, each with the settings to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations, product
from typing import Final

from .als import Als
from .baseline import Baseline
from .ease import Ease
from .groups import GroupPopularity
from .hybrid import LightFm
from .nearest import KNearest, MeanOfHistory
from .popular import LabelPopularity, Popularity, Random
from .query import ProfileText
from .ridge import RidgeToAls
from .spaces import AttributeSpace, Bm25, EncoderSpace, Space, TfIdf

LIGHTFM: Final = "LightFM"
LABELS: Final = "label popularity"
ATTRIBUTES: Final = "ridge to ALS, attributes"


@dataclass(frozen=True, slots=True)
class Contender:
    """A baseline and what is tried for it.

    Attributes:
        name: as it stands in tables and sentences.
        grid: its settings to choose from.
    """

    name: str
    grid: tuple[Baseline, ...]

    @property
    def reads_items(self) -> bool:
        """Whether what items say of themselves changes what it recommends."""
        return self.grid[0].reads_items


#: What a data set may lack, as baselines are left out for it.
NO_ATTRIBUTES: Final = "items have no attributes but free text"
NO_LABELS: Final = "items have no labels"


def contenders(
    groups: Sequence[str],
    texts: bool,
    seed: int,
    *,
    attributes: bool = True,
    labels: bool = True,
    tune: bool = True,
) -> tuple[tuple[Contender, ...], dict[str, str]]:
    """All baselines, and by name why others have to be left out.

    Args:
        groups: attributes that divide users into groups.
        texts: whether users have a text of their own, such as a question.
        seed: of those that draw something.
        attributes: whether items have attributes that are no free text.
        labels: whether items have labels.
        tune: whether there is something to choose from, or each has the first of its settings.
    """
    found = [
        Contender("random", (Random(seed),)),
        Contender("popularity", (Popularity(),)),
        Contender(LABELS, (LabelPopularity(),)),
        Contender("TF-IDF, mean of history", _means([TfIdf(True), TfIdf(False)])),
        Contender("TF-IDF, kNN", _neighbours([TfIdf(True)])),
        Contender("BM25, mean of history", _means([Bm25(k1, b) for k1, b in product((1.2, 0.5), (0.75, 0.3, 0.0))])),
        Contender("BM25, kNN", _neighbours([Bm25(1.2, 0.75)])),
        Contender("untouched encoder, mean of history", _means([EncoderSpace()])),
        Contender("untouched encoder, kNN", _neighbours([EncoderSpace()])),
        Contender(ATTRIBUTES, _ridges([AttributeSpace(10)], (10.0, 1.0, 100.0), seed)),
        Contender("ridge to ALS, TF-IDF", _ridges([TfIdf(True)], (1.0, 0.1, 0.3, 3.0), seed)),
        Contender("ridge to ALS, untouched encoder", _ridges([EncoderSpace()], (1.0, 0.03, 0.1, 0.3, 3.0, 10.0), seed)),
        Contender("ALS", tuple(_factors(seed))),
        Contender(
            "EASE", tuple(Ease(penalty) for penalty in (500.0, 100.0, 200.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0))
        ),
    ]
    left_out = {}
    for name, there, reason in ((ATTRIBUTES, attributes, NO_ATTRIBUTES), (LABELS, labels, NO_LABELS)):
        if not there:
            found = [one for one in found if one.name != name]
            left_out[name] = reason
    fields = [names for size in (2, 1, 3) for names in combinations(groups, size)]
    if fields:
        tried = tuple(GroupPopularity(names, prior) for names, prior in product(fields, (30.0, 10.0)))
        found.insert(2, Contender("popularity in the user's group", tried))
    else:
        left_out["popularity in the user's group"] = "no attribute divides the users into groups"
    if texts:
        found.append(Contender("TF-IDF, the user's text", (ProfileText(TfIdf(True)), ProfileText(TfIdf(False)))))
        found.append(Contender("BM25, the user's text", (ProfileText(Bm25(1.2, 0.75)), ProfileText(Bm25(1.2, 0.3)))))
        found.append(Contender("untouched encoder, the user's text", (ProfileText(EncoderSpace()),)))
    if find_spec("lightfm"):
        sizes = ((32, 20), (8, 20), (64, 10))
        found.append(Contender(LIGHTFM, tuple(LightFm(size, epochs, seed=seed) for size, epochs in sizes)))
    else:
        left_out[LIGHTFM] = "lightfm-next is not installed: pip install 'emberline[lightfm]'"
    if not tune:
        found = [Contender(one.name, one.grid[:1]) for one in found]
    return tuple(found), left_out


def _means(spaces: Sequence[Space]) -> tuple[Baseline, ...]:
    return tuple(MeanOfHistory(space) for space in spaces)


def _neighbours(spaces: Sequence[Space]) -> tuple[Baseline, ...]:
    return tuple(KNearest(space, count) for space, count in product(spaces, (50, 5, 20, 100, 400)))


def _ridges(spaces: Sequence[Space], penalties: Sequence[float], seed: int) -> tuple[Baseline, ...]:
    # Factors under strong regularisation say little but how popular an item will be, and are hard to beat within the
    # cold pool; many under weak regularisation are needed to tell new items from known ones.
    shapes = (
        *((64, 20.0, 10.0), (32, 100.0, 10.0), (32, 50.0, 5.0), (32, 200.0, 10.0), (32, 200.0, 40.0)),
        *((64, 5.0, 1.0), (64, 1.0, 1.0), (128, 20.0, 10.0)),
    )
    factors = [Als(size, regularisation, confidence, seed=seed) for size, regularisation, confidence in shapes]
    # One factorisation serves all factors of a penalty, so these follow each other.
    return tuple(RidgeToAls(space, penalty, als) for space, penalty, als in product(spaces, penalties, factors))


def _factors(seed: int) -> list[Als]:
    shapes = product((64, 16), (20.0, 10.0, 50.0, 100.0), (1.0, 3.0, 10.0))
    return [Als(size, regularisation, confidence, seed=seed) for size, regularisation, confidence in shapes]
