"""Options from settings: each field of a configuration class becomes an option.

A value comes from the command line, the environment, the configuration file or the field's default, in this order. On
the command line, an option and `--setting` are equivalent; two different values for one setting are an error.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from emberline.engine.errors import ConfigError
from emberline.engine.settings import Described, SettingRefused, settings_of

C = TypeVar("C")

#: Prefix of the environment variables.
_PREFIX: Final = "EMBERLINE_"

_KINDS: Final = {int: "INTEGER", float: "NUMBER", Path: "PATH", str: "TEXT"}

_Setting = Annotated[
    list[str] | None,
    typer.Option("--setting", metavar="NAME=VALUE", help="Any setting by its name. May be repeated."),
]
_Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=f"{_PREFIX}CONFIG",
        help="TOML file with settings by name. Options and environment variables come before it.",
    ),
]


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a setting, and its source, e.g. ``--max-batch`` or ``EMBERLINE_MAX_BATCH``."""

    value: Any
    source: str


def settings_from(config: type, entries: Sequence[str]) -> dict[str, Any]:
    """Parse settings of a configuration from ``NAME=VALUE``.

    Raises:
        ConfigError: a setting is unknown, has a value of another type, or has two values.
    """
    return {name: value.value for name, value in _from_command_line(settings_of(config), {}, entries).items()}


class GivenSettings:
    """The settings with a value from the user, by name. All others have their defaults."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def make(self, config: Callable[..., C], **others: Any) -> C:
        """Make a configuration from those settings that it has.

        Args:
            config: class of the configuration.
            others: other arguments of the class.

        Raises:
            ConfigError: a value is out of its range. The error names its source.
        """
        own = {name: value.value for name, value in self._values.items() if name in settings_of(_class(config))}
        try:
            return config(**own, **others)
        except SettingRefused as error:
            value = self._values.get(error.name)
            raise ConfigError(f"{value.source} {error.reason}") if value else error from None


def takes_settings(*configs: type, file: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's parameter `settings` by the options of its configurations.

    Args:
        configs: classes of the configurations.
        file: whether environment variables and a configuration file are read as well.
    """
    known = {name: described for config in configs for name, described in settings_of(config).items()}
    options = [_option(described) for described in known.values() if described.setting.option]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            values = {option.name: arguments.pop(option.name) for option in options}
            values = _from_command_line(known, values, arguments.pop("setting") or ())
            if file:
                path = arguments.pop("config")
                values = {**_from_file(known, path), **_from_environment(known), **values}
            command(**arguments, settings=GivenSettings(values))

        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            if parameter.name != "settings":
                parameters.append(parameter)
                continue
            parameters += options
            parameters.append(_parameter("setting", _Setting))
            if file:
                parameters.append(_parameter("config", _Config))
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _class(config: Callable[..., object]) -> type:
    assert isinstance(config, type)
    return config


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _option(described: Described) -> inspect.Parameter:
    setting = described.setting
    if described.kind is bool:
        switch = typer.Option(described.flag, help=setting.help, show_default=False)
        return _parameter(described.name, Annotated[bool | None, switch])
    choices = f" One of {', '.join(described.choices)}." if described.choices else ""
    option = typer.Option(
        described.flag,
        metavar=setting.metavar or ("NAME" if described.choices else _KINDS[described.kind]),
        help=f"{setting.help}{choices} (default: {setting.shown_default or described.default})",
        show_default=False,
    )
    # A list, so that two values for one option can be detected.
    return _parameter(described.name, Annotated[list[str] | None, option])


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _from_command_line(
    known: Mapping[str, Described], options: Mapping[str, Any], settings: Sequence[str]
) -> dict[str, Value]:
    pairs: list[tuple[str, Value]] = []
    for name, texts in options.items():
        flag = known[name].flag
        if isinstance(texts, bool):
            pairs.append((name, Value(texts, flag)))
        else:
            pairs += [(name, _parsed(known[name], text, flag)) for text in texts or ()]
    for entry in settings:
        name, equals, text = entry.partition("=")
        if not equals:
            raise ConfigError(f"--setting {entry}: write NAME=VALUE")
        described = _known(known, name, f"--setting {entry}")
        pairs.append((name, _parsed(described, text, f"--setting {name}")))
    values: dict[str, Value] = {}
    for name, value in pairs:
        earlier = values.setdefault(name, value)
        if earlier.value != value.value:
            raise ConfigError(
                f"{earlier.source} is {earlier.value} and {value.source} is {value.value}, which are the same setting; "
                "give it once"
            )
    return values


def _from_environment(known: Mapping[str, Described]) -> dict[str, Value]:
    texts = {name: os.environ.get(_variable(name)) for name in known}
    return {
        name: _parsed(known[name], text, _variable(name)) for name, text in texts.items() if text is not None and text
    }


def _from_file(known: Mapping[str, Described], path: Path | None) -> dict[str, Value]:
    if path is None:
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--config {path} cannot be read as TOML ({error}); write lines like max_batch = 16"
        ) from None
    values = {}
    for name, value in table.items():
        described = _known(known, name, f"{path}: {name}")
        # TOML's own types become text, which is parsed as everywhere else.
        text = str(value).lower() if isinstance(value, bool) else str(value)
        values[name] = _parsed(described, text, f"{path}: {name}")
    return values


def _known(known: Mapping[str, Described], name: str, source: str) -> Described:
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, 0.5)
        listed = f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(known)}"
        raise ConfigError(f"{source}: there is no such setting{listed}")
    return known[name]


def _parsed(described: Described, text: str, source: str) -> Value:
    try:
        return Value(described.parse(text), source)
    except ValueError as error:
        raise ConfigError(f"{source} is {text!r}; {error}") from None
