"""All that is measured on one split of one variant of the data set."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Final

import numpy as np

from emberline.bench.harness.progress import Steps
from emberline.bench.harness.records import RunRecord
from emberline.export.baselines.contenders import Contender, contenders
from emberline.export.baselines.material import BaselineData
from emberline.export.data.moment import NO_SEED
from emberline.export.data.split import Split
from emberline.export.evaluation.groups import groupable
from emberline.export.training.config import TrainConfig
from emberline.export.training.measure import DatasetVectors, predictions, scores

from . import attributes, behaviour, corruption
from .corruption import BadData
from .entries import Entry, Findings, enter
from .exported import enter_exported
from .plan import Plan
from .saved import from_arrays, to_arrays
from .served import ServedModel, enter_served
from .settings import ColdStartSettings
from .subjects import Subject, enter_subject, trained
from .tasks import Round
from .tuning import TunedBaseline, choose
from .variants import DatasetVariant
from .weighing import section, weighed

_ITEM_COLD: Final = "item cold"


@dataclass(frozen=True, slots=True)
class SplitMeasurement:
    """Measures on one split."""

    plan: Plan  # what takes part.
    settings: ColdStartSettings  # how much is measured.
    variant: DatasetVariant  # the data set.
    final: Round  # its split, and the scenarios that it allows.
    tuning: Sequence[Round]  # splits of the training rows alone, to tune by.
    findings: Findings  # where the results go.
    say: Steps  # told what is being done.

    @property
    def split(self) -> Split:
        """The split."""
        return self.final.split

    def bad_data(self) -> BadData | None:
        """The new items' data corrupted; None where that is not asked for, or no item is new."""
        scenario = next((one for one in self.final.scenarios if one.name == _ITEM_COLD), None)
        if not self.plan.bad_data or scenario is None:
            return None
        return BadData.of(self.variant, self.split, scenario)

    def baselines(self, bad_data: BadData | None) -> None:
        """Tune the baselines, put them to all scenarios, and those that read the items to bad data too."""
        dataset, vectors, facts = self.variant.dataset, self.variant.vectors, self.variant.facts
        material = BaselineData.of(dataset, self.split, vectors)
        rounds = [(one, BaselineData.of(dataset, one.split, vectors)) for one in self.tuning]
        groups = groupable(dataset.users, np.flatnonzero(self.split.warm_users))
        texts = {field.name for field in dataset.description.user.columns if field.kind == "text"} - set(groups)
        content, warm = material.content, self.split.warm_items
        lineup, left_out = contenders(
            groups,
            bool(texts),
            max(self.split.seed, 0),
            attributes=any(compress(content.attributes(), warm)),
            labels=any(compress(content.labels(), warm)),
            tune=self.settings.tune,
        )
        for name, reason in left_out.items():
            self.findings.leave_out(name, reason)
        for contender in lineup:
            if facts and not contender.reads_items:
                continue  # facts are nothing to it: it has its row already
            name = self.variant.name(contender.name)
            tried = f", {len(contender.grid)} settings" if len(contender.grid) > 1 else ""
            self._tell(f"{name}{tried}")
            chosen = choose(contender, rounds, self.variant.kept)
            self.findings.enter(self._entered(contender, chosen, material))
            if bad_data is not None and contender.reads_items and _ITEM_COLD in chosen:
                for how, worth in self._corrupted(bad_data, chosen[_ITEM_COLD], material).items():
                    self.findings.measured.add(corruption.section(how), name, worth)

    def _corrupted(
        self, bad_data: BadData, choice: TunedBaseline, material: BaselineData
    ) -> Mapping[str, Mapping[str, float]]:
        """A baseline with bad data, by the way of corrupting, as it was found before, or measured."""
        of = ("bad data", self.split.seed, choice.settings)
        return self.variant.kept.value(of, lambda: dict(bad_data.baseline(choice, material)))

    def _entered(
        self, contender: Contender, chosen: Mapping[str, TunedBaseline], material: BaselineData
    ) -> list[Entry]:
        """A baseline in all scenarios, as it was found before, or measured."""
        name, facts = self.variant.name(contender.name), self.variant.facts
        settings = {scenario: (one.settings, one.tried) for scenario, one in chosen.items()}
        asked = [one.name for one in self.final.scenarios]
        found = self.variant.kept.arrays(
            ("entered", self.split.seed, name, asked, settings, repr(contender.grid[0])),
            lambda: to_arrays(list(enter(contender, chosen, self.final, material, name=name, facts=facts))),
        )
        return from_arrays(found, self.final.scenarios)

    def task_baselines(self) -> None:
        """Measure what predicts labels and likes without the model."""
        if self._has_likes() and not self.variant.facts:
            self._tell("means of likes")
            likes = self.variant.kept.value(
                ("behaviour", self.split.seed), lambda: list(behaviour.baselines(self.variant.dataset, self.split))
            )
            for method, measures, settings in likes:
                self.findings.add(behaviour.SECTION, method, self.split.seed, measures, settings)
        if self._has_labels():
            self._tell("probes of attributes")
            labels = self.variant.kept.value(
                ("attributes", self.split.seed), lambda: list(attributes.baselines(self.variant, self.split))
            )
            for task, method, measures, settings in labels:
                self.findings.add(task, method, self.split.seed, measures, settings)

    def rankings(self, subject: Subject) -> DatasetVectors:
        """Put a model to all scenarios.

        Returns:
            Its encoder's vectors of the data set.
        """
        self._tell(subject.name)
        self.findings.runs.append(RunRecord.of(subject.run.folder.root))
        began = time.perf_counter()
        vectors = DatasetVectors.of(subject.model, self.variant.dataset)
        self.findings.enter(enter_subject(subject, vectors, time.perf_counter() - began, self.final))
        return vectors

    def weights(self, subject: Subject, vectors: DatasetVectors) -> None:
        """Measure what a model's new items are worth under other weights; see `rankings` for its vectors."""
        newness = subject.model.newness(vectors.items)
        for scenario in self.final.scenarios:
            if scenario.new is not None:
                given = scores(subject.model, vectors, scenario)
                for weight, worth in weighed(scenario, given, newness[scenario.candidates]):
                    self.findings.measured.add(section(scenario.name), f"{subject.name}, {weight}", worth)

    def subject(self, subject: Subject, bad_data: BadData | None) -> DatasetVectors:
        """Put a model to all scenarios, to both tasks and to bad data; see `rankings`."""
        vectors = self.rankings(subject)
        dataset, model, seed = self.variant.dataset, subject.model, self.split.seed
        if self._has_likes():
            probability, _ = predictions(model, vectors, dataset, self.split, self.split.test)
            measures = behaviour.measure(probability, dataset.interactions.positive[self.split.test])
            self.findings.add(behaviour.SECTION, subject.name, seed, measures)
        if self._has_labels():
            for task, method, found, _ in attributes.of_model(subject.name, model, dataset, self.split):
                self.findings.add(task, method, seed, found)
        if bad_data is not None:
            for how, worth in bad_data.subject(subject, vectors):
                self.findings.measured.add(corruption.section(how), subject.name, worth)
        return vectors

    def served(self, served: ServedModel) -> None:
        """Put a bundle to all scenarios, behind a server or in this process."""
        self._tell(served.name)
        enter_bundle = enter_exported if served.in_process else enter_served
        self.findings.enter(enter_bundle(served, self.variant.dataset, self.final))

    def train(self, name: str, config: TrainConfig) -> Subject:
        """Train a model on this split, or find it trained."""
        config = replace(config, seed=max(self.split.seed, 0))
        found = trained(name, self.variant, self.split, config, self.plan, self._tell)
        return found.renamed(self.variant.name(name))

    def _tell(self, what: str) -> None:
        moment = "by time" if self.split.seed == NO_SEED else f"seed {self.split.seed}"
        self.say(f"{self.variant.dataset.description.name}, {moment}: {what}")

    def _has_likes(self) -> bool:
        return behaviour.can_be_measured(self.variant.dataset, self.split)

    def _has_labels(self) -> bool:
        return bool(attributes.label_names(self.variant.dataset, self.split))
