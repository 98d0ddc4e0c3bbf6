"""Soak a server of one's own: `make soak`, or `python tests/soak.py BUNDLE [MINUTES]`.

Keeps a server on this machine busy with mixed traffic, and watches its memory. Each call of the contract comes at
random moments, with texts of all lengths and scripts; some callers give up, some have no time. There is a bulk of 1,000
texts every minute. In each sixth of the time but the last, the bundle is reloaded, and then loaded as another model as
well. Prints a row for docs/reliability.md, with the memory in each sixth while
there was one model. The exit code is 1 if memory grew or a call failed.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import psutil
from attacked import AttackedServer

from emberline.engine import AsyncClient, EmberlineError, Filter, Item, User, by_id, by_text
from emberline.engine.errors import DeadlineExceeded
from emberline.engine.records import RecommendRequest

#: Calls a second, bulks not counted.
RATE: Final = 20.0
#: Parts of the soak; the first ones warm up, and are a sixth of the time.
PARTS: Final = 6
#: Growth of the memory from the second part to the last that counts as noise.
NOISE: Final = 0.02
#: Seconds between two looks at the memory, and between two bulks.
LOOK: Final = 10.0
BULK: Final = 60.0
#: Seconds that callers wait, so that a machine that others use as well only makes them slow.
PATIENCE: Final = 120.0
#: First and last letters of the scripts that texts are made of.
SCRIPTS: Final = ("az", "AZ", "09", "ая", "αω", "את", "ءي", "अह", "กฮ", "가힣", "ぁん", "一龥", "😀🙏")
#: Ids of the items that come and go, and of those that stay.
IDS: Final = tuple(f"passing-{number}" for number in range(500))
KEPT: Final = tuple(f"kept-{number}" for number in range(200))


class Caller:
    """Makes random calls of all kinds and counts what came of them."""

    def __init__(self, client: AsyncClient, random: Random) -> None:
        """Set the client and the source of chance."""
        self.client = client
        self.seen: Counter[str] = Counter()
        self.models = 1
        self.failures: Counter[str] = Counter()
        self._random = random
        self._calls: dict[Callable[[], Awaitable[object]], int] = {
            self.encode: 30,
            self.encode_many: 8,
            self.stream: 3,
            self.score: 10,
            self.recommend: 15,
            self.recommend_many: 3,
            self.similar: 6,
            self.upsert: 8,
            self.delete: 4,
            self.get: 4,
            self.page: 3,
            self.info: 3,
            self.hurried: 4,
            self.given_up: 4,
        }

    async def any(self) -> None:
        """Make one call."""
        (call,) = self._random.choices(list(self._calls), self._calls.values())  # type: ignore[arg-type]
        await self.count(call)

    async def count(self, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call and count it."""
        self.seen[call.__name__] += 1
        try:
            await call()
        except EmberlineError as error:
            self.failures[f"{call.__name__}: {error}"] += 1

    def text(self, most: int = 20_000) -> str:
        """Return a text of any length up to a number of characters, of one script or several."""
        first, last = self._random.choice(SCRIPTS)
        length = int(most ** self._random.random())
        words = (
            "".join(chr(self._random.randint(ord(first), ord(last))) for _ in range(self._random.randint(1, 12)))
            for _ in range(1 + length // 6)
        )
        return self._random.choice((" ", "", "; ")).join(words)[:length]

    def item(self, item_id: str) -> Item:
        """Return an item, and now and then a large one."""
        year, genres = self._random.randint(1920, 2020), self._random.sample(("Drama", "Comedy", "Horror"), 2)
        return Item(item_id, {"title": self.text(100), "year": year, "genres": genres, "plot": self.text(1_000)})

    def user(self) -> User:
        """Return a user with a history, a profile, both or neither."""
        history = [by_id(item_id) for item_id in self._random.sample(KEPT, self._random.randint(0, 5))]
        if self._random.random() < 0.3:
            history.append(by_text(self.text(200)))
        return User(self._random.choice(("", f"age: {self._random.randint(10, 90)}", self.text(300))), history=history)

    def filters(self) -> tuple[Filter, ...]:
        """Return conditions that many items meet."""
        year = Filter("year", minimum=self._random.randint(1920, 1990))
        genres = Filter("genres", any_of=("Drama", "Comedy", "Horror"), exclude=self._random.random() < 0.5)
        return self._random.choice(((), (year,), (genres,), (year, genres)))

    async def encode(self) -> object:
        """Encode one text, of any length."""
        text = self.text()
        return await self.client.encode([text], dimensions=self._random.choice((0, 16)), normalize=True)

    async def encode_many(self) -> object:
        """Encode several texts."""
        texts = [self.text(2_000) for _ in range(self._random.randint(2, 64))]
        return await self.client.encode(texts, ("sentence_embedding", "item_embedding", "item_attributes"))

    async def bulk(self) -> object:
        """Encode 1,000 texts in one call."""
        texts = [self.text(300) for _ in range(1000)]
        return await self.client.encode(texts, priority=-1, timeout=math.inf)

    async def stream(self) -> None:
        """Encode up to 200 texts in a stream."""
        texts = [self.text(300) for _ in range(self._random.randint(1, 200))]
        async for _ in self.client.encode_stream(texts, part=32):
            pass

    async def score(self) -> object:
        """Score items, and a text, for a user."""
        candidates = [by_id(item_id) for item_id in self._random.sample(KEPT, 20)] + [by_text(self.text(300))]
        return await self.client.score(self.user(), candidates, ("score", "probability", "rating"))

    async def recommend(self) -> object:
        """Recommend with filters, reasons and diversity, or without."""
        return await self.client.recommend(
            self.user(),
            self._random.randint(1, 100),
            filters=self.filters(),
            exclude_ids=self._random.sample(KEPT, 10),
            diversity=self._random.choice((0.0, 0.0, 0.3)),
            reasons=self._random.random() < 0.3,
            outputs=self._random.choice(((), ("probability", "rating"))),
        )

    async def recommend_many(self) -> object:
        """Recommend for several users."""
        requests = [RecommendRequest(self.user(), 10, self.filters()) for _ in range(self._random.randint(1, 32))]
        return await self.client.recommend_many(requests)

    async def similar(self) -> object:
        """Find similar items."""
        return await self.client.similar_items(by_id(self._random.choice(KEPT)), 20, filters=self.filters())

    async def upsert(self) -> object:
        """Add or replace items that come and go."""
        ids = self._random.sample(IDS, self._random.randint(1, 30))
        return await self.client.upsert_items([self.item(item_id) for item_id in ids])

    async def delete(self) -> object:
        """Delete items that come and go."""
        return await self.client.delete_items(self._random.sample(IDS, 20))

    async def get(self) -> object:
        """Look items up, with their vectors."""
        return await self.client.get_items(self._random.sample(IDS, 20) + list(KEPT[:20]), vectors=True)

    async def page(self) -> object:
        """List two pages of items."""
        first = await self.client.list_items(200, filters=self.filters())
        return await self.client.list_items(200, first.next_page_token, vectors=True)

    async def info(self) -> object:
        """Ask for the state of the server."""
        return await self.client.info()

    async def hurried(self) -> None:
        """Encode with a deadline that is mostly too short."""
        texts = [self.text(1_000) for _ in range(32)]
        try:
            await self.client.encode(texts, timeout=10 ** self._random.uniform(-3, -1))
        except DeadlineExceeded:
            self.seen["deadlines"] += 1

    async def given_up(self) -> None:
        """Encode, and do not wait for the answer."""
        texts = [self.text(2_000) for _ in range(self._random.randint(1, 64))]
        call = asyncio.create_task(self.client.encode(texts))
        await asyncio.sleep(10 ** self._random.uniform(-3, -1))
        call.cancel()
        await asyncio.wait([call])
        if call.cancelled():
            self.seen["cancelled"] += 1
        else:
            await call


async def _arrivals(caller: Caller, random: Random, ends: float) -> None:
    async with asyncio.TaskGroup() as calls:
        while time.monotonic() < ends:
            calls.create_task(caller.any())
            await asyncio.sleep(random.expovariate(RATE))


async def _bulks(caller: Caller, ends: float) -> None:
    while time.monotonic() + BULK < ends:
        await asyncio.sleep(BULK)
        await caller.count(caller.bulk)


async def _reloads(caller: Caller, server: AttackedServer, name: str, part: float) -> None:
    """In each part but the first, reload the bundle, and have it a second time as another model for a while."""
    for _ in range(PARTS - 1):
        await asyncio.sleep(part / 2)
        server.process.send_signal(signal.SIGHUP)
        before = time.monotonic()
        while (await caller.client.info()).uptime > time.monotonic() - before:
            await asyncio.sleep(0.1)
        caller.seen["reloads"] += 1
        await asyncio.sleep(part / 4)
        caller.models = 2
        await caller.client.load_model(name, items=True)
        await caller.client.route_model(name, share=0.1, shadow=0.2)
        await asyncio.sleep(part / 10)
        await caller.client.unload_model(name, timeout=math.inf)
        caller.models = 1
        caller.seen["loads"] += 1
        await asyncio.sleep(max(0.0, part - (time.monotonic() - before) - part / 2))


async def _memory(server: AttackedServer, caller: Caller, ends: float) -> list[float]:
    """Return the server's memory in MB, look by look; not a number while there is a second model."""
    process, memory = psutil.Process(server.process.pid), []
    while time.monotonic() < ends:
        used = process.memory_info().rss / 2**20
        memory.append(used if caller.models == 1 else math.nan)
        print(f"{len(memory) * LOOK / 60:.1f} min {used:.1f} MB, {caller.models} models", file=sys.stderr, flush=True)
        await asyncio.sleep(LOOK)
    return memory


async def _soak(server: AttackedServer, bundle: Path, minutes: float) -> tuple[Caller, list[float]]:
    random, ends = Random(7), time.monotonic() + minutes * 60
    async with AsyncClient(server.address, timeout=PATIENCE) as client:
        caller = Caller(client, random)
        await client.upsert_items([caller.item(item_id) for item_id in KEPT])
        async with asyncio.TaskGroup() as tasks:
            memory = tasks.create_task(_memory(server, caller, ends))
            tasks.create_task(_arrivals(caller, random, ends))
            tasks.create_task(_bulks(caller, ends))
            tasks.create_task(_reloads(caller, server, bundle.name, minutes * 60 / PARTS))
    return caller, memory.result()


def main() -> int:
    """Soak a server and print what was seen; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("minutes", type=float, nargs="?", default=60.0)
    arguments = parser.parse_args()
    bundle = arguments.bundle.resolve()
    with tempfile.TemporaryDirectory() as folder:
        server = AttackedServer(bundle, Path(folder), "--models", str(bundle.parent))
        try:
            caller, memory = asyncio.run(_soak(server, bundle, arguments.minutes))
            peak = server.peak
        finally:
            code = server.stop()
    size = max(1, len(memory) // PARTS)
    parts = [memory[start : start + size] for start in range(0, size * PARTS, size)]
    medians = [median([used for used in part if used == used] or [math.nan]) for part in parts]
    held = medians[-1] / medians[1] - 1 < NOISE and not caller.failures
    for failure, count in caller.failures.most_common():
        print(f"{count} × {failure}", file=sys.stderr)
    print(dict(caller.seen), f"ended in {code:.1f} s", file=sys.stderr)
    shown = ", ".join(f"{part:.0f}" for part in medians)
    print(
        f"| Mixed traffic for {arguments.minutes:g} minutes | {caller.seen.total():,} | median MB by "
        f"{arguments.minutes / PARTS:g} minutes: {shown} | {peak} MB | {caller.failures.total()} | "
        f"{'yes' if held else '**no**'} |"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
