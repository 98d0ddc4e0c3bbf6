"""Packing: a bundle's folder to one file, with one precision and the items of choice; and back to a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from .batching.calibration import measure, warm_up
from .bundle import Bundle, FileRecord, Precision
from .bundle.pack import Pack, write_pack
from .catalogue.embedded import EmbeddedCatalogue
from .catalogue.maintenance import compact
from .catalogue.texts import item_texts
from .config import EngineConfig
from .errors import DataError
from .files import written_whole
from .local.blocking import Emberline
from .records import Item, StoredItem
from .runtime.session import OrtSession
from .selftest import SelfTest
from .text.tokenizer import TextTokenizer

#: Texts of the self-test.
_TEXTS: Final = 16
#: Items that are encoded at a time.
_ITEMS: Final = 256
#: Texts in a batch at most, for the costs that are measured.
_BATCH: Final = 32


def pack(
    root: Path,
    target: Path,
    precision: Precision,
    *,
    items: Iterable[Item] | None = None,
    costs: bool = False,
    allow_failed_gate: bool = False,
) -> int:
    """Write a packed bundle.

    Args:
        root: the bundle.
        target: the file to write, which must not exist.
        precision: the encoder that it gets.
        items: the items that it gets, which are encoded; None: those of the bundle.
        costs: whether it gets the encoder's speed on this machine, so that no other measures it.
        allow_failed_gate: whether the precision may have failed its accuracy gate.

    Returns:
        The size of the file, in bytes.

    Raises:
        BundleError: the bundle cannot be used, or does not have the precision.
        DataError: the file exists or cannot be written.
        InvalidInput: an item cannot be encoded.
    """
    if target.exists():
        raise DataError(f"{target} exists; remove it or name another file")
    bundle = Bundle.open(root)
    bundle.admit(precision, allow_failed_gate=allow_failed_gate)
    layout, manifest = bundle.layout, bundle.manifest
    graph = manifest.encoders[precision]
    tokenizer = TextTokenizer(bundle.file(layout.tokenizer), manifest.max_length)
    session = OrtSession(bundle.file(layout.encoder(precision)), graph, "cpu")
    seed = _seed(bundle, precision, items)
    texts = item_texts(bundle)
    report = json.loads(bundle.file(layout.report).read_bytes())
    report["precisions"] = {precision: report["precisions"].get(precision, {})}
    contents = {
        layout.report.name: json.dumps(report).encode(),
        layout.tokenizer.name: bundle.file(layout.tokenizer).read_bytes(),
        layout.selftest.name: SelfTest.record(texts[:: len(texts) // _TEXTS + 1], tokenizer, session).write(),
        **{path.name: bundle.file(path).read_bytes() for path in (layout.item_tower, layout.user_tower, layout.match)},
        layout.encoder(precision).name: bundle.file(layout.encoder(precision)).read_bytes(),
    }
    if costs:
        warm_up(session, manifest.max_length)
        contents[layout.packed_costs.name] = json.dumps(asdict(measure(session, manifest.max_length, _BATCH))).encode()
    contents[layout.catalogue.name] = seed  # last, so that an update of its items leaves the places of all others
    packed = msgspec.structs.replace(manifest, encoders={precision: graph}, files=_records(contents))
    with written_whole(target, mode=0o644) as file:
        write_pack(file, {layout.manifest.name: packed.json(), **contents})
    return target.stat().st_size


def unpack(packed: Path, folder: Path) -> None:
    """Write a packed bundle as a folder, which must not exist.

    Raises:
        BundleError: it is not a packed bundle, or damaged.
        DataError: the folder exists or cannot be written.
    """
    if folder.exists():
        raise DataError(f"{folder} exists; remove it or name another folder")
    Bundle.open(packed)
    entries = Pack(packed)
    part = folder.with_name(f"{folder.name}.part")
    try:
        part.mkdir()
        for name in entries.names:
            (part / name).write_bytes(entries.file(name).content)
        part.rename(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}); check the disk's space") from error


def _seed(bundle: Bundle, precision: Precision, items: Iterable[Item] | None) -> bytes:
    """Make a catalogue of the bundle's items or of others, compacted.

    Vectors of others come from fp32 if the bundle has it, as those of its own items do.
    """
    manifest = bundle.manifest
    exact: Precision = "fp32" if "fp32" in manifest.encoders else precision
    with TemporaryDirectory() as folder:
        path = Path(folder) / bundle.layout.catalogue.name
        if items is None:
            path.write_bytes(bundle.file(bundle.layout.catalogue).read_bytes())
        else:
            live = Path(folder) / "live.sqlite"
            config = EngineConfig(bundle=bundle.layout.root, precision=exact, catalogue=live, allow_failed_gate=True)
            parts = _parts(items)
            with EmbeddedCatalogue.create(
                path, manifest.fingerprint, manifest.hidden, manifest.dimensions
            ) as catalogue:
                if first := next(parts, ()):
                    with Emberline(config) as model:
                        for part in (first, *parts):
                            catalogue.upsert(_encoded(model, part))
        compact(path)
        return path.read_bytes()


def _encoded(model: Emberline, items: tuple[Item, ...]) -> tuple[StoredItem, ...]:
    model.upsert_items(items)
    return model.get_items([item.id for item in items], vectors=True).items


def _parts(items: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    iterator = iter(items)
    while part := tuple(islice(iterator, _ITEMS)):
        yield part


def _records(contents: Mapping[str, bytes]) -> dict[str, FileRecord]:
    files = sorted(contents.items())
    return {name: FileRecord(hashlib.sha256(content).hexdigest(), len(content)) for name, content in files}
