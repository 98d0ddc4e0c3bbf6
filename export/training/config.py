"""The settings of a training run. The command line reads its defaults from here, so each exists once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from emberline.engine.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How a model is trained. The defaults take about five minutes for MovieLens-100K on two cores.

    Attributes:
        encoder: `minilm`, a local folder, or the name of a BERT model on the hub.
        max_length: tokens a text; longer ones are cut.
        dimensions: width of the users' and items' vectors.
        tower_width: width of the towers' hidden layer.
        temperature: τ of ``s(u, i) = z_u·z_i / τ + b_i``; about √dimensions keeps scores near 1 at the start.
        seed: the same seed gives the same model, on the same machine with the same number of threads; with more than
            one, up to rounding.
        user_task: weight of behaviour prediction: likes, ratings, attributes of the next likes; 0 is off.
        item_task: weight of attribute prediction from the item's text; 0 is off.
        pair_task: weight of the match of users and items and of the alignment with the teacher; 0 is off.
        task_weights: `fixed`: tasks count by the weights above; `uncertainty`: these are learnt further, each task's
            loss divided by a variance of its own.
        alignment: weight, within the pair task, of meeting the items' vectors, which start as the teacher's, from their
            text; 0 trains without a teacher.
        warm_up_steps: steps, before all others, on the encoder alone: of `items` items each, two renderings with
            attributes left out shall be near. For catalogues with few interactions or none.
        tower_steps: steps on the towers alone over the pretrained encoder's vectors, before it is touched.
        joint_steps: steps on encoder and towers together.
        final_steps: steps on the towers alone over the trained encoder's vectors.
        items: items encoded in a joint step; on a CPU the time of a step grows in proportion.
        profiles: profiles encoded in a joint step.
        users: users in a step.
        propensity: from 0, all likes count the same, to 1, those of all items together do; in between, popular items
            are shown less.
        table_rate: peak learning rate of the items' own vectors, which start where the teacher puts them; without a
            teacher they learn at `tower_rate`.
        group_prior: weight, within the pair task, of expecting of a user without a history what users of like profile
            like.
        profile_dropout: share of a profile's entries that is dropped: there are far fewer users than entries.
        user_decay: weight decay of what makes a user's vector.
        user_share: share of the usual rate at which users' and items' vectors learn from behaviour prediction, which
            asks for other things than ranking does; its own heads learn at the full rate.
        memory: items that the trained item tower remembers, at most; the most popular ones.
        candidates: items that a step ranks, at most; a smaller catalogue is ranked whole.
        encoder_rate: peak learning rate of the encoder's top layer.
        layer_decay: each layer below learns at this share of the rate of the one above.
        tower_rate: peak learning rate of the towers and the match head.
        attribute_rate: peak learning rate of what predicts items' attributes.
        attribute_decay: its weight decay: there are few items to learn attributes from.
        weight_decay: of AdamW.
        frozen_layers: layers, from the bottom, that are not trained; the word embeddings are never, since a
            catalogue's few words would drift away from all the others.
        lora_rank: rank of the adapters by which the encoder's linear maps learn, in less of the optimizer's memory;
            they end as a part of the weights. 0: whole weights learn.
        dropout: share of the towers' inputs that is dropped.
        hide_labels: share of the texts from which the attributes to be predicted are left out.
        field_dropout: share of the other attributes left out, so that a missing one does little harm.
        stray_words: share of the texts with all their labels into which up to eight words of other items are put, so
            that keywords that do not belong there mislead less.
        typing_errors: share of these texts in which three of ten longer words are mistyped.
        no_history: share of the users that are trained with no history, as new users come.
        no_profile: share of the users that are trained with no profile.
        teacher_regularisation: of the ALS teacher; higher is smoother.
        teacher_confidence: how much more a like counts than its absence.
        teacher_choice: how much a choice that was not liked counts beside a like.
        teacher_iterations: of the ALS teacher.
        average: share of the joint steps, the last ones, over which the encoder's weights are averaged.
        quantisation_noise: share of the joint steps, the last ones, in which the encoder rounds as its int8 graph will.
        threads: of torch.
        max_minutes: after this time the joint steps end early, and the run says so. Results of a run that was cut
            depend on the machine.
        checkpoint_seconds: time between two checkpoints.
    """

    encoder: str = "minilm"
    max_length: int = 128
    dimensions: int = 64
    tower_width: int = 256
    temperature: float = 8.0
    seed: int = 0
    user_task: float = 1.0
    item_task: float = 1.0
    pair_task: float = 1.0
    task_weights: str = "fixed"
    alignment: float = 1.0
    propensity: float = 0.0
    table_rate: float = 2e-4
    group_prior: float = 10.0
    profile_dropout: float = 0.7
    user_decay: float = 15.0
    user_share: float = 0.05
    memory: int = 4096
    warm_up_steps: int = 0
    tower_steps: int = 150
    joint_steps: int = 400
    final_steps: int = 50
    items: int = 32
    profiles: int = 4
    users: int = 1024
    candidates: int = 4096
    encoder_rate: float = 1e-4
    layer_decay: float = 0.9
    tower_rate: float = 2e-3
    attribute_rate: float = 2e-3
    attribute_decay: float = 5.0
    weight_decay: float = 0.1
    frozen_layers: int = 0
    lora_rank: int = 0
    dropout: float = 0.1
    hide_labels: float = 0.5
    field_dropout: float = 0.05
    stray_words: float = 0.5
    typing_errors: float = 0.2
    no_history: float = 0.15
    no_profile: float = 0.2
    teacher_regularisation: float = 20.0
    teacher_confidence: float = 10.0
    teacher_choice: float = 0.1
    teacher_iterations: int = 15
    average: float = 0.5
    quantisation_noise: float = 0.0
    threads: int = 2
    max_minutes: float = 6.5
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_length", "dimensions", "tower_width", "items", "users", "candidates", "threads"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("temperature", "max_minutes", "teacher_iterations", "teacher_confidence"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in (
            *("user_task", "item_task", "pair_task", "alignment", "seed"),
            *("warm_up_steps", "tower_steps", "joint_steps", "final_steps"),
            *("profiles", "encoder_rate", "tower_rate", "table_rate", "attribute_rate", "weight_decay", "user_decay"),
            *("attribute_decay", "teacher_regularisation", "teacher_choice", "group_prior", "memory", "frozen_layers"),
            *("lora_rank", "checkpoint_seconds"),
        ):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        shares = ("dropout", "profile_dropout", "hide_labels", "field_dropout", "no_history", "no_profile")
        for name in (*shares, "stray_words", "typing_errors", "user_share"):
            self._require(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        self._require("propensity", 0 <= self.propensity <= 1, "from 0 to 1")
        self._require("average", 0 <= self.average <= 1, "from 0 to 1")
        self._require("quantisation_noise", 0 <= self.quantisation_noise <= 1, "from 0 to 1")
        self._require("layer_decay", 0 < self.layer_decay <= 1, "above 0 and at most 1")
        self._require("task_weights", self.task_weights in ("fixed", "uncertainty"), "fixed or uncertainty")
        if not self.user_task + self.item_task + self.pair_task:
            raise ConfigError("TrainConfig: user_task, item_task and pair_task are all 0; switch one of them on")

    def _require(self, name: str, holds: bool, range_: str) -> None:
        if not holds:
            raise ConfigError(f"TrainConfig.{name} is {getattr(self, name)}; it must be {range_}")

    @property
    def texts_alone(self) -> bool:
        """Whether no task learns from interactions: items are then placed, and users read, by texts alone."""
        return not self.user_task and not self.pair_task

    def write(self, path: Path) -> None:
        """Write the settings as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """Read settings that `write` wrote.

        Raises:
            DataError: the file cannot be read, or was written by another version.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(**raw)
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{path} holds no training settings ({error}); train again into another folder") from error

    def differences(self, other: TrainConfig) -> list[str]:
        """Where two configurations differ, as ``setting: this, that``."""
        return [
            f"{field.name}: {getattr(self, field.name)}, {getattr(other, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]
