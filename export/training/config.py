"""The settings of a training run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from emberline.engine.errors import ConfigError, DataError
from emberline.engine.settings import Setting, check, explained

TaskWeights = Literal["fixed", "uncertainty"]


@explained
@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How a model is trained. The defaults take about five minutes for MovieLens-100K on two cores.

    Raises:
        ConfigError: a setting is out of its range.
    """

    encoder: Annotated[
        str, Setting("The encoder: `minilm`, a local folder, or the name of a BERT on the hub.", metavar="NAME|DIR")
    ] = "minilm"
    max_length: Annotated[int, Setting("Maximum number of tokens in a text; longer texts are cut.", at_least=1)] = 128
    vocabulary: Annotated[
        int,
        Setting(
            "Number of word pieces that the encoder keeps: those of the data's texts, and the most frequent others of "
            "their scripts as a reserve for texts to come; 0 keeps all. Multilingual encoders have 250,000, which are "
            "most of their size.",
            at_least=0,
        ),
    ] = 0
    layers: Annotated[
        int,
        Setting(
            "Number of the encoder's layers that are taken, evenly spread from the first to the last; 0 takes all.",
            at_least=0,
        ),
    ] = 0
    static: Annotated[
        bool,
        Setting(
            "Whether the encoder has no layers, as `emberline distill --static` makes it: a text is the sum of its "
            "word pieces' vectors.",
            option=False,
        ),
    ] = False
    dimensions: Annotated[
        int,
        Setting("Width of the users' and items' vectors; 0 takes 64, or 128 for 4,096 items and more.", at_least=0),
    ] = 0
    tower_width: Annotated[int, Setting("Width of the towers' hidden layer.", at_least=1, option=False)] = 256
    temperature: Annotated[
        float,
        Setting(
            "τ of ``s(u, i) = z_u·z_i / τ + b_i``. About √dimensions keeps scores near 1 at the start.",
            above=0,
            option=False,
        ),
    ] = 8.0
    seed: Annotated[
        int,
        Setting(
            "Seed of the training and of what is held out. The same seed gives the same model on the same machine "
            "with the same number of threads; with more than one thread, up to rounding.",
            at_least=0,
        ),
    ] = 0
    user_task: Annotated[
        float,
        Setting(
            "Weight of behaviour prediction: likes, ratings and the attributes of the next likes; 0 switches it off.",
            at_least=0,
        ),
    ] = 1.0
    item_task: Annotated[
        float,
        Setting("Weight of attribute prediction from the item's text; 0 switches it off.", at_least=0),
    ] = 1.0
    pair_task: Annotated[
        float,
        Setting(
            "Weight of the match of users and items, and of the alignment with the teacher; 0 switches it off.",
            at_least=0,
        ),
    ] = 1.0
    task_weights: Annotated[
        TaskWeights,
        Setting(
            "`fixed` weighs the tasks as above. `uncertainty` learns further weights: each task's loss is divided by a "
            "variance of its own.",
            option=False,
        ),
    ] = "fixed"
    alignment: Annotated[
        float,
        Setting(
            "Weight, within the pair task, of the distance between an item's vector, which starts as the teacher's, "
            "and its prediction from text; 0 trains without a teacher.",
            at_least=0,
            option=False,
        ),
    ] = 1.0
    propensity: Annotated[
        float,
        Setting(
            "How much popular items are shown less: at 0 all likes weigh the same, at 1 all items do.",
            at_least=0,
            at_most=1,
            option=False,
        ),
    ] = 0.0
    table_rate: Annotated[
        float,
        Setting(
            "Peak learning rate of the items' own vectors, which start as the teacher's. Without a teacher they learn "
            "at `tower_rate`.",
            at_least=0,
            option=False,
        ),
    ] = 2e-4
    group_prior: Annotated[
        float,
        Setting(
            "Weight, within the pair task, of expecting from a user without a history what users with a similar "
            "profile like.",
            at_least=0,
            option=False,
        ),
    ] = 10.0
    profile_dropout: Annotated[
        float,
        Setting(
            "Share of a profile vector's entries that is dropped: there are far fewer users than entries.",
            at_least=0,
            below=1,
            option=False,
        ),
    ] = 0.7
    user_decay: Annotated[
        float, Setting("Weight decay of the layers that make a user's vector.", at_least=0, option=False)
    ] = 15.0
    user_share: Annotated[
        float,
        Setting(
            "Share of the usual rate at which users' and items' vectors learn from behaviour prediction, which asks "
            "for other things than ranking does. Its own heads learn at the full rate.",
            at_least=0,
            below=1,
            option=False,
        ),
    ] = 0.05
    memory: Annotated[
        int,
        Setting(
            "Maximum number of items that the trained item tower remembers; the most popular ones.",
            at_least=0,
            option=False,
        ),
    ] = 16_384
    warm_up_steps: Annotated[
        int,
        Setting(
            "Steps, before all others, on the encoder alone: two renderings of an item, with attributes left out, "
            "should be near each other. For catalogues with few interactions or none.",
            at_least=0,
            option=False,
        ),
    ] = 0
    tower_steps: Annotated[
        int,
        Setting(
            "Steps on the towers alone, over the pretrained encoder's vectors, before the encoder is trained.",
            at_least=0,
            option=False,
        ),
    ] = 150
    joint_steps: Annotated[
        int,
        Setting(
            "Maximum number of steps on encoder and towers together; the time grows in proportion.",
            at_least=0,
            flag="--steps",
        ),
    ] = 400
    joint_text: Annotated[
        int,
        Setting(
            "Maximum number of characters of items' texts that the joint steps read: longer texts get fewer steps.",
            at_least=1,
            option=False,
        ),
    ] = 900_000
    final_steps: Annotated[
        int,
        Setting("Steps on the towers alone, over the trained encoder's vectors.", at_least=0, option=False),
    ] = 50
    items: Annotated[
        int,
        Setting(
            "Number of items encoded in a joint step; on a CPU the time of a step grows in proportion.",
            at_least=1,
            option=False,
        ),
    ] = 32
    profiles: Annotated[int, Setting("Number of profiles encoded in a joint step.", at_least=0, option=False)] = 4
    users: Annotated[int, Setting("Number of users in a step.", at_least=1, option=False)] = 1024
    candidates: Annotated[
        int,
        Setting(
            "Maximum number of items that a step ranks; a smaller catalogue is ranked whole.", at_least=1, option=False
        ),
    ] = 4096
    encoder_rate: Annotated[
        float, Setting("Peak learning rate of the encoder's top layer.", at_least=0, option=False)
    ] = 1e-4
    layer_decay: Annotated[
        float,
        Setting("Each layer learns at this share of the rate of the layer above it.", above=0, at_most=1, option=False),
    ] = 0.9
    tower_rate: Annotated[
        float, Setting("Peak learning rate of the towers and the match head.", at_least=0, option=False)
    ] = 2e-3
    attribute_rate: Annotated[
        float, Setting("Peak learning rate of the layers that predict items' attributes.", at_least=0, option=False)
    ] = 2e-3
    attribute_decay: Annotated[
        float,
        Setting(
            "Weight decay of these layers: there are few items to learn attributes from.", at_least=0, option=False
        ),
    ] = 5.0
    weight_decay: Annotated[float, Setting("Weight decay of AdamW.", at_least=0, option=False)] = 0.1
    frozen_layers: Annotated[
        int,
        Setting(
            "Number of encoder layers, from the bottom, that are not trained. The word embeddings never are: a "
            "catalogue's few words would drift away from all others.",
            at_least=0,
        ),
    ] = 0
    lora_rank: Annotated[
        int,
        Setting(
            "Rank of the adapters by which the encoder's linear maps learn, which needs less memory; they are merged "
            "into the weights in the end. 0 trains the weights themselves.",
            at_least=0,
            option=False,
        ),
    ] = 0
    dropout: Annotated[
        float, Setting("Share of the towers' inputs that is dropped.", at_least=0, below=1, option=False)
    ] = 0.1
    hide_labels: Annotated[
        float,
        Setting(
            "Share of the texts from which the attributes to be predicted are left out.",
            at_least=0,
            below=1,
            option=False,
        ),
    ] = 0.5
    field_dropout: Annotated[
        float,
        Setting(
            "Share of the other attributes that is left out, so that a missing one does little harm.",
            at_least=0,
            below=1,
            option=False,
        ),
    ] = 0.05
    stray_words: Annotated[
        float,
        Setting(
            "Share of the texts with all their labels into which up to eight words of other items are put, so that "
            "keywords that do not belong there mislead less.",
            at_least=0,
            below=1,
            option=False,
        ),
    ] = 0.5
    typing_errors: Annotated[
        float,
        Setting(
            "Share of these texts in which three of ten longer words are mistyped.", at_least=0, below=1, option=False
        ),
    ] = 0.2
    no_history: Annotated[
        float,
        Setting(
            "Share of the users that are trained without a history, as new users come.",
            at_least=0,
            below=1,
            option=False,
        ),
    ] = 0.15
    no_profile: Annotated[
        float, Setting("Share of the users that are trained without a profile.", at_least=0, below=1, option=False)
    ] = 0.2
    teacher_regularisation: Annotated[
        float, Setting("Regularisation of the ALS teacher; higher is smoother.", at_least=0, option=False)
    ] = 20.0
    teacher_confidence: Annotated[
        float, Setting("How much more a like weighs than its absence, for the teacher.", above=0, option=False)
    ] = 10.0
    teacher_choice: Annotated[
        float,
        Setting(
            "How much a choice that was not liked weighs beside a like, for the teacher.", at_least=0, option=False
        ),
    ] = 0.1
    teacher_iterations: Annotated[int, Setting("Number of iterations of the ALS teacher.", above=0, option=False)] = 15
    average: Annotated[
        float,
        Setting(
            "Share of the joint steps, the last ones, over which the encoder's weights are averaged.",
            at_least=0,
            at_most=1,
            option=False,
        ),
    ] = 0.5
    quantisation_noise: Annotated[
        float,
        Setting(
            "Share of the joint steps, the last ones, in which the encoder rounds as its int8 graph will.",
            at_least=0,
            at_most=1,
            option=False,
        ),
    ] = 0.0
    closed_form: Annotated[
        bool,
        Setting(
            "Whether texts put items by a regression in closed form, unless what steps left is clearly better.",
            option=False,
        ),
    ] = True
    factors: Annotated[
        int,
        Setting(
            "Factors of alternating least squares that stand behind the trained numbers of a vector, at most; 0: none.",
            at_least=0,
            option=False,
        ),
    ] = 128
    wide_part: Annotated[
        bool, Setting("Whether word pieces may count by themselves where texts put items.", option=False)
    ] = True
    adaptive: Annotated[
        bool,
        Setting(
            "Whether the regression's penalty and weights are chosen on the data, and longer texts get fewer steps.",
            option=False,
        ),
    ] = True
    new_item_level: Annotated[
        bool, Setting("Whether new items' scores are levelled with known ones' by items set aside.", option=False)
    ] = True
    threads: Annotated[int, Setting("Number of torch's threads; the result depends on it.", at_least=1)] = 2
    max_minutes: Annotated[
        float,
        Setting(
            "After this time the joint steps end early, and the run says so. The result of a run that was cut depends "
            "on the machine.",
            above=0,
        ),
    ] = 6.5
    checkpoint_seconds: Annotated[
        float, Setting("Time between two checkpoints, in seconds.", at_least=0, option=False)
    ] = 30.0

    def __post_init__(self) -> None:
        check(self)
        if not self.user_task + self.item_task + self.pair_task:
            raise ConfigError("TrainConfig: user_task, item_task and pair_task are all 0; switch one of them on")

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
