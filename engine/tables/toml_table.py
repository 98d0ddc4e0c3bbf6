"""Checked reading of a TOML table: wrong types, missing keys and unknown keys are errors."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from emberline.engine.errors import DataError


class TomlTable:
    """Checked access to one table.

    Args:
        values: values as `tomllib` returns them.
        source: the file, for messages.
        name: name of the table, e.g. ``item.fields.title``; empty for the top level.
    """

    def __init__(self, values: Mapping[str, Any], source: str, name: str = "") -> None:
        self._values = dict(values)
        self._source = source
        self._name = name
        self._read: set[str] = set()

    def keys(self) -> list[str]:
        """Return the keys of the table, in the file's order."""
        return list(self._values)

    def text(self, key: str) -> str:
        """Return a required text."""
        value = self._take(key)
        if value is None:
            self.fail(key, 'is missing; it must be a text, e.g. "…"')
        return self._checked_text(key, value)

    def optional_text(self, key: str) -> str | None:
        """Return a text, or None without the key."""
        value = self._take(key)
        return None if value is None else self._checked_text(key, value)

    def optional_count(self, key: str) -> int | None:
        """Return an integer of at least 1, or None without the key."""
        value = self._take(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            self.fail(key, f"must be a whole number from 1, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of distinct texts, which is empty without the key."""
        value = self._take(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fail(key, f'must be a list of texts, e.g. ["a", "b"], not {value!r}')
        entries = tuple(self._checked_text(key, entry) for entry in value)
        if len(set(entries)) < len(entries):
            self.fail(key, f"names something twice: {', '.join(entries)}")
        return entries

    def table(self, key: str) -> TomlTable:
        """Return a table within this one, which is empty without the key."""
        value = self._take(key)
        name = f"{self._name}.{key}" if self._name else key
        if value is not None and not isinstance(value, dict):
            self.fail(key, f"must be a table, [{name}], not {value!r}")
        return TomlTable(value or {}, self._source, name)

    def close(self) -> None:
        """Reject keys that were not read, because a misspelt key would otherwise be ignored silently.

        Raises:
            DataError: the table has such a key.
        """
        for key in self._values:
            if key not in self._read:
                self.fail(key, f"is unknown here; the known keys are {', '.join(sorted(self._read))}")

    def fail(self, key: str, reason: str) -> NoReturn:
        """Reject the value of a key.

        Raises:
            DataError: always.
        """
        path = f"[{self._name}] {key}" if self._name else key
        raise DataError(f"{self._source}: {path} {reason}")

    def _take(self, key: str) -> Any:  # tomllib's values have any type; the callers check it
        self._read.add(key)
        return self._values.get(key)

    def _checked_text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            self.fail(key, f"must be a text that is not empty, not {value!r}")
        return value


def read_toml(path: Path) -> tuple[TomlTable, str]:
    """Read a data-set description.

    Returns:
        The top-level table, and the text of the file.

    Raises:
        DataError: the file cannot be read, or is not TOML.
    """
    try:
        # Some editors write a byte order mark, which TOML does not allow.
        text = path.read_text(encoding="utf-8-sig")
        return TomlTable(tomllib.loads(text), str(path)), text
    except OSError as error:
        raise DataError(f"{path}: cannot read this data-set description: {error.strerror}") from error
    except ValueError as error:  # broken UTF-8 or broken TOML; both messages say where
        raise DataError(f'{path}: not a TOML file: {error}; write key = "value", with texts in quotes') from error
