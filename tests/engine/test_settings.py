from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from emberline.engine.errors import ConfigError
from emberline.engine.settings import Setting, SettingRefused, check, explained, settings_of


@explained
@dataclass(frozen=True, slots=True, kw_only=True)
class Kiln:
    """A kiln."""

    shelves: Annotated[int, Setting("Number of shelves.", at_least=1, at_most=9)] = 3
    heat: Annotated[float, Setting("Heat, in degrees.", above=0, below=2000)] = 1200.0
    fuel: Annotated[Literal["wood", "gas"], Setting("What burns.")] = "wood"
    vented: Annotated[bool, Setting("Whether it is vented.")] = False
    log: Annotated[Path | None, Setting("File of the log.")] = None
    side: str = "north"

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("shelves", 0, "is 0; it must be at least 1 and at most 9"),
        ("shelves", 10, "is 10; it must be at least 1 and at most 9"),
        ("heat", 0.0, "is 0.0; it must be above 0 and below 2000"),
        ("heat", 2000.0, "is 2000.0; it must be above 0 and below 2000"),
        ("heat", float("nan"), "is nan; it must be above 0 and below 2000"),
        ("fuel", "coal", "is 'coal'; choose one of wood, gas"),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: Any, rule: str) -> None:
    """The error has the setting, its value and its range."""
    with pytest.raises(SettingRefused) as refused:
        Kiln(**{name: value})
    assert str(refused.value) == f"Kiln.{name} {rule}"
    assert (refused.value.name, refused.value.reason) == (name, rule)


@pytest.mark.parametrize("values", [{"shelves": 1}, {"shelves": 9}, {"heat": 0.1}, {"heat": 1999.9}, {"log": None}])
def test_the_ends_of_a_range_are_allowed(values: dict[str, Any]) -> None:
    """A bound that is included is a value; so is None where a setting may be left open."""
    assert Kiln(**values)


def test_settings_have_their_types_and_defaults() -> None:
    """Every field with a setting is one, in order; a field without is none."""
    described = settings_of(Kiln)
    assert list(described) == ["shelves", "heat", "fuel", "vented", "log"]
    assert [setting.default for setting in described.values()] == [3, 1200.0, "wood", False, None]
    assert [setting.kind for setting in described.values()] == [int, float, Literal["wood", "gas"], bool, Path]
    assert [setting.optional for setting in described.values()] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("shelves", "4", 4),
        ("heat", "1e3", 1000.0),
        ("fuel", "gas", "gas"),
        ("vented", "true", True),
        ("vented", "OFF", False),
        ("log", "a.txt", Path("a.txt")),
    ],
)
def test_text_is_read_by_the_type(name: str, text: str, value: object) -> None:
    """A value that was written as text has the type of its field."""
    parsed = settings_of(Kiln)[name].parse(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("shelves", "4.5", "write a whole number"),
        ("heat", "hot", "write a number"),
        ("fuel", "coal", "choose one of wood, gas"),
        ("vented", "maybe", "write true or false"),
    ],
)
def test_text_of_another_type_is_refused(name: str, text: str, message: str) -> None:
    """The error says how a value is written."""
    with pytest.raises(ValueError, match=message):
        settings_of(Kiln)[name].parse(text)


def test_the_docstring_explains_each_setting() -> None:
    """What is written at the field is read at the class."""
    assert Kiln.__doc__ is not None
    assert "        shelves: Number of shelves.\n        heat: Heat, in degrees.\n" in Kiln.__doc__


def test_a_refused_setting_is_a_configuration_error() -> None:
    """Who catches errors of configuration catches this one."""
    assert issubclass(SettingRefused, ConfigError)
