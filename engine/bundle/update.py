"""Updates: what turns one packed bundle into another, as a file that holds only what has changed.

An update has the new bundle's bytes in blocks: those that the old one has as well are named by their place there. So
rows of a catalogue that were added or changed cost their pages, and an encoder that is the same costs nothing. The
result is the new bundle, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from emberline.engine.errors import BundleCorrupt, BundleError
from emberline.engine.files import written_whole

from .pack import Pack, write_pack

#: Bytes of a block: a page of SQLite. Entries of packed bundles begin at multiples of it.
_BLOCK: Final = 4096
#: The entries of an update.
_PLAN: Final = "update.json"
_NEW: Final = "new"
#: Version of the format.
_SCHEMA: Final = 1

_Position = Annotated[int, Meta(ge=0)]
_Length = Annotated[int, Meta(ge=1)]


class _Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """How the new file is made.

    Attributes:
        schema: version of the format.
        old: SHA-256 of the file that the update is for.
        new: SHA-256 of the file that it makes.
        runs: what the new file consists of, in order: whether it is in the old file, where there or among the new
            bytes, and how many bytes.
    """

    schema: int
    old: str
    new: str
    runs: tuple[tuple[bool, _Position, _Length], ...]


def write_update(old: Path, new: Path, update: Path) -> int:
    """Write the update from one packed bundle to another.

    Args:
        old: the bundle that devices have.
        new: the bundle that they shall have.
        update: the file to write, which must not exist.

    Returns:
        The number of bytes that the update carries of the new bundle.

    Raises:
        BundleError: one of them is not a packed bundle.
        DataError: the file exists or cannot be written.
    """
    before, after = Pack(old).content, Pack(new).content
    places: dict[bytes, int] = {}
    for start in range(0, len(before), _BLOCK):
        places.setdefault(_digest(before[start : start + _BLOCK]), start)
    runs: list[tuple[bool, int, int]] = []
    carried = bytearray()
    for start in range(0, len(after), _BLOCK):
        block = after[start : start + _BLOCK]
        place = places.get(_digest(block))
        known = place is not None and before[place : place + len(block)] == block
        position = place if known and place is not None else len(carried)
        if not known:
            carried += block
        if runs and runs[-1][0] == known and runs[-1][1] + runs[-1][2] == position:
            runs[-1] = (known, runs[-1][1], runs[-1][2] + len(block))
        else:
            runs.append((known, position, len(block)))
    plan = _Plan(_SCHEMA, hashlib.sha256(before).hexdigest(), hashlib.sha256(after).hexdigest(), tuple(runs))
    with written_whole(update, mode=0o644) as file:
        write_pack(file, {_PLAN: msgspec.json.encode(plan), _NEW: bytes(carried)})
    return len(carried)


def apply_update(bundle: Path, update: Path) -> None:
    """Turn a packed bundle into the new one. At any moment, its path holds the whole of the one or of the other.

    Args:
        bundle: the packed bundle, which is replaced.
        update: what `write_update` wrote.

    Raises:
        BundleError: the update is for another bundle, or not an update.
        BundleCorrupt: one of the files is damaged; the bundle is as it was.
        DataError: the bundle cannot be written; it is as it was.
    """
    before, packed = Pack(bundle).content, Pack(update)
    plan = _read_plan(packed, update)
    digest = hashlib.sha256(before).hexdigest()
    if digest == plan.new:
        return  # it was applied before
    if digest != plan.old:
        raise BundleError(
            f"{update} is for the bundle with SHA-256 {plan.old[:12]}…, and {bundle} has {digest[:12]}…; make one for "
            "it with `emberline diff`, or copy the new bundle"
        )
    carried = packed.file(_NEW).content
    made = hashlib.sha256()
    with written_whole(bundle, replace=True, mode=0o644) as file:
        for part in _parts(plan, before, carried, update):
            made.update(part)
            file.write(part)
        if made.hexdigest() != plan.new:
            raise BundleCorrupt(f"{_NEW} in {update} is damaged; copy the update again")


def _read_plan(packed: Pack, update: Path) -> _Plan:
    if _PLAN not in packed.names:
        raise BundleError(f"{update} is not an update: it has no {_PLAN}; make one with `emberline diff`")
    try:
        plan = msgspec.json.decode(packed.file(_PLAN).content, type=_Plan)
    except msgspec.DecodeError as error:
        raise BundleCorrupt(f"{_PLAN} in {update} is damaged ({error}); copy the update again") from error
    if plan.schema != _SCHEMA:
        raise BundleError(f"{update} has schema {plan.schema}, this Emberline reads {_SCHEMA}; make it again")
    return plan


def _parts(plan: _Plan, before: memoryview, carried: memoryview, update: Path) -> Iterator[memoryview]:
    for known, position, length in plan.runs:
        part = (before if known else carried)[position : position + length]
        if len(part) != length:
            raise BundleCorrupt(f"{_PLAN} in {update} is damaged: it names bytes beyond the end; copy the update again")
        yield part


def _digest(block: memoryview) -> bytes:
    return hashlib.blake2b(block, digest_size=16).digest()
