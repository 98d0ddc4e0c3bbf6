"""A folder that is watched: its replacement is noticed once, when it is complete."""

from __future__ import annotations

import asyncio
from pathlib import Path

from emberline.engine.server.watch import FolderWatch


async def test_a_replaced_folder_is_noticed_once_it_stays_as_it_is(tmp_path: Path) -> None:
    """While files still come, and while the folder is away, nothing is noticed; what stays the same is not either."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "manifest.json").write_text("first")
    noticed = 0

    async def watch() -> None:
        nonlocal noticed
        async for _ in FolderWatch(folder).changes(0.02):
            noticed += 1

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.1)
    assert noticed == 0
    folder.rename(tmp_path / "old")
    await asyncio.sleep(0.1)
    assert noticed == 0
    folder.mkdir()
    for number in range(50):
        (folder / f"part-{number}").write_text("")
        await asyncio.sleep(0.005)
    assert noticed == 0
    for _ in range(500):
        if noticed:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert noticed == 1
    watching.cancel()
