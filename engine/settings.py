"""Settings, each written once: a field of a dataclass with its type, its default, its explanation and its range.

The command line's options, `--setting`, the environment variables, the configuration file and the tables of the
documentation are all made from the field::

    @explained
    @dataclass(frozen=True, slots=True, kw_only=True)
    class CacheConfig:
        \"\"\"How vectors are cached.\"\"\"

        max_bytes: Annotated[int, Setting("Memory for cached vectors, in bytes.", at_least=0)] = 1024

        def __post_init__(self) -> None:
            check(self)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError

C = TypeVar("C", bound=type)

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Setting:
    """The description of a setting, in addition to its type and its default.

    Attributes:
        help: effect and trade-off of the setting, in sentences.
        metavar: form of the value, for the help; empty: derived from the type.
        shown_default: the default in words, if its value says little.
        at_least: inclusive lower bound; None: no bound, as for the next three.
        above: exclusive lower bound.
        at_most: inclusive upper bound.
        below: exclusive upper bound.
        flag: name of the option, if it differs from that of the field.
        option: whether commands have an option for it; `--setting` accepts every field.
    """

    help: str
    metavar: str = ""
    shown_default: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    flag: str = ""
    option: bool = True

    @property
    def range(self) -> str:
        """The range in words; empty if every value is valid."""
        limits = (
            ("at least", self.at_least),
            ("above", self.above),
            ("at most", self.at_most),
            ("below", self.below),
        )
        return " and ".join(f"{words} {limit:g}" for words, limit in limits if limit is not None)

    def allows(self, value: float) -> bool:
        """Return whether a number lies in the range. NaN lies in no range."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


@dataclass(frozen=True, slots=True)
class Described:
    """A setting of a configuration class.

    Attributes:
        name: name of the field.
        kind: type of the field, without None.
        optional: whether None is a valid value.
        default: default of the field; `dataclasses.MISSING` if it has none.
        setting: description of the setting.
    """

    name: str
    kind: Any
    optional: bool
    default: Any
    setting: Setting

    @property
    def choices(self) -> tuple[str, ...]:
        """The valid values of a setting with a few choices; empty otherwise."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def flag(self) -> str:
        """The option's name on the command line."""
        return self.setting.flag or f"--{self.name.replace('_', '-')}"

    def parse(self, text: str) -> Any:
        """Parse a value.

        Raises:
            ValueError: the text is not a valid value; the message says what is.
        """
        if self.choices:
            if text not in self.choices:
                raise ValueError(f"choose one of {', '.join(self.choices)}")
            return text
        if self.kind is bool:
            if text.lower() not in (*_TRUE, *_FALSE):
                raise ValueError("write true or false")
            return text.lower() in _TRUE
        try:
            return self.kind(text)
        except ValueError:
            raise ValueError(f"write {'a whole number' if self.kind is int else 'a number'}") from None


class SettingRefused(ConfigError):
    """A setting has an invalid value.

    Attributes:
        name: name of the field.
        reason: the value, and what it must be.
    """

    def __init__(self, owner: str, name: str, reason: str) -> None:
        super().__init__(f"{owner}.{name} {reason}")
        self.name = name
        self.reason = reason


@cache
def settings_of(config: type) -> Mapping[str, Described]:
    """Return the settings of a configuration class by name, in order. Fields without a `Setting` are not settings."""
    hints = get_type_hints(config, include_extras=True)
    return {
        field.name: entry for field in fields(config) if (entry := _described(field, hints[field.name])) is not None
    }


def check(config: object) -> None:
    """Check each setting against its choices and its range.

    Raises:
        SettingRefused: a setting has an invalid value; the first one is named.
    """
    kind: type = type(config)
    for name, described in settings_of(kind).items():
        value = getattr(config, name)
        if value is None and described.optional:
            continue
        if described.choices and value not in described.choices:
            refuse(config, name, f"choose one of {', '.join(described.choices)}")
        setting = described.setting
        if setting.range and not setting.allows(value):
            refuse(config, name, f"it must be {setting.range}")


def refuse(config: object, name: str, rule: str) -> None:
    """Reject the value of a setting.

    Args:
        config: the configuration.
        name: name of the setting.
        rule: what the value must be.

    Raises:
        SettingRefused: always.
    """
    value = getattr(config, name)
    shown = repr(value) if isinstance(value, str) else value
    raise SettingRefused(type(config).__name__, name, f"is {shown}; {rule}")


def explained(config: C) -> C:
    """Add the settings' explanations to the docstring of their class."""
    lines = [f"        {name}: {described.setting.help}" for name, described in settings_of(config).items()]
    config.__doc__ = "\n".join([(config.__doc__ or "").rstrip(), "", "    Attributes:", *lines, ""])
    return config


def _described(field: Field[Any], hint: Any) -> Described | None:
    setting = next((extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Setting)), None)
    if setting is None:
        return None
    kind, optional = get_args(hint)[0], False
    if get_origin(kind) in (Union, UnionType):
        optional = NoneType in get_args(kind)
        kind = next(member for member in get_args(kind) if member is not NoneType)  # the first one parses
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return Described(field.name, kind, optional, default, setting)
