"""A table of a TOML file, read key by key: wrong types, missing keys and keys that nobody knows are errors."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from emberline.engine.errors import DataError


class TomlTable:
    """Checked access to one table.

    Args:
        values: as `tomllib` gives them.
        source: the file, for messages.
        name: the table's name, e.g. ``item.fields.title``; empty for the top level.
    """

    def __init__(self, values: Mapping[str, Any], source: str, name: str = "") -> None:
        self._values = dict(values)
        self._source = source
        self._name = name
        self._asked: set[str] = set()

    def keys(self) -> list[str]:
        """The table's keys in the file's order."""
        return list(self._values)

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self._take(key)
        if value is None:
            self.fail(key, 'is missing; it must be a text, e.g. "…"')
        return self._checked_text(key, value)

    def optional_text(self, key: str) -> str | None:
        """A text, or None if the key is not there."""
        value = self._take(key)
        return None if value is None else self._checked_text(key, value)

    def optional_count(self, key: str) -> int | None:
        """A whole number from 1, or None if the key is not there."""
        value = self._take(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            self.fail(key, f"must be a whole number from 1, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of different texts; empty if the key is not there."""
        value = self._take(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fail(key, f'must be a list of texts, e.g. ["a", "b"], not {value!r}')
        found = tuple(self._checked_text(key, entry) for entry in value)
        if len(set(found)) < len(found):
            self.fail(key, f"names something twice: {', '.join(found)}")
        return found

    def table(self, key: str) -> TomlTable:
        """A table within this one; an empty one if the key is not there."""
        value = self._take(key)
        name = f"{self._name}.{key}" if self._name else key
        if value is not None and not isinstance(value, dict):
            self.fail(key, f"must be a table, [{name}], not {value!r}")
        return TomlTable(value or {}, self._source, name)

    def close(self) -> None:
        """Refuse keys that nobody asked for: a misspelt key would otherwise change nothing, silently.

        Raises:
            DataError: there is one.
        """
        for key in self._values:
            if key not in self._asked:
                self.fail(key, f"is unknown here; the known keys are {', '.join(sorted(self._asked))}")

    def fail(self, key: str, reason: str) -> NoReturn:
        """Refuse a key's value.

        Raises:
            DataError: always.
        """
        where = f"[{self._name}] {key}" if self._name else key
        raise DataError(f"{self._source}: {where} {reason}")

    def _take(self, key: str) -> Any:  # tomllib's values have any type; the callers check it
        self._asked.add(key)
        return self._values.get(key)

    def _checked_text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            self.fail(key, f"must be a text that is not empty, not {value!r}")
        return value


def read_toml(path: Path) -> tuple[TomlTable, str]:
    """Read a data-set description.

    Returns:
        Its top level, and its text.

    Raises:
        DataError: it cannot be read, or is not TOML.
    """
    try:
        # Editors of Windows put a byte order mark in front, which TOML does not know.
        text = path.read_text(encoding="utf-8-sig")
        return TomlTable(tomllib.loads(text), str(path)), text
    except OSError as error:
        raise DataError(f"{path}: cannot read this data-set description: {error.strerror}") from error
    except ValueError as error:  # broken UTF-8 or broken TOML; both messages say where
        raise DataError(f"{path}: not a TOML file: {error}") from error
