"""All that is measured on one split of one edition of the data set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from emberline.bench.harness.progress import Steps
from emberline.bench.harness.runs import summarise_run
from emberline.export.baselines.material import BaselineData
from emberline.export.data.split import Split
from emberline.export.evaluation.groups import groupable
from emberline.export.training.config import TrainConfig
from emberline.export.training.measure import DatasetVectors, predictions

from . import attributes, behaviour
from .contenders import contenders
from .corrupted import BadData
from .entries import enter
from .findings import Findings
from .plan import Plan
from .served import ServedModel, enter_served
from .settings import ColdStartSettings
from .subjects import Subject, enter_subject
from .tasks import Round
from .trainings import trained
from .tuning import choose
from .variants import Edition

_ITEM_COLD: Final = "item cold"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measures on one split.

    Attributes:
        plan: what takes part.
        settings: how it is measured.
        edition: the data set.
        final: its split, and the scenarios that it allows.
        tuning: splits of the training rows alone, to tune by.
        findings: where the results go.
        say: told what is being done.
    """

    plan: Plan
    settings: ColdStartSettings
    edition: Edition
    final: Round
    tuning: Sequence[Round]
    findings: Findings
    say: Steps

    @property
    def split(self) -> Split:
        """The split."""
        return self.final.split

    def bad_data(self) -> BadData | None:
        """The new items' data spoilt; None where that is not asked for, or no item is new."""
        scenario = next((one for one in self.final.scenarios if one.name == _ITEM_COLD), None)
        if not self.plan.bad_data or scenario is None:
            return None
        return BadData.of(self.edition, self.split, scenario)

    def baselines(self, bad_data: BadData | None) -> None:
        """Tune the baselines, put them to all scenarios, and those that read the items to bad data too."""
        dataset, vectors = self.edition.dataset, self.edition.vectors
        material = BaselineData.of(dataset, self.split, vectors)
        rounds = [(one, BaselineData.of(dataset, one.split, vectors)) for one in self.tuning]
        groups = groupable(dataset.users, np.flatnonzero(self.split.warm_users))
        spoken = {field.name for field in dataset.description.user.columns if field.kind == "text"} - set(groups)
        lineup, left_out = contenders(groups, bool(spoken), max(self.split.seed, 0), tune=self.settings.tune)
        for one in left_out:
            self.findings.leave_out(one.variant, one.reason)
        for contender in lineup:
            if self.edition.facts and not contender.reads_items:
                continue  # facts are nothing to it: it has its row already
            name = self.edition.name(contender.name)
            self.say(f"seed {self.split.seed}: {name}")
            chosen = choose(contender, rounds)
            self.findings.entries += enter(contender, chosen, self.final, material, name=name, facts=self.edition.facts)
            if bad_data is not None and contender.reads_items and _ITEM_COLD in chosen:
                self.findings.spoilt += bad_data.baseline(name, chosen[_ITEM_COLD], material)

    def task_baselines(self) -> None:
        """Measure what predicts labels and likes without the model."""
        if self._has_likes() and not self.edition.facts:
            self.findings.behaviour += behaviour.baselines(self.edition.dataset, self.split)
        if self._has_labels():
            self.findings.attributes += attributes.baselines(self.edition, self.split)

    def rankings(self, subject: Subject) -> DatasetVectors:
        """Put a model to all scenarios.

        Returns:
            Its encoder's vectors of the data set.
        """
        self.say(f"seed {self.split.seed}: {subject.name}")
        self.findings.runs.append(summarise_run(subject.run.folder.root))
        began = time.perf_counter()
        vectors = DatasetVectors.of(subject.model, self.edition.dataset)
        self.findings.entries += enter_subject(subject, vectors, time.perf_counter() - began, self.final)
        return vectors

    def subject(self, subject: Subject, bad_data: BadData | None) -> None:
        """Put a model to all scenarios, to both tasks and to bad data."""
        vectors = self.rankings(subject)
        dataset, model = self.edition.dataset, subject.model
        if self._has_likes():
            probability, _ = predictions(model, vectors, dataset, self.split, self.split.test)
            liked = dataset.interactions.positive[self.split.test]
            self.findings.behaviour.append(behaviour.measure(self.split.seed, subject.name, probability, liked))
        if self._has_labels():
            self.findings.attributes += attributes.of_model(subject.name, model, dataset, self.split)
        if bad_data is not None:
            self.findings.spoilt += bad_data.subject(subject, vectors)

    def served(self, served: ServedModel) -> None:
        """Put a served model to all scenarios."""
        self.say(f"seed {self.split.seed}: {served.name}")
        self.findings.entries += enter_served(served, self.edition.dataset, self.final)

    def train(self, name: str, config: TrainConfig) -> Subject:
        """Train a model on this split, or find it trained."""
        config = replace(config, seed=max(self.split.seed, 0))
        found = trained(name, self.edition, self.split, config, self.plan, self.say)
        return found.renamed(self.edition.name(name))

    def _has_likes(self) -> bool:
        return behaviour.can_be_measured(self.edition.dataset, self.split)

    def _has_labels(self) -> bool:
        return bool(attributes.label_names(self.edition.dataset, self.split))
