"""What was measured before, kept in a folder: an interrupted measurement goes on where it was.

Values lie in a file of lines of JSON, arrays in files of NumPy's. Each is found again by a digest of all it depends on:
the data, the encoder, the settings and the code that computes it. So nothing has to be thrown away after a change; the
folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emberline.bench.harness.result import encode

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]

#: The file of values.
VALUES: Final = "values.jsonl"


@dataclass(slots=True)
class Kept:
    """What was measured before.

    Attributes:
        folder: where it lies; None: nothing is kept.
        fingerprint: of what everything depends on.
    """

    folder: Path | None = None
    fingerprint: str = ""
    _values: dict[str, Any] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / VALUES
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            try:
                found = msgspec.json.decode(line)
                self._values[found["key"]] = found["value"]
            except (msgspec.MsgspecError, KeyError, TypeError):
                continue  # the line that an interrupt cut

    def value(self, of: tuple[Any, ...], make: Callable[[], T]) -> T:
        """A value that JSON can hold, as it was kept, or made and kept.

        Args:
            of: what it is and what it depends on, beside the fingerprint.
            make: gives it.
        """
        key = self._key(of)
        if key not in self._values:
            value = make()
            if self.folder is None:
                return value
            line = encode({"key": key, "of": of, "value": value})
            self._values[key] = msgspec.json.decode(line)["value"]
            with (self.folder / VALUES).open("ab") as file:
                # A line of its own, whatever an interrupt has left before it.
                file.write(b"\n" + line + b"\n")
        found: T = self._values[key]
        return found

    def arrays(self, of: tuple[Any, ...], make: Callable[[], Arrays]) -> Arrays:
        """Arrays by name, as they were kept, or made and kept; see `value`."""
        if self.folder is None:
            return make()
        path = self.folder / f"{self._key(of)}.npz"
        if not path.is_file():
            whole = path.with_suffix(f".{os.getpid()}.part")
            with whole.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **make())
            whole.replace(path)
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}

    def _key(self, of: tuple[Any, ...]) -> str:
        return hashlib.sha256(encode((self.fingerprint, of))).hexdigest()[:32]
