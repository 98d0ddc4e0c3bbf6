"""What each part of the training is worth: variants of it with one thing changed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any, Final

from emberline.engine.errors import ConfigError
from emberline.export.training.config import TrainConfig

#: The complete training, beside which the others stand.
COMPLETE: Final = "complete"
#: The same with facts of a graph.
WITH_FACTS: Final = "with facts"

#: By name, the settings that are changed.
ABLATIONS: Final[Mapping[str, Mapping[str, Any]]] = tomllib.loads(
    resources.files(__package__).joinpath("ablations.toml").read_text(encoding="utf-8")
)
#: Settings that count steps, which a short budget shortens.
_STEPS: Final = ("warm_up_steps", "tower_steps", "joint_steps", "final_steps")


def section(scenario: str) -> str:
    """The section of the measurements in which ablations stand beside each other."""
    return f"ablations, {scenario}"


def chosen(names: Sequence[str]) -> list[str]:
    """The ablations of that name, or all for ``all``.

    Raises:
        ConfigError: there is none of a name.
    """
    if "all" in names:
        return list(ABLATIONS)
    for name in names:
        if name not in ABLATIONS:
            raise ConfigError(f"there is no ablation {name!r}; choose from {', '.join(ABLATIONS)}, or all")
    return list(dict.fromkeys(names))


def variant(config: TrainConfig, name: str, budget: float) -> TrainConfig:
    """A training with one thing changed.

    Args:
        config: the complete training.
        name: `COMPLETE`, or an ablation.
        budget: the share of the steps that are made; short trainings compare well enough with short ones.

    Raises:
        ConfigError: the budget is not above 0 and at most 1.
    """
    if not 0 < budget <= 1:
        raise ConfigError(f"the budget is a share of the training's steps, above 0 and at most 1, not {budget:g}")
    changed = replace(config, **ABLATIONS.get(name, {}))
    return replace(changed, **{steps: round(budget * getattr(changed, steps)) for steps in _STEPS})
