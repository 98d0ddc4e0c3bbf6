"""Detection of files that are not text, whatever their names say."""

from __future__ import annotations

from typing import Final

#: First bytes of files that bear the names of text files by mistake, and what to do with them. Compressed files are not
#: among them: they are read whatever they are called.
_SIGNATURES: Final = (
    (b"PK\x03\x04", "an archive or a workbook (.xlsx), not a text file; save its table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls), not a text file; save its table as CSV"),
    (b"PAR1", "a Parquet file; call it .parquet"),
    (b"SQLite format 3", "a SQLite database, not a text file; save its table as CSV"),
    (b"%PDF", "a PDF, not a text file; save its table as CSV"),
)
#: Control characters that no text has.
_CONTROLS: Final = frozenset({*range(1, 7), *range(14, 26)})


def binary(start: bytes, *, wide: bool) -> str:
    """Say what a file is that is not text, and what to do with it; empty for a text file.

    Args:
        start: first few hundred bytes of the file.
        wide: whether they look like UTF-16 or UTF-32, in which any byte may occur.
    """
    for signature, what in _SIGNATURES:
        if start.startswith(signature):
            return f"this is {what}"
    controls = 0 if wide else sum(byte in _CONTROLS for byte in start)
    return "this is not a text file; save its table as CSV" if 20 * controls > len(start) else ""
