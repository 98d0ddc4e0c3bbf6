"""Attack a server of one's own: `make attack`, or `PYTHONPATH=tests/support python tests/attack.py BUNDLE`.

Starts servers on this machine, on free ports and with catalogues of their own, does to them what has broken servers
before, and prints a table. Takes about two minutes. The exit code is 1 if an attack succeeds.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import fuzzing
import fuzzing_http
import grpc
from attacked import AttackedServer, AttackOutcome
from attacks_across_servers import kills, rolling_restart

from emberline.engine import AsyncClient, Client, EmberlineError, InvalidInput, Item, Overloaded
from emberline.engine.errors import CatalogueError
from emberline.proto import emberline_pb2 as pb

SERVICE = "/emberline.v1.Emberline/"
PROTOCOLS = "--protocols", "emberline,openai,tei,kserve", "--http", "127.0.0.1:0"


@contextmanager
def _background(function: Callable[[], object]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=function)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def _ignoring(function: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        with suppress(EmberlineError):
            function()

    return run


def _ask(client: Client, seconds: float, seen: Counter[str]) -> list[float]:
    """Ask for one text at a time; returns the seconds that each call took."""
    took: list[float] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        started = time.monotonic()
        try:
            client.encode([f"one {started}"])
        except Overloaded:
            seen["refused"] += 1
        else:
            seen["answered"] += 1
            took.append(time.monotonic() - started)
    return took


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.99 * len(seconds))]


def bulk(server: AttackedServer) -> AttackOutcome:
    """A bulk of 1,000 texts beside calls of one text"""
    seen: Counter[str] = Counter()
    with Client(server.address, retries=0) as client, Client(server.address, timeout=120, retries=0) as other:
        alone = _p99(_ask(client, 4, Counter())[10:])  # the first ones warm up
        texts = [f"bulk {number} " + "lamp " * 60 for number in range(1000)]
        with _background(_ignoring(lambda: other.encode(texts))) as running:
            time.sleep(0.5)
            beside = _ask(client, 4, seen)
            covered = running.is_alive()
    slower = _p99(beside or [float("inf")]) / alone
    held = seen["refused"] == 0 and seen["answered"] > 20 and slower <= 3
    seen["bulk ran throughout"] = covered
    shown = f"{dict(seen)}, p99 {alone * 1000:.1f} ms alone, {slower:.1f} times that beside"
    return AttackOutcome(held, seen.total(), shown)


def half_load(server: AttackedServer) -> AttackOutcome:
    """Calls at half of what the server can answer, beside a bulk of 1,000 texts"""
    seen: Counter[str] = Counter()
    texts = [f"bulk {number} " + "lamp " * 60 for number in range(1000)]

    async def attack() -> None:
        async with AsyncClient(server.address, timeout=60, retries=0) as client:

            async def ask(name: str) -> None:
                try:
                    await client.encode([name])
                    seen["answered"] += 1
                except Overloaded:
                    seen["refused"] += 1

            async def caller(number: int, ends: float) -> int:
                count = 0
                while time.monotonic() < ends:
                    await client.encode([f"caller {number} asks {count}"])
                    count += 1
                return count

            ends = time.monotonic() + 3
            rate = sum(await asyncio.gather(*(caller(number, ends) for number in range(8)))) / 3
            arrivals = Random(7)
            async with asyncio.TaskGroup() as group:
                group.create_task(client.encode(texts))
                for number in range(int(rate / 2 * 5)):
                    group.create_task(ask(f"call {number}"))
                    await asyncio.sleep(arrivals.expovariate(rate / 2))

    asyncio.run(attack())
    return AttackOutcome(seen["refused"] == 0, seen.total() + 1, f"{dict(seen)}")


def long_texts(server: AttackedServer) -> AttackOutcome:
    """300 texts of 21,000 characters without a space, given up after 2 s"""
    texts = [f"{number:05d}" + "日" * 21_000 for number in range(300)]
    with Client(server.address, retries=0) as client:
        _ignoring(lambda: client.encode(texts, timeout=2))()
        started = time.monotonic()
        client.encode(["hello"])
        waited = time.monotonic() - started
    return AttackOutcome(waited < 1, 2, f"the next call took {waited:.2f} s")


def large_message(server: AttackedServer) -> AttackOutcome:
    """One message with 16 million empty inputs"""
    slowest, ended = 0.0, threading.Event()
    refused = False

    def attack() -> None:
        nonlocal refused
        options = [("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(server.address, options=options) as channel:
            try:
                channel.unary_unary(f"{SERVICE}Encode")(b"\x0a\x02\x0a\x00" * 16_000_000, timeout=30)
            except grpc.RpcError:
                refused = True
        ended.set()

    calls = 1
    with Client(server.address) as client, _background(attack):
        while not ended.is_set():
            started = time.monotonic()
            client.info()
            slowest = max(slowest, time.monotonic() - started)
            calls += 1
            time.sleep(0.02)
    return AttackOutcome(refused and slowest < 0.5, calls, f"refused; Info took {slowest:.2f} s at most")


def idle_streams(server: AttackedServer) -> AttackOutcome:
    """1,030 streams that send nothing"""

    async def attack() -> bool:
        forever = asyncio.Event()

        async def nothing() -> object:
            await forever.wait()
            yield b""

        channels = [grpc.aio.insecure_channel(server.address) for _ in range(11)]
        streams = [channels[number % 11].stream_stream(f"{SERVICE}EncodeStream")(nothing()) for number in range(1030)]
        await asyncio.sleep(1)
        async with AsyncClient(server.address, retries=0) as client:
            await client.info()
            await client.encode(["hello"])
            ready = await client.ready(timeout=5)
        for stream in streams:
            stream.cancel()
        for channel in channels:
            await channel.close()
        return ready

    return AttackOutcome(asyncio.run(attack()), 1033, "health, Info and Encode answered")


def removed_catalogue(server: AttackedServer) -> AttackOutcome:
    """Twelve upserts after the catalogue's file was removed"""
    acknowledged = 0
    with Client(server.address) as client:
        client.upsert_items([Item("before", text="before")])
        server.catalogue.unlink()
        for number in range(12):
            with suppress(CatalogueError):
                client.upsert_items([Item(str(number), text=f"item {number}")])
                acknowledged += 1
    return AttackOutcome(acknowledged == 0, 13, f"{acknowledged} of 12 acknowledged", acknowledged)


