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
    """What takes part.

    Attributes:
        description: the data set's, without a graph.
        data: its folder; None: the one that the description names.
        graph: a file of triples, for a second variant of the data set with facts; None: none.
        runs: trained models by name and folder; those of one name differ in the seed of their split.
        bundles: exported from these runs, one for each, in the same order; empty: none is served.
        precision: of the served bundles' encoders.
        train: whether to train a model for each seed, data-set variant and the split by time that no run is given for.
        ablations: names of trainings with one thing changed.
        budget: the share of the steps that the ablations' trainings make.
        training: the settings of what is trained.
        folder: where trained runs are kept.
        bad_data: whether to corrupt the new items' data, too.
    """

    description: Description
    data: Path | None = None
    graph: Path | None = None
    runs: tuple[tuple[str, Path], ...] = ()
    bundles: tuple[Path, ...] = ()
    precision: Precision = "int8"
    train: bool = False
    ablations: tuple[str, ...] = ()
    budget: float = 1.0
    training: TrainConfig = field(default_factory=TrainConfig)
    folder: Path = Path("runs")
    bad_data: bool = True

    def __post_init__(self) -> None:
        if self.bundles and len(self.bundles) != len(self.runs):
            raise ConfigError(
                f"there are {len(self.bundles)} bundles and {len(self.runs)} runs; give one --bundle for each --run, "
                "in the same order, so that each is measured on what its model was not trained on"
            )
