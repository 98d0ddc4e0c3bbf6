"""What takes part in a measurement of cold start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emberline.engine.bundle import Precision
from emberline.engine.errors import ConfigError
from emberline.export.data.description import Description
from emberline.export.training.config import TrainConfig

#: The model's name where none is given.
MODEL: Final = "Emberline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What takes part."""

    description: Description  # the data set's, without a graph.
    data: Path | None = None  # its folder; None: the one that the description names.
    graph: Path | None = None  # a file of triples, for a second variant of the data set with facts; None: none.
    #: trained models by name and folder; those of one name differ in the seed of their split.
    runs: tuple[tuple[str, Path], ...] = ()
    bundles: tuple[Path, ...] = ()  # exported from these runs, one for each, in the same order; empty: none is served.
    precision: Precision = "int8"  # precision of the bundles' encoders.
    in_process: bool = False  # whether the bundles' graphs run in this process, without a server.
    #: whether to train a model for each seed, data-set variant and the split by time that no run is given for.
    train: bool = False
    ablations: tuple[str, ...] = ()  # names of trainings with one thing changed.
    budget: float = 1.0  # the share of the steps that the ablations' trainings make.
    training: TrainConfig = field(default_factory=TrainConfig)  # the settings of what is trained.
    folder: Path = Path("runs")  # where trained runs are kept.
    kept: Path | None = None  # where finished parts are kept and found again; None: nowhere.
    bad_data: bool = True  # whether to corrupt the new items' data, too.

    def __post_init__(self) -> None:
        if self.bundles and len(self.bundles) != len(self.runs):
            raise ConfigError(
                f"there are {len(self.bundles)} bundles and {len(self.runs)} runs; give one --bundle for each --run, "
                "in the same order, so that each is measured on what its model was not trained on"
            )
