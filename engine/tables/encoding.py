"""Detection of a file's encoding, for files whose encoding is not set."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from unicodedata import category

#: Maximum number of bytes for a guess, from lines that are not UTF-8.
_SAMPLE: Final = 1 << 16
#: Byte order marks; longer ones first, because UTF-32's begins with UTF-16's.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Most letters of a Latin script are ASCII. A text with a larger share of other bytes is in another script.
_LATIN: Final = 0.4
#: Encodings of other scripts, which are distinguished by the frequencies of letters.
_SCRIPTS: Final = ("cp932", "big5", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874")
#: In encodings with two high bytes for each character that is not ASCII: first bytes of kana, and of Korean syllables.
_RUNS: Final = re.compile(rb"[\x80-\xff]+")
_KANA: Final = frozenset((0xA4, 0xA5))
_HANGUL: Final = range(0xB0, 0xC9)
#: A Hebrew word in cp1255. Five letters have forms that stand only at a word's end; their bytes are common letters in
#: the middle of words in Russian and Greek.
_HEBREW: Final = re.compile(rb"[\xe0-\xe9\xeb\xec\xee\xf0-\xf2\xf4\xf6-\xfa]*[\xe0-\xfa]")
#: Encodings of Latin scripts: Western Europe, Turkey, old Macs, Central Europe, and DOS.
_LATINS: Final = ("cp1252", "cp1254", "mac_roman", "cp1250", "cp850")
#: Signs that occur next to letters only if a text is decoded with the wrong encoding.
_ODD: Final = frozenset("³¹¿¯£¥·¸²¼½¾¡¢¤¦§¨©«¬\xad®°±´µ¶»")
#: Signs that occur within words only then; with symbols and control characters.
_WITHIN: Final = frozenset("‚ƒ„…†‡ˆ‰‹˜")


@dataclass(frozen=True, slots=True)
class DetectedEncoding:
    """The encoding of a file.

    Attributes:
        name: name of the encoding, for `bytes.decode`.
        guessed: whether the encoding is a guess.
        mixed: whether the file is UTF-8, but some lines are not; these are decoded as cp1252.
    """

    name: str
    guessed: bool = False
    mixed: bool = False

    @property
    def wide(self) -> bool:
        """Whether even ASCII characters have several bytes, so that lines cannot be split in bytes."""
        return self.name.startswith(("utf-16", "utf-32"))


def detect_encoding(start: bytes, lines: Iterable[bytes]) -> DetectedEncoding:
    """Detect the encoding of a file.

    Args:
        start: first few hundred bytes of the file.
        lines: all lines of the file.
    """
    for mark, name in _MARKS:
        if start.startswith(mark):
            if name != "utf-8":
                return DetectedEncoding(name)
            break
    zeros = [start[offset::2].count(0) for offset in (0, 1)]
    if max(zeros) > len(start) // 4:
        return DetectedEncoding("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le", guessed=True)
    good = 0
    others: dict[bytes, None] = {}
    size = bad = 0
    for line in lines:
        if line.isascii():
            continue
        try:
            line.decode()
            good += 1
        except UnicodeDecodeError:
            bad += 1
            if size < _SAMPLE and line not in others:
                others[line] = None
                size += len(line)
    if not bad:
        return DetectedEncoding("utf-8")
    if good >= bad:
        return DetectedEncoding("utf-8", guessed=True, mixed=True)
    return DetectedEncoding(_guess(b"".join(others)), guessed=True)


def _guess(sample: bytes) -> str:
    """Guess the encoding of bytes that are not UTF-8."""
    high = sum(byte > 127 for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte <= 127)
    if high <= _LATIN * (high + letters) or high < 4:
        return _guess_latin(sample)
    runs: list[bytes] = _RUNS.findall(sample)
    if all(_HEBREW.fullmatch(run) for run in runs):
        return "cp1255"
    if all(len(run) % 2 == 0 for run in runs):
        firsts = [byte for run in runs for byte in run[::2]]
        if sum(byte in _KANA for byte in firsts) > len(firsts) / 5:
            return "euc_jp"
        words = [byte for byte in firsts if byte >= _HANGUL.start]
        return "cp949" if all(byte in _HANGUL for byte in words) else "gb18030"
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(_SCRIPTS)).best()
    return _guess_latin(sample) if best is None else best.encoding


def _guess_latin(sample: bytes) -> str:
    return min(_LATINS, key=lambda name: _oddness(sample, name))


def _oddness(sample: bytes, name: str) -> int:
    """Count the characters that look wrong if a text is decoded with an encoding."""
    text = sample.decode(name, errors="replace")
    odd = sum(_is_odd(first, second) for first, second in pairwise(text))
    return odd + 2 * text.count("�") + _is_other_language(text, name)


def _is_odd(first: str, second: str) -> bool:
    if (second in _ODD and first.isalpha()) or ((first in _ODD or first in "ªº") and second.islower()):
        return True
    if second.isascii():
        return False
    if second.isupper():
        return first.islower()
    return first.isalpha() and (second in _WITHIN or category(second)[0] in "SC")


def _is_other_language(text: str, name: str) -> bool:
    """Whether Turkish or Hungarian was decoded as another language of Latin letters, which leaves no odd signs."""
    letters = set(text.lower())
    turkish = letters & set("ýþð") and not letters & set("áéíóúæ")  # else Icelandic
    hungarian = letters & set("õû") and letters & set("öü") and not letters & set("äàãêèâ")  # else Estonian, French
    return bool((name == "cp1252" and turkish) or (name in ("cp1252", "cp1254") and hungarian))


def decode_mixed(line: bytes) -> str:
    """Decode a line of UTF-8 with some bytes in cp1252."""
    parts = []
    while line:
        try:
            parts.append(line.decode())
            break
        except UnicodeDecodeError as error:
            parts.append(line[: error.start].decode())
            parts.append(decode_latin(line[error.start : error.start + 1]))
            line = line[error.start + 1 :]
    return "".join(parts)


def decode_latin(line: bytes) -> str:
    """Decode cp1252, and ISO 8859-1 if the line has one of the five bytes that cp1252 does not define."""
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")
