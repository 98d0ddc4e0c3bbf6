"""Watching a folder, to notice that it was replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

#: Name, inode, size and time of change of each entry of a folder.
_State = frozenset[tuple[str, int, int, int]]
_MISSING: Final[_State] = frozenset()


class FolderWatch:
    """Notices changes of a folder since this object was made."""

    def __init__(self, folder: Path) -> None:
        """Remember how the folder is now."""
        self._folder = folder
        self._known = _state(folder)

    async def changes(self, seconds: float) -> AsyncIterator[None]:
        """Yield whenever the folder is there, has changed, and has stayed as it is from one look to the next.

        So a copy that is under way is waited for.

        Args:
            seconds: time between two looks.
        """
        last = self._known
        while True:
            await asyncio.sleep(seconds)
            now = await asyncio.to_thread(_state, self._folder)
            if now == last and now not in (self._known, _MISSING):
                self._known = now
                yield
            last = now


def _state(folder: Path) -> _State:
    try:
        entries = [(path.name, path.stat()) for path in folder.iterdir()]
    except OSError:  # it is being replaced
        return _MISSING
    return frozenset((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in entries)
