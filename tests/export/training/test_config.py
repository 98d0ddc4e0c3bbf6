from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from emberline.engine.errors import ConfigError
from emberline.engine.settings import settings_of
from emberline.export.training.config import TrainConfig

DOCUMENT = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("dimensions", -1),
        ("temperature", 0.0),
        ("user_task", -1.0),
        ("joint_steps", -1),
        ("dropout", 1.0),
        ("layer_decay", 0.0),
        ("average", 1.5),
        ("stray_words", 1.0),
        ("typing_errors", -0.1),
        ("quantisation_noise", 1.5),
        ("encoder_rate", float("nan")),
        ("max_minutes", 0.0),
    ],
)
def test_a_setting_out_of_range_is_named(setting: str, value: float) -> None:
    """A setting out of its range is refused by name, with its value."""
    with pytest.raises(ConfigError, match=rf"TrainConfig\.{setting} is {value}"):
        replace(TrainConfig(), **{setting: value})


def test_one_task_must_be_on() -> None:
    """With all three tasks switched off there is nothing to train."""
    with pytest.raises(ConfigError, match="user_task, item_task and pair_task"):
        TrainConfig(user_task=0, item_task=0, pair_task=0)


def test_every_setting_is_explained() -> None:
    """The docstring has a line for every setting."""
    for field in fields(TrainConfig):
        assert f"        {field.name}: " in (TrainConfig.__doc__ or "")


def test_differences_name_settings_and_values() -> None:
    """What differs between two configurations is named, with both values."""
    assert TrainConfig(seed=1).differences(TrainConfig(seed=2, users=8)) == ["seed: 1, 2", "users: 1024, 8"]


def test_every_setting_is_documented() -> None:
    """The table of settings in docs/training.md has a row for every setting, with its default and its explanation."""
    table = DOCUMENT.partition("| setting | default | meaning |\n|---|---|---|\n")[2].strip().splitlines()
    described = settings_of(TrainConfig)
    assert table == [
        f"| `{field.name}` | `{field.default}` | {described[field.name].setting.help.replace('``', '`')} |"
        for field in fields(TrainConfig)
    ]
