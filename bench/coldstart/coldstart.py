"""`emberline bench coldstart`: the model beside baselines, on items and users that neither has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from emberline.bench.harness.environment import begin, observe
from emberline.bench.harness.progress import Steps, steps
from emberline.bench.harness.result import Result, make
from emberline.engine.errors import BenchError, DataError
from emberline.export import pretrained
from emberline.export.data.description import Description
from emberline.export.data.facts import with_facts
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset
from emberline.export.data.split import split

from . import ablations
from .body import body
from .entries import Findings
from .measurement import SplitMeasurement
from .plan import MODEL, Plan
from .served import ServedModel
from .settings import ColdStartSettings
from .subjects import Subject, load_subjects
from .tasks import Round, by_time_rounds, final_round, tuning_rounds
from .variants import DatasetVariant

#: Rows of baselines, to count the steps by.
_BASELINES = 19


def bench_coldstart(plan: Plan, settings: ColdStartSettings) -> Result:
    """Measure.

    Returns:
        The result; see `docs/coldstart.md`.

    Raises:
        EmberlineError: the data set, a run or a bundle cannot be used.
    """
    beginning = begin()
    findings, trials = Findings(), Findings()
    with steps("coldstart", _count(plan, settings), pause=0) as say:
        say(f"{plan.description.name}: reading and encoding")
        subjects = load_subjects(plan.runs)
        _require_seeds(subjects, settings)
        variants = _variants(plan, subjects)
        served = _served(plan, subjects)
        for seed in sorted(settings.seeds):
            for variant in variants:
                found = split(variant.dataset, seed)
                final = final_round(variant.dataset, found, settings.known)
                tuning = tuning_rounds(variant.dataset, found, settings.known) if settings.tune else (final,)
                measurement = SplitMeasurement(plan, settings, variant, final, tuning, findings, say)
                bad_data = measurement.bad_data()
                measurement.baselines(bad_data)
                measurement.task_baselines()
                for subject in _of(measurement, subjects):
                    measurement.weights(subject, measurement.subject(subject, bad_data))
                    for one in served:
                        if one.subject is subject:
                            measurement.served(one)
                if plan.ablations:
                    _ablate(SplitMeasurement(plan, settings, variant, final, (), trials, say))
        _by_time(plan, settings, variants[0], findings, say)
    return make(
        "coldstart",
        observe(beginning),
        {**asdict(settings), **_described(plan)},
        body(variants[0].dataset, findings, trials, plan, settings),
    )


def _require_seeds(subjects: Sequence[Subject], settings: ColdStartSettings) -> None:
    for one in subjects:
        if one.seed not in settings.seeds:
            raise BenchError(f"{one.run.folder.root} is of seed {one.seed}, which is not measured; add it to --seeds")


def _of(measurement: SplitMeasurement, subjects: Sequence[Subject]) -> list[Subject]:
    """The models of a measurement's split and variant; if there is none and some are to be trained, one is."""
    facts, seed = measurement.variant.facts, measurement.split.seed
    found = [one for one in subjects if one.facts == facts and one.seed == seed]
    if measurement.plan.train and not found:
        found = [measurement.train(MODEL, measurement.plan.training)]
    return found


def _ablate(measurement: SplitMeasurement) -> None:
    """Train the complete model and variants of it, all with the same budget, and measure them.

    Facts are a variant too: with them, the complete model alone is trained.
    """
    plan = measurement.plan
    names = (ablations.WITH_FACTS,) if measurement.variant.facts else (ablations.COMPLETE, *plan.ablations)
    for name in names:
        config = ablations.variant(plan.training, name, plan.budget)
        folder = f"{name} {plan.budget:.0%}"
        measurement.subject(measurement.train(folder, config).renamed(name), None)


def _by_time(plan: Plan, settings: ColdStartSettings, variant: DatasetVariant, findings: Findings, say: Steps) -> None:
    """Everything again on a split at one moment; of models, only one that is trained on the spot stops there."""
    try:
        tuning, final = by_time_rounds(variant.dataset)
    except DataError as error:
        findings.leave_out("by time", str(error))
        return
    rounds: tuple[Round, ...] = (tuning,) if settings.tune else (final,)
    measurement = SplitMeasurement(plan, settings, variant, final, rounds, findings, say)
    measurement.baselines(None)
    if plan.train:
        subject = measurement.train(MODEL, plan.training)
        measurement.weights(subject, measurement.rankings(subject))
    else:
        findings.leave_out(f"{MODEL}, by time", "no model was trained on what came before the moment; --train does")


def _variants(plan: Plan, subjects: Sequence[Subject]) -> list[DatasetVariant]:
    """The data set, and, if facts are given or a model was trained with some, the data set with them.

    Raises:
        BenchError: a model was trained to read other attributes.
    """
    descriptions = [plan.description]
    graphs = [one.run.description for one in subjects if one.facts]
    if plan.graph is not None:
        descriptions.append(with_facts(plan.description, plan.graph))
    elif graphs:
        descriptions.append(graphs[0])
    encoder = pretrained.load(plan.training.encoder, plan.training.max_length)
    variants = [DatasetVariant.of(_read(description, plan), encoder, plan.kept) for description in descriptions]
    for one in subjects:
        variant = next((found for found in variants if found.facts == one.facts), None)
        if variant is None or variant.dataset.description.item.fields != one.run.description.item.fields:
            raise BenchError(
                f"{one.run.folder.root} was trained to read {', '.join(one.run.description.item.fields)}, which the "
                "data set does not give; measure it with the description that it was trained with"
            )
    return variants


def _read(description: Description, plan: Plan) -> Dataset:
    dataset, _ = read(description, plan.data)
    return dataset


def _served(plan: Plan, subjects: Sequence[Subject]) -> list[ServedModel]:
    if not plan.bundles:
        return []
    return [
        ServedModel(subject, bundle, plan.precision, plan.in_process)
        for subject, bundle in zip(subjects, plan.bundles, strict=True)
    ]


def _described(plan: Plan) -> dict[str, object]:
    return {
        "data_set": plan.description.name,
        "graph": plan.graph,
        "runs": [{"name": name, "path": path} for name, path in plan.runs],
        "bundles": plan.bundles,
        "precision": plan.precision if plan.bundles else None,
        "in_process": plan.in_process,
        "train": plan.train,
        "training": asdict(plan.training) if plan.train or plan.ablations else None,
        "ablations": plan.ablations,
        "budget": plan.budget,
        "bad_data": plan.bad_data,
    }


def _count(plan: Plan, settings: ColdStartSettings) -> int:
    """About how many steps the measurement has: facts mean fewer baselines, trained runs may be found."""
    variants = 2 if plan.graph is not None else 1
    each = _BASELINES * variants + 2 * plan.train * variants + (len(plan.ablations) + 1) * 2 * bool(plan.ablations)
    return 1 + len(settings.seeds) * each + len(plan.runs) + len(plan.bundles) + _BASELINES + 2 * plan.train
