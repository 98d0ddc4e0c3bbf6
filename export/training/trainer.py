"""A training as it goes: teacher, vectors, the stages, calibration, measurement."""

from __future__ import annotations

import copy
import json
import shutil
import time
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.tensorboard import SummaryWriter

from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.model import Emberline, ModelConfig
from emberline.export.precision.recipe import shipped
from emberline.export.pretrained import Pretrained, encoder_fields, load
from emberline.export.progress import Progress

from . import curves, lora, schedule
from .alone import place
from .average import Average
from .bank import Bank, Profiles
from .blending import Choice
from .calibration import calibrate
from .checkpoint import Checkpoint
from .config import TrainConfig
from .encoding import encode, long_texts
from .examples import Examples, Indexes
from .folding import known_users
from .measure import DatasetVectors, encode_rest, measure, measure_validation, predictions
from .noise import RENEWED, QuantisationNoise, seen_texts
from .objective import Objective
from .prior import GroupPrior
from .run import RunFolder
from .settle import Settler
from .start import start
from .table import ItemTable, remember
from .teacher import Teacher, teach
from .trained import Floats, TrainedModel
from .turn import turn
from .uncertainty import Uncertainty
from .verdict import VERDICT, Verdict, judge
from .warmup import WarmUp

#: Gradients are cut to this norm; the first joint steps would otherwise throw the encoder about.
CLIP = 1.0
#: Standard errors by which the untouched encoder has to be better to come back. Users share the few items aside, so
#: their errors are not independent, and what one standard error shows is often chance.
CLEARLY = 2.0


