from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from emberline.engine.cli.settings import GivenSettings, settings_from, takes_settings
from emberline.engine.errors import ConfigError
from emberline.engine.settings import Setting, check


@dataclass(frozen=True, slots=True, kw_only=True)
class Oven:
    """An oven."""

    trays: Annotated[int, Setting("Number of trays.", at_least=1)] = 2
    heat: Annotated[float, Setting("Heat.", flag="--degrees")] = 200.0
    fan: Annotated[bool, Setting("Whether the fan is on.")] = False
    grease: Annotated[str, Setting("What greases the trays.", option=False)] = "butter"

    def __post_init__(self) -> None:
        check(self)


Bake = Callable[..., Oven]


@pytest.fixture
def bake() -> Bake:
    """Runs a command with the options of an oven; gives the oven that it made."""
    made: list[Oven] = []
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @takes_settings(Oven, file=True)
    def command(bread: str, settings: GivenSettings) -> None:
        assert bread == "rye"
        made.append(settings.make(Oven))

    def run(*arguments: object, **environment: str) -> Oven:
        result = CliRunner().invoke(app, ["rye", *map(str, arguments)], env=environment, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return made.pop()

    return run


def test_without_options_the_defaults_hold(bake: Bake) -> None:
    """What nobody gives is as the class has it."""
    assert bake() == Oven()


def test_every_field_can_be_set_in_each_way(bake: Bake, tmp_path: Path) -> None:
    """By an option, by its name, by the environment, and in a file."""
    expected = Oven(trays=5, heat=180.0, fan=True, grease="oil")
    assert bake("--trays", 5, "--degrees", 180, "--fan", "--setting", "grease=oil") == expected
    assert bake(*(f"--setting={entry}" for entry in ("trays=5", "heat=180", "fan=true", "grease=oil"))) == expected
    names = {"TRAYS": "5", "HEAT": "180", "FAN": "true", "GREASE": "oil"}
    assert bake(**{f"EMBERLINE_{name}": value for name, value in names.items()}) == expected
    file = tmp_path / "oven.toml"
    file.write_text('trays = 5\nheat = 180.0\nfan = true\ngrease = "oil"\n')
    assert bake("--config", file) == expected
    assert bake(EMBERLINE_CONFIG=str(file)) == expected


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(bake: Bake, tmp_path: Path) -> None:
    """The nearer to the call, the stronger."""
    file = tmp_path / "oven.toml"
    file.write_text("trays = 3\nheat = 3\nfan = true\n")
    assert bake("--config", file, "--trays", 5, EMBERLINE_TRAYS="4", EMBERLINE_HEAT="4") == Oven(
        trays=5, heat=4.0, fan=True
    )


def test_a_setting_that_is_given_twice_must_be_the_same(bake: Bake) -> None:
    """Two values for one setting are an error that names both; twice the same value is not."""
    assert bake("--trays", 5, "--setting", "trays=5").trays == 5
    for arguments in (("--trays", 5, "--setting", "trays=6"), ("--trays", 5, "--trays", 6)):
        with pytest.raises(ConfigError, match=r"--trays is 5 and --\w+( trays)? is 6, which are the same setting"):
            bake(*arguments)


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("--trays", "0"), {}, "--trays is 0; it must be at least 1"),
        (("--setting", "trays=0"), {}, "--setting trays is 0; it must be at least 1"),
        ((), {"EMBERLINE_TRAYS": "0"}, "EMBERLINE_TRAYS is 0; it must be at least 1"),
        (("--degrees", "hot"), {}, "--degrees is 'hot'; write a number"),
        (("--setting", "tray=3"), {}, "--setting tray=3: there is no such setting; did you mean trays"),
        (("--setting", "trays"), {}, "--setting trays: write NAME=VALUE"),
    ],
)
def test_a_wrong_value_is_named_as_it_was_given(
    bake: Bake, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    """The error speaks of the option, the entry or the variable, and of what is right."""
    with pytest.raises(ConfigError) as error:
        bake(*arguments, **environment)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trays = 0", "oven.toml: trays is 0; it must be at least 1"),
        ("tray = 3", "oven.toml: tray: there is no such setting; did you mean trays"),
        ("trays =", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_named(bake: Bake, tmp_path: Path, text: str, message: str) -> None:
    """The error names the file and the line's setting."""
    file = tmp_path / "oven.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        bake("--config", file)
    assert message in str(error.value)


def test_a_missing_file_is_named(bake: Bake, tmp_path: Path) -> None:
    """A configuration file that was asked for must be there."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        bake("--config", tmp_path / "nowhere.toml")


def test_settings_are_read_without_a_command() -> None:
    """Other commands read NAME=VALUE by the same rule."""
    assert settings_from(Oven, ["trays=4", "grease=oil"]) == {"trays": 4, "grease": "oil"}
