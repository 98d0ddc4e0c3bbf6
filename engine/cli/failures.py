"""The report of an error to the user: one line on standard error, and the exit code.

The exit code is 2 if the command line or a setting is wrong, whether the parser, the range of a setting or the server
detects it. It is 1 if the command itself failed.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import Final

import typer

from emberline.engine.errors import ConfigError, InvalidInput, UnknownItem

FAILED: Final = 1
USAGE: Final = 2

#: Typer's base class of usage errors; its module differs between versions of Typer.
UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]

#: What libraries that have no error of their own for it say of a full disk.
_FULL: Final = ("No space left on device", "database or disk is full")

#: The options that stand for the fields of requests.
_OPTIONS: Final = (
    (re.compile(r"k"), "-k"),
    (re.compile(r"diversity"), "--diversity"),
    (re.compile(r"new_item_weight"), "--new-item-weight"),
    (re.compile(r"outputs\b.*"), "--output"),
    (re.compile(r"filters\b.*"), "--where"),
    (re.compile(r"exclude_ids\b.*"), "--exclude"),
    (re.compile(r"user\.profile\b.*"), "--profile"),
    (re.compile(r"user\.attributes\b.*"), "--about"),
    (re.compile(r"user\.history\[\d+\]\.text"), "--like-text"),
    (re.compile(r"user\.history\b.*"), "--like"),
    (re.compile(r"candidates\[\d+\]\.text"), "--text"),
    (re.compile(r"candidates\[\d+\]\.id|ids\[\d+\]"), "ID"),
    (re.compile(r"inputs\[\d+\]\.text"), "TEXT"),
)


def failure(error: Exception) -> tuple[str, int]:
    """Return the line and the exit code of an error of the command line or of Emberline.

    The line is empty if the help was shown instead.
    """
    if isinstance(error, UsageError):
        return _usage(error), USAGE
    code = USAGE if isinstance(error, ConfigError | InvalidInput) else FAILED
    return f"emberline: {_flat(_message(error))}", code


def machine_failure(error: BaseException) -> str:
    """Return the line of an error that is the machine's and not the program's: a full disk, or a missing permission.

    Libraries wrap the error of a full disk, so all errors that led to this one are looked at. Empty for other errors.
    """
    for cause in _causes(error):
        number = cause.errno if isinstance(cause, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT) or any(words in str(cause) for words in _FULL):
            return "emberline: no space is left on the disk; free some, then give the command again"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"emberline: {error.filename}: {error.strerror}; change its permissions, or name another place"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _usage(error: Exception) -> str:
    message = getattr(error, "format_message", error.__str__)()
    if not message.strip():
        return ""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "emberline"
    return f"emberline: {_flat(message).rstrip('.')}; see `{command} --help`"


def _message(error: Exception) -> str:
    """Return the message of an error, with the option in place of the request's field."""
    if not isinstance(error, InvalidInput | UnknownItem):
        return str(error)
    option = next((option for field, option in _OPTIONS if field.fullmatch(error.field)), error.field)
    return option + str(error).removeprefix(error.field)


def _flat(message: str) -> str:
    return " ".join(message.split())
