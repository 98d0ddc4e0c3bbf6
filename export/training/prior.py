"""The group prior: what to expect of a user of whom nothing but a profile is known.

Each attribute of the profile moves what everybody likes towards what the users with that value like, as in naive Bayes;
groups of several attributes at once would have too few users. Which attributes help, and how much a group's opinion
counts against everybody's, is found by cross-validation over the users of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import csr_matrix

from emberline.export.evaluation.groups import Grouping, groupable

from .examples import Examples, Floats, Indexes

#: How many users' worth everybody's opinion counts against a group's.
STRENGTHS: Final = (10.0, 20.0, 30.0, 60.0)
FOLDS: Final = 5
#: Users that a fold is measured by, at most.
ASKED: Final = 500


@dataclass(frozen=True, slots=True)
class GroupPrior:
    """Who likes what, by profile: n items, u trained users.

    Attributes:
        fields: the attributes that count.
        overall: (n,) log of the share of all users that like an item.
        groups: of each attribute, (u,) the group of each user.
        shifts: of each attribute, (groups, n) how far its groups are from `overall`, as logarithms.
    """

    fields: tuple[str, ...]
    overall: Floats
    groups: tuple[Indexes, ...]
    shifts: tuple[Floats, ...]

    def expected(self, users: Indexes) -> Floats:
        """(B, n) how likely the next like of B trained users is each item; rows add up to 1."""
        logs = np.repeat(self.overall[None, :], len(users), axis=0)
        for groups, shifts in zip(self.groups, self.shifts, strict=True):
            logs += shifts[groups[users]]
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)

    @classmethod
    def of(cls, examples: Examples, seed: int) -> GroupPrior:
        """Fit to the users of training; without attributes that help, it is what everybody likes."""
        people = examples.view.users
        likes = _matrix(examples)
        fields = groupable(people, examples.users)
        groups = {
            field: Grouping.of(people, examples.users, (field,)).groups(people)[examples.users] for field in fields
        }
        fold = np.random.default_rng(seed).permutation(len(examples.users)) % FOLDS
        best: tuple[float, float, tuple[str, ...]] = (-np.inf, STRENGTHS[0], ())
        for strength in STRENGTHS:
            for chosen, likelihood in _choices(likes, groups, fold, strength):
                best = max(best, (likelihood, strength, chosen))
        _, strength, chosen = best
        everyone = np.arange(len(examples.users))
        return cls._fit(likes, {field: groups[field] for field in chosen}, strength, everyone)

    @classmethod
    def _fit(cls, likes: csr_matrix, groups: dict[str, Indexes], strength: float, among: Indexes) -> GroupPrior:
        count, likes = len(among), likes[among]
        share = np.asarray(likes.sum(axis=0)).ravel() / count
        # An item that nobody likes is as likely as one that half a user likes.
        floor = 0.5 / count
        overall = np.log(share + floor)
        shifts = []
        for group in groups.values():
            member = csr_matrix((np.ones(count), (group[among], np.arange(count))), shape=(group.max() + 1, count))
            liked = np.asarray((member @ likes).todense())  # (groups, n)
            size = np.asarray(member.sum(axis=1))  # (groups, 1)
            shifts.append((np.log((liked + strength * share) / (size + strength) + floor) - overall).astype(np.float32))
        return cls(tuple(groups), overall.astype(np.float32), tuple(groups.values()), tuple(shifts))

    def _likelihood(self, users: Indexes, likes: csr_matrix) -> float:
        """Mean log likelihood of the likes of some users."""
        asked = users[:ASKED]
        row, column = likes[asked].nonzero()
        return float(np.log(self.expected(asked)[row, column]).mean())


def _choices(
    likes: csr_matrix, groups: dict[str, Indexes], fold: Indexes, strength: float
) -> Iterator[tuple[tuple[str, ...], float]]:
    """Attributes taken in one by one, the most helpful first, as long as they help; each choice with its likelihood."""
    chosen: tuple[str, ...] = ()
    reached = _validated(likes, groups, fold, strength, chosen)
    while True:
        yield chosen, reached
        rest = [field for field in groups if field not in chosen]
        found = [(_validated(likes, groups, fold, strength, (*chosen, field)), field) for field in rest]
        if not found or max(found)[0] <= reached:
            return
        reached, field = max(found)
        chosen = (*chosen, field)


def _validated(
    likes: csr_matrix, groups: dict[str, Indexes], fold: Indexes, strength: float, chosen: tuple[str, ...]
) -> float:
    found = []
    for held_out in range(FOLDS):
        asked, others = np.flatnonzero(fold == held_out), np.flatnonzero(fold != held_out)
        if len(asked) and len(others):
            prior = GroupPrior._fit(likes, {field: groups[field] for field in chosen}, strength, others)
            found.append(prior._likelihood(asked, likes))
    return float(np.mean(found)) if found else -np.inf


def _matrix(examples: Examples) -> csr_matrix:
    row = np.repeat(np.arange(len(examples.likes)), [len(liked) for liked in examples.likes])
    column = np.concatenate(examples.likes)
    return csr_matrix((np.ones(len(row)), (row, column)), shape=(len(examples.likes), len(examples.items)))