@dataclass(slots=True)
class Trainer:
    """What learns, what it learns from, and where it stands."""

    config: TrainConfig
    folder: RunFolder
    progress: Progress
    model: Emberline
    table: ItemTable
    bank: Bank
    untouched: Tensor  # (n, H) the items as the encoder read them before it was trained
    objective: Objective
    teacher: Teacher | None
    average: Average
    noise: QuantisationNoise
    optimizer: AdamW
    at: Checkpoint
    settler: Settler | None
    wide: Tensor | None = None  # (n, T + F + 1) what the wide part says of the items in the end
    before: dict[str, Any] = field(default_factory=dict)
    placing: dict[str, object] = field(default_factory=dict)

    @classmethod
    def start(
        cls, examples: Examples, config: TrainConfig, folder: RunFolder, progress: Progress, source: Pretrained
    ) -> Trainer:
        """Make everything ready for the first step, or for the one after a folder's checkpoint."""
        model = Emberline(
            ModelConfig(
                encoder=encoder_fields(source.encoder),
                item_labels=examples.label_names,
                item_limits=examples.limit_names,
                user_labels=examples.label_names,
                rating_range=examples.rating_range,
                dimensions=config.dimensions,
                tower_width=config.tower_width,
                temperature=config.temperature,
                max_length=config.max_length,
                memory=0 if config.texts_alone else min(config.memory, len(examples.items)),
            )
        )
        model.encoder.load_state_dict(source.encoder.state_dict())
        table = ItemTable(len(examples.items), config.dimensions)
        profiles = Profiles.among(examples)
        average = Average()
        noise = QuantisationNoise(shipped(config.encoder, config.layers)["int8"])
        resumed = Checkpoint.read(folder.checkpoint) if folder.checkpoint.exists() else None
        teacher = None
        if resumed is None:
            if config.pair_task and config.alignment:
                progress("teacher", 0, 1, {})
                teacher = teach(examples, config)
            bank = Bank.encode(examples, profiles, model.encoder, source.tokenizer, progress)
            start(model, table, teacher, examples.popularity, len(examples.users))
            untouched = bank.items.clone()
            at = Checkpoint(stage=0, step=0, seconds=0.0, cut=False, tensors={}, curves=[])
        else:
            at = resumed
            if at.tensors["teacher"]:
                teacher = Teacher(**{name: value.numpy() for name, value in at.tensors["teacher"].items()})
            bank, untouched = Bank(**at.tensors["bank"]), at.tensors["untouched"]
            average = Average(**at.tensors["average"])
            if config.lora_rank and schedule.stages(config)[at.stage].encoder:
                lora.attach(model.encoder, config.frozen_layers, config.lora_rank, config.seed)
            noise.resume(at.tensors["noise"])
            model.load_state_dict(at.tensors["model"])
            table.load_state_dict(at.tensors["table"])
        settler = None
        if teacher is not None:
            if resumed is None:
                progress("choosing", 0, 1, {})
            chosen = None if resumed is None else Choice.restored(resumed.tensors["choice"])
            parts = examples, profiles, source.tokenizer
            settler = Settler.start(model, bank, parts, teacher, config, chosen)
        prior = GroupPrior.of(examples, config.seed) if config.pair_task else None
        uncertainty = Uncertainty() if config.task_weights == "uncertainty" else None
        if resumed is not None and uncertainty is not None:
            uncertainty.load_state_dict(resumed.tensors["uncertainty"])
        objective = Objective(examples, config, profiles, source.tokenizer, prior, uncertainty)
        optimizer = AdamW(model.parameters())  # until a stage is entered
        learnt = bank, untouched, objective, teacher, average, noise, optimizer
        trainer = cls(config, folder, progress, model, table, *learnt, at, settler)
        if resumed is not None:
            trainer.before, trainer.placing = resumed.tensors["before"], resumed.tensors["placing"]
        trainer._enter(resumed)
        return trainer

    def run(self) -> None:
        """Go through the steps that are left."""
        stages = schedule.stages(self.config)
        saved = time.monotonic()
        with closing(SummaryWriter(str(self.folder.events), purge_step=len(self.at.curves))) as writer:
            while self.at.stage < len(stages):
                stage = stages[self.at.stage]
                if self._done(stage):
                    self._leave(stage)
                    continue
                begin = time.monotonic()
                values = self._step(stage)
                self.at.step += 1
                now = time.monotonic()
                self.at.seconds += now - begin
                record: dict[str, float | str] = {"stage": stage.name, "total step": len(self.at.curves), **values}
                self.at.curves.append(record)
                curves.write_events(writer, record)
                self.progress(stage.name, self.at.step, stage.steps, values)
                if now - saved >= self.config.checkpoint_seconds:
                    self.save()
                    saved = time.monotonic()

    def finish(self, dataset: Dataset, split: Split) -> TrainedModel:
        """Calibrate, measure and write what the run leaves."""
        self.progress("evaluation", 0, 1, {})
        self.model.eval()
        trained = TrainedModel(self.model, self.objective.tokenizer)
        # The bank has the items of training as the encoder reads them; only the others are left to encode.
        whole = self.model.item_tower.whole(self.bank.items, self.wide).detach().numpy()
        vectors = DatasetVectors.of(trained, dataset, (self.objective.examples.items, whole))
        calibrated = False
        if self.config.user_task and len(split.validation):
            probability, _ = predictions(trained, vectors, dataset, split, split.validation)
            liked = dataset.interactions.positive[split.validation]
            bias = vectors.biases[dataset.interactions.item[split.validation]]
            calibrated = calibrate(self.model.match, probability, bias, liked)
        metrics: dict[str, Any] = {
            "validation": measure_validation(trained, vectors, dataset, split),
            **measure(trained, vectors, dataset, split),
            "training": {
                "seconds": round(self.at.seconds, 1),
                "joint_steps": sum(record["stage"] == "joint" for record in self.at.curves),
                "cut": self.at.cut,
                "encoder_parameters": lora.trained_parameters(self.model.encoder, self.config)
                if any(stage.encoder and stage.steps for stage in schedule.stages(self.config))
                else 0,
                "calibrated": calibrated,
                "rare_labels": self.objective.examples.rare,
                "long_texts": long_texts(self.objective.tokenizer, dataset.item_texts()),
                "dislikes": self.objective.examples.has_negatives or not len(self.objective.examples.users),
            },
            **({"placement": self.placing} if self.placing else {}),
            **{f"{VERDICT}{one.part}": one.as_dict() for one in self._verdicts(trained, vectors, dataset, split)},
        }
        if self.at.curves:
            curves.draw(self.at.curves, self.folder.curves)
        self.folder.metrics.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        _write_model(trained, self.folder.model)
        return trained

    def _verdicts(
        self, trained: TrainedModel, vectors: DatasetVectors, dataset: Dataset, split: Split
    ) -> list[Verdict]:
        if self.config.texts_alone:
            return []
        self.progress("verdict", 0, 1, {})
        source = load(self.config.encoder, self.config.max_length)

        def untouched(texts: list[str]) -> Floats:
            return encode(source.encoder, source.tokenizer, texts).numpy()

        # The baselines are those of the whole encoder, also beside a model that has only some of its layers.
        whole = not (self.config.layers or self.config.static)
        known = (self.objective.examples.items, self.untouched.numpy()) if whole else None
        return judge(trained, vectors, encode_rest(untouched, dataset.item_texts(), known), dataset, split)

    def save(self) -> None:
        """Write a checkpoint."""
        teacher = {} if self.teacher is None else {"items": self.teacher.items, "users": self.teacher.users}
        self.at.tensors = {
            "model": self.model.state_dict(),
            "table": self.table.state_dict(),
            "average": {"count": self.average.count, "weights": self.average.weights},
            "uncertainty": {} if self.objective.uncertainty is None else self.objective.uncertainty.state_dict(),
            "noise": self.noise.state(),
            "optimizer": self.optimizer.state_dict(),
            "bank": self.bank.state(),
            "untouched": self.untouched,
            "choice": [] if self.settler is None else self.settler.choice.state(),
            "before": self.before,
            "placing": self.placing,
            "teacher": {name: torch.from_numpy(factors) for name, factors in teacher.items()},
        }
        self.at.write(self.folder.checkpoint)

    def _step(self, stage: schedule.Stage) -> dict[str, float]:
        seed = [self.config.seed, self.at.stage, self.at.step]
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(rng.integers(2**62)))
        self.model.train()
        if not stage.encoder:
            self.model.encoder.eval()
        columns = self._columns() if stage.joint else None
        schedule.set_rate(self.optimizer, stage.share(self.at.step))
        if stage.warm_up:
            warm_up = WarmUp(self.objective.examples, self.objective.tokenizer)
            loss, values = warm_up(self.model.encoder, rng, self._columns())
        else:
            with self._noise(stage):
                loss, values = self.objective(self.model, self.table, self.bank, rng, columns)
        # All, also what this stage does not train: a gradient left from one that did would count.
        self.model.zero_grad(set_to_none=True)
        self.table.zero_grad(set_to_none=True)
        if self.objective.uncertainty is not None:
            self.objective.uncertainty.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.encoder.parameters(), CLIP)
        self.optimizer.step()
        if stage.joint and self.at.step >= stage.steps * (1 - self.config.average):
            self.average.add(self._averaged())
        return values

    def _noise(self, stage: schedule.Stage) -> AbstractContextManager[None]:
        """What the encoder rounds in the step to come."""
        since = self.at.step - round(stage.steps * (1 - self.config.quantisation_noise))
        if not stage.joint or since < 0:
            return nullcontext()
        if since % RENEWED == 0:
            objective, rng = self.objective, np.random.default_rng([self.config.seed, self.at.step])
            texts = seen_texts(objective.examples, objective.profiles)
            self.noise.renew(self.model.encoder, objective.tokenizer, texts, rng)
        return self.noise.on(self.model.encoder)

    def _columns(self) -> Indexes:
        """The next items to encode: all of them in a new order, then all again."""
        learnt = np.flatnonzero(~self.objective.examples.aside)
        count = len(learnt)
        size = min(self.config.items, count)
        first = self.at.step * size
        epochs = range(first // count, (first + size - 1) // count + 1)
        orders = [np.random.default_rng([self.config.seed, epoch]).permutation(count) for epoch in epochs]
        begin = first - epochs[0] * count
        return np.unique(learnt[np.concatenate(orders)[begin : begin + size]])

    def _done(self, stage: schedule.Stage) -> bool:
        if stage.joint and self.at.step < stage.steps and self.at.seconds > 60 * self.config.max_minutes:
            self.at.cut = True
            return True
        return self.at.step >= stage.steps

    def _leave(self, stage: schedule.Stage) -> None:
        if stage.encoder:
            lora.merge(self.model.encoder)
        if stage.joint and self.at.step:
            self.average.give(self._averaged())
        if stage.encoder and self.at.step:
            objective = self.objective
            self.bank = Bank.encode(
                objective.examples, objective.profiles, self.model.encoder, objective.tokenizer, self.progress
            )
        if stage.joint and self.before and self.settler is not None:
            self._keep_the_better(self.settler)
        self.at.stage += 1
        self.at.step = 0
        self._enter(None)

    def _enter(self, resumed: Checkpoint | None) -> None:
        """Make ready for the stage that training stands in."""
        stages = schedule.stages(self.config)
        model, table, examples = self.model, self.table, self.objective.examples
        model.eval()
        if self.at.stage == len(stages):
            if self.config.texts_alone:
                place(model, self.bank, examples, self.objective.tokenizer)
            else:
                turn(model, table, known_users(model, table, examples, self.objective.profiles.vectors(self.bank)))
                if self.settler is not None:
                    self.progress("placing", 0, 1, {})
                    model, table, settled = self.settler.settle(model, table, self.bank)
                    self.model, self.table, self.wide = model, table, self.settler.wide(model)
                    self.placing |= settled
                remember(model.item_tower, self.bank, table, examples.popularity, self.wide)
            return
        stage = stages[self.at.stage]
        if resumed is None and self.config.lora_rank and stage.encoder:
            lora.attach(model.encoder, self.config.frozen_layers, self.config.lora_rank, self.config.seed)
        self.optimizer = schedule.optimizer(model, table, self.config, stage, self.objective.uncertainty)
        if resumed is not None:
            self.optimizer.load_state_dict(resumed.tensors["optimizer"])
            return
        model.user_tower.settle(self.objective.profiles.vectors(self.bank))
        if stage.joint and self.settler is not None:
            self.settler.aim(model, table, self.bank)
            if stage.steps:
                state = {"model": model.state_dict(), "table": table.state_dict(), "bank": self.bank.state()}
                self.before = copy.deepcopy(state)

    def _keep_the_better(self, settler: Settler) -> None:
        """Go back to where the joint stage began if items aside are clearly worse placed by what the encoder learnt."""
        self.model.eval()
        before = Bank(**self.before["bank"])
        trained, untouched = settler.compare(self.model, self.table, self.bank, before)
        kept = not untouched.beats(trained, CLEARLY)
        worth = {"trained": trained.ndcg, "untouched": untouched.ndcg}
        self.placing |= {"encoder": "trained" if kept else "untouched", **worth}
        if not kept:
            self.model.load_state_dict(self.before["model"])
            self.table.load_state_dict(self.before["table"])
            self.bank = before
        self.before = {}

    def _averaged(self) -> nn.Module:
        """What is averaged over steps: all that learns from the encoder's gradients."""
        tower = self.model.item_tower
        return nn.ModuleList([self.model.encoder.bert.encoder, tower.text, tower.described, tower.attributes])


def _write_model(trained: TrainedModel, folder: Path) -> None:
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    trained.save(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
