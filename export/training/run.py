"""The run folder: all that a training run leaves, and all that export needs.

```
config.json        the settings, the split and where the data was
description.toml   the data set's description
data.json          what was read, and what was odd or left out
vocabulary.json    which word pieces were kept, if not all
checkpoint.pt      where training stands
model/             the trained model with its tokenizer
events/            TensorBoard's event files
curves.png         the training curves
metrics.json       what the model is worth on what was held out
distillation.pt    of a student: its encoder, or where its distillation stands
student.json       of a student: what it is worth beside its teacher
```
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emberline.engine.errors import ConfigError, DataError
from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset
from emberline.export.data.split import Fractions, Split, split

from .config import TrainConfig
from .trained import TrainedModel


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where each part of a run lies.

    Attributes:
        root: the run's folder.
    """

    root: Path

    @property
    def config(self) -> Path:
        """The settings, the split and where the data was."""
        return self.root / "config.json"

    @property
    def description(self) -> Path:
        """The data set's description."""
        return self.root / "description.toml"

    @property
    def data(self) -> Path:
        """What was read, and what was odd or left out."""
        return self.root / "data.json"

    @property
    def vocabulary(self) -> Path:
        """How many word pieces were kept; there is none if all were."""
        return self.root / "vocabulary.json"

    def data_warnings(self) -> list[str]:
        """What the report of the data warned of; empty if the run was not trained from the command line."""
        return [str(warning) for warning in self._data_report().get("warnings", [])]

    def text_coverage(self) -> dict[str, Any]:
        """How much of the texts the encoder reads; empty if the run was not trained from the command line."""
        return dict(self._data_report().get("texts") or {})

    def _data_report(self) -> dict[str, Any]:
        return dict(json.loads(self.data.read_text(encoding="utf-8"))) if self.data.is_file() else {}

    @property
    def checkpoint(self) -> Path:
        """Where training stands."""
        return self.root / "checkpoint.pt"

    @property
    def model(self) -> Path:
        """The trained model's folder; written last, so a run without one is not finished."""
        return self.root / "model"

    @property
    def events(self) -> Path:
        """TensorBoard's event files."""
        return self.root / "events"

    @property
    def curves(self) -> Path:
        """The training curves as a picture."""
        return self.root / "curves.png"

    @property
    def metrics(self) -> Path:
        """What the model is worth on what was held out."""
        return self.root / "metrics.json"

    @property
    def distillation(self) -> Path:
        """A student's encoder, or where its distillation stands."""
        return self.root / "distillation.pt"

    @property
    def report(self) -> Path:
        """What a student is worth beside its teacher."""
        return self.root / "student.json"

    @property
    def begun(self) -> bool:
        """Whether a training or a distillation has begun here, which could be gone on with."""
        return self.config.is_file() or self.distillation.is_file()

    def taken(self, doing: str) -> ConfigError:
        """Return what is said to who would begin another one here; `doing` is the command."""
        return ConfigError(
            f"{self.root} holds a run already; go on with it with --resume, replace it with --again, or {doing} into "
            "another folder"
        )


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run was started with, besides the description.

    Attributes:
        training: the settings.
        data: the data folder; None: the one that the description names.
        split_seed: of the split.
        fractions: of the split.
    """

    training: TrainConfig
    data: Path | None
    split_seed: int
    fractions: Fractions

    def write(self, path: Path) -> None:
        """Write the settings as JSON."""
        raw = {
            "training": asdict(self.training),
            "data": None if self.data is None else str(self.data),
            "split_seed": self.split_seed,
            "fractions": asdict(self.fractions),
        }
        path.write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> RunSettings:
        """Read the settings of a run.

        Raises:
            DataError: there is none, or another version wrote it.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            data = None if raw["data"] is None else Path(raw["data"])
            return cls(TrainConfig(**raw["training"]), data, raw["split_seed"], Fractions(**raw["fractions"]))
        except FileNotFoundError:
            raise DataError(
                f"{path.parent} is not a run folder: it has no {path.name}; train one with `emberline train`"
            ) from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path} holds no training settings ({error}); train again into another folder") from error

    def require_same(self, other: RunSettings) -> None:
        """Make sure that a run is resumed with what it was started with.

        Raises:
            ConfigError: naming what differs.
        """
        differ = self.training.differences(other.training)
        if self.split_seed != other.split_seed or self.fractions != other.fractions:
            differ.append("the split")
        if self.data != other.data:
            differ.append(f"data: {self.data}, {other.data}")
        if differ:
            raise ConfigError(
                f"the run was started with other settings ({'; '.join(differ)}); resume it with its own, or train into "
                "another folder"
            )


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        trained: the model with its tokenizer.
        description: the data set's.
        settings: what it was started with.
        metrics: what the model is worth on what was held out, by part and measure.
    """

    folder: RunFolder
    trained: TrainedModel
    description: Description
    settings: RunSettings
    metrics: dict[str, Any]

    def data(self) -> tuple[Dataset, Split]:
        """Read the data set again and split it as in training.

        Raises:
            DataError: the data is not there any more, or cannot be read.
        """
        dataset, _ = read(self.description, self.settings.data)
        return dataset, split(dataset, self.settings.split_seed, self.settings.fractions)


def load_run(root: Path) -> Run:
    """Load a finished run.

    Raises:
        DataError: the folder is not a run folder, or training has not finished.
    """
    folder = RunFolder(root)
    settings = RunSettings.read(folder.config)
    if not folder.model.is_dir():
        raise DataError(
            f"{root} is not finished: it has no {folder.model.name}; resume it with `emberline train {root} --resume`"
        )
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    return Run(folder, TrainedModel.load(folder.model), Description.read(folder.description), settings, metrics)
