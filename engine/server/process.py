"""The server as a process: it serves until a signal ends it, and reloads on another one."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from typing import Final

from . import memory
from .config import ServerConfig
from .lifecycle import Server
from .watch import FolderWatch

#: Open files, and so connections, that the process asks for. The usual 1,024 are soon taken by idle connections.
_FILES: Final = 65_536


def _print(line: str) -> None:
    print(line, flush=True)


def serve(config: ServerConfig, announce: Callable[[str], None] = _print) -> int:
    """Serve until SIGTERM or SIGINT, then drain. A second signal stops the server at once. SIGHUP reloads the bundle,
    and so does its replacement with `watch_seconds`.

    Args:
        config: the settings.
        announce: called with one line when the server is ready; the line ends with the address.

    Returns:
        The exit code: 0 if all accepted requests were answered, 1 if not.

    Raises:
        ConfigError: an address is not available.
        EmberlineError: the engine cannot start; see `Engine.start`.
    """
    _allow_open_files()
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        return runner.run(_serve(config, announce))


def _allow_open_files() -> None:
    """Raise the limit of open files as far as it is useful and allowed without privileges."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop if it is installed, because it needs a tenth less CPU time per request."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(config: ServerConfig, announce: Callable[[str], None]) -> int:
    memory.bound_free_memory()
    loop = asyncio.get_running_loop()
    stopping, reloading = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(1)  # at once; all acknowledged changes are on the disk
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # From the beginning, because a signal without a handler would end the process.
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    watch = FolderWatch(config.engine.bundle)
    server = await Server.start(config)
    memory.settle()
    announce(server.description)
    tasks = [asyncio.create_task(_reload_on(reloading, server))]
    if config.watch_seconds is not None:
        tasks.append(asyncio.create_task(_set_on_change(reloading, watch, config.watch_seconds)))
    await stopping.wait()
    answered = await server.drain()  # waits for a reload that runs
    for task in tasks:
        task.cancel()
    return 0 if answered else 1


async def _reload_on(event: asyncio.Event, server: Server) -> None:
    """Reload whenever the event is set; several at a time count as one."""
    while await event.wait():
        event.clear()
        await server.reload()


async def _set_on_change(event: asyncio.Event, watch: FolderWatch, seconds: float) -> None:
    """Set the event whenever the folder has been replaced."""
    async for _ in watch.changes(seconds):
        event.set()
