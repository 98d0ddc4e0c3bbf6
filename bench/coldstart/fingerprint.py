"""Digests of what a measurement depends on, by which its results are found again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Final

from emberline import bench, engine, export
from emberline.bench.harness.result import encode
from emberline.export.data.records import Dataset
from emberline.export.pretrained import Pretrained

_MODULES: Final = ("attributes", "behaviour", "corruption", "entries", "saved", "tasks", "tuning", "variants")
#: The code that decides what a baseline is worth: modules, and folders of such.
_CODE: Final = (
    (engine, ("text",)),
    (export, ("baselines", "data", "evaluation", "training/encoding.py")),
    (bench, tuple(f"coldstart/{name}.py" for name in _MODULES)),
)


def fingerprint(dataset: Dataset, encoder: Pretrained) -> str:
    """A digest of a data set, an encoder and the code of the baselines and their measurement."""
    digest = hashlib.sha256()
    for part in (*_of_data(dataset), *_of_encoder(encoder), *_of_code()):
        digest.update(part)
    return digest.hexdigest()


def _of_data(dataset: Dataset) -> Iterable[bytes]:
    yield dataset.description.toml.encode()
    for item in dataset.items:
        yield encode((item.id, item.text, item.attributes))
    for user in dataset.users:
        yield encode((user.id, user.attributes))
    for column in fields(dataset.interactions):
        yield getattr(dataset.interactions, column.name).tobytes()


def _of_encoder(encoder: Pretrained) -> Iterable[bytes]:
    yield encoder.tokenizer.to_str().encode()
    for name, weights in sorted(encoder.encoder.state_dict().items()):
        yield name.encode()
        yield weights.numpy().tobytes()


def _of_code() -> Iterable[bytes]:
    for package, places in _CODE:
        root = Path(package.__path__[0])
        for place in places:
            files = [root / place] if place.endswith(".py") else sorted((root / place).rglob("*.py"))
            for file in files:
                yield file.relative_to(root).as_posix().encode()
                yield file.read_bytes()
