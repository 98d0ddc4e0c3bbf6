"""Attacks on a server that ends and starts again meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

from attacked import AttackedServer, AttackOutcome

from emberline.engine import AsyncClient, Client, EmberlineError, Item
from emberline.engine.catalogue.maintenance import export

#: Callers that ask during restarts.
CALLERS = 48


def kills(bundle: Path, folder: Path) -> tuple[AttackOutcome, int]:
    """Five kills (SIGKILL) in the midst of upserts"""
    acknowledged: list[str] = []
    peak = 0
    for round_ in range(5):
        server = AttackedServer(bundle, folder)
        threading.Timer(0.7, server.process.kill).start()
        with Client(server.address, retries=0) as client, suppress(EmberlineError):
            for number in range(100_000):
                client.upsert_items([Item(f"{round_}-{number}", text=f"item {number} of {round_}")])
                acknowledged.append(f"{round_}-{number}")
                peak = max(peak, server.peak)
        server.process.wait(30)
    stored = {json.loads(line)["id"] for line in export(server.catalogue)}
    lost = len(set(acknowledged) - stored)
    return AttackOutcome(lost == 0, len(acknowledged), f"{len(acknowledged)} upserts acknowledged", lost), peak


def rolling_restart(bundle: Path, folder: Path) -> tuple[AttackOutcome, int]:
    """Two restarts (SIGTERM) under 48 callers with the client's defaults"""
    server = AttackedServer(bundle, folder)
    address, answered, failed = server.address, Counter[int](), Counter[str]()
    peak = 0

    async def attack() -> None:
        nonlocal server, peak
        ending = asyncio.Event()

        async def ask(client: AsyncClient, caller: int) -> None:
            while not ending.is_set():
                try:
                    await client.encode([f"{caller} asks {answered[caller]}"])
                    answered[caller] += 1
                except EmberlineError as error:
                    failed[type(error).__name__] += 1

        clients = [AsyncClient(address) for _ in range(4)]
        asking = [asyncio.create_task(ask(clients[caller % 4], caller)) for caller in range(CALLERS)]
        for _ in range(2):
            await asyncio.sleep(2)
            peak = max(peak, server.peak)
            await asyncio.to_thread(server.stop)
            server = await asyncio.to_thread(AttackedServer, bundle, folder, listen=address)
        await asyncio.sleep(3)
        ending.set()
        await asyncio.gather(*asking)
        for client in clients:
            await client.close()

    asyncio.run(attack())
    server.stop()
    calls = answered.total() + failed.total()
    return AttackOutcome(not failed, calls, f"{dict(failed) or 'all answered'}", failed.total()), peak