def bad_requests(server: AttackedServer) -> AttackOutcome:
    """Requests with absurd values"""
    seen: Counter[str] = Counter()
    requests = (
        pb.RecommendRequest(k=5, filters=[pb.Filter(field="genres", any_of=["x"])] * 100_000),
        pb.RecommendRequest(k=-1),
        pb.RecommendRequest(k=5, diversity=float("nan")),
        pb.RecommendRequest(k=5, priority=2**31 - 1),
        pb.RecommendRequest(k=5, exclude_ids=["x"] * 1_000_000),
    )
    with grpc.insecure_channel(server.address) as channel:
        for request in requests:
            try:
                channel.unary_unary(f"{SERVICE}Recommend")(request.SerializeToString(), timeout=30)
                seen["OK"] += 1
            except grpc.RpcError as error:
                seen[error.code().name] += 1
    with Client(server.address) as client, suppress(InvalidInput):
        client.encode(["\x00"])
        seen["OK"] += 1
    return AttackOutcome(set(seen) == {"INVALID_ARGUMENT"}, len(requests) + 1, f"{dict(seen)}")


def damaged_messages(server: AttackedServer) -> AttackOutcome:
    """10,000 damaged messages of each protocol over gRPC"""
    return _damage(server, (fuzzing.fuzz(server.address, contract, 10_000, seed=7) for contract in fuzzing.CONTRACTS))


def damaged_requests(server: AttackedServer) -> AttackOutcome:
    """10,000 damaged requests of each protocol over HTTP"""
    port = int(re.search(r"HTTP on port (\d+)", server.announcement)[1])  # type: ignore[index]
    return _damage(server, (fuzzing_http.fuzz(port, contract, 10_000, seed=7) for contract in fuzzing_http.CONTRACTS))


def _damage(server: AttackedServer, results: Iterable[fuzzing.Fuzzed]) -> AttackOutcome:
    codes: Counter[str] = Counter()
    faults, slowest = 0, 0.0
    for result in results:
        codes += result.codes
        faults += len(result.faults)
        for fault in result.faults:
            print(fault, file=sys.stderr)
        slowest = max(slowest, result.slowest)
    with Client(server.address) as client:
        client.encode(["still there"])
    return AttackOutcome(not faults, codes.total(), f"{faults} faults, slowest {slowest:.1f} s, {dict(codes)}")


def idle_metrics(server: AttackedServer) -> AttackOutcome:
    """300 connections to the metrics port that ask nothing"""
    host, _, port = re.search(r"metrics on (\S+?),", server.announcement)[1].rpartition(":")  # type: ignore[index]
    threads = lambda: len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))  # noqa: E731  # a name for one line
    before = threads()
    idle = [socket.create_connection((host, int(port))) for _ in range(300)]
    with socket.create_connection((host, int(port)), timeout=10) as asking:
        asking.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        answered = asking.recv(15) == b"HTTP/1.1 200 OK"
    grown = threads() - before
    for connection in idle:
        connection.close()
    return AttackOutcome(answered and grown < 10, 301, f"metrics answered, {grown} threads more")


def main(bundle: Path) -> int:
    """Run all attacks and print the table; returns the exit code."""
    print("| attack | calls | what was seen | peak memory | lost | held |\n|---|---:|---|---:|---:|---|", flush=True)
    held = True

    def show(attack: Callable[..., object], outcome: AttackOutcome, peak: int) -> None:
        nonlocal held
        held &= outcome.held
        verdict = "yes" if outcome.held else "**no**"
        cells = (attack.__doc__, f"{outcome.calls:,}", outcome.seen, f"{peak} MB", outcome.lost, verdict)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)

    for attack in (
        bulk,
        half_load,
        long_texts,
        large_message,
        idle_streams,
        removed_catalogue,
        bad_requests,
        damaged_messages,
        damaged_requests,
        idle_metrics,
    ):
        with tempfile.TemporaryDirectory() as folder:
            server = AttackedServer(bundle, Path(folder), "--metrics-port", "0", *PROTOCOLS)
            try:
                outcome = attack(server)
                peak = server.peak
            finally:
                server.stop()
            show(attack, outcome, peak)
    for lasting in (kills, rolling_restart):
        with tempfile.TemporaryDirectory() as folder:
            show(lasting, *lasting(bundle, Path(folder)))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
