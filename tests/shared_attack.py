"""Attack two servers that share a database: `python tests/shared_attack.py BUNDLE`.

Starts a PostgreSQL server and two servers of Emberline on this machine, changes items through both, and meanwhile kills
either server (SIGKILL) and restarts the database, in turn by a stop and by a kill. The exit code is 1 if a call of a
client that retries failed, an acknowledged item is missing, or a deleted one is there.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parent / "support"))

from attacked import AttackedServer
from databases import PostgresServer

from emberline.engine import Client, EmberlineError, Item, User

#: Items that a change upserts.
ITEMS = 3
#: How long clients try: far longer than a server needs to start on a busy machine.
PATIENCE = {"timeout": 300.0, "retries": 1000}


class Record:
    """What was acknowledged, and what went wrong."""

    def __init__(self, within: float) -> None:
        self.within = within  # seconds after which the other server must see a change
        self.present: set[str] = set()
        self.deleted: dict[str, float] = {}  # by id: when the deletion was acknowledged
        self.calls = 0
        self.failed: Counter[str] = Counter()
        self.returned: list[str] = []  # deleted items that a recommendation had
        self.seen_after: list[float] = []


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _change(number: int, address: str, record: Record, ending: threading.Event) -> None:
    """Upsert items in groups, and delete every second group again."""
    with Client(address, **PATIENCE) as client:
        client.info()  # a client outlives the restart of a server that has answered it before
        step = 0
        while not ending.is_set():
            ids = [f"{number}-{step}-{part}" for part in range(ITEMS)]
            step += 1
            try:
                client.upsert_items([Item(item_id, text=f"item {item_id}") for item_id in ids])
                record.calls += 1
                record.present |= set(ids)
                if step % 2:
                    record.present -= set(ids)  # a deletion may be done although its answer is lost
                    client.delete_items(ids)
                    record.calls += 1
                    record.deleted |= dict.fromkeys(ids, time.monotonic())
            except EmberlineError as error:
                record.failed[f"{type(error).__name__}: {error}"] += 1


def _read(address: str, record: Record, ending: threading.Event, outage: threading.Event) -> None:
    """Ask for recommendations, which must not have items whose deletion was acknowledged a while before."""
    with Client(address, **PATIENCE) as client:
        client.info()
        while not ending.is_set():
            quiet, asked = not outage.is_set(), time.monotonic()
            before = {item_id for item_id, when in list(record.deleted.items()) if when < asked - record.within}
            try:
                recommended = client.recommend(User(), k=200)
                record.calls += 1
            except EmberlineError as error:
                record.failed[f"{type(error).__name__}: {error}"] += 1
                continue
            if quiet and not outage.is_set():  # while the database is away, nobody can see what came just before
                record.returned += [entry.id for entry in recommended.items if entry.id in before]


def _lag(addresses: list[str], record: Record, rounds: int) -> None:
    """Measure how soon a change by one server is seen by the other."""
    with Client(addresses[0], **PATIENCE) as here, Client(addresses[1], **PATIENCE) as there:
        for number in range(rounds):
            here.upsert_items([Item(f"lag-{number}", text=f"lag {number}")])
            acknowledged = time.monotonic()
            while there.get_items([f"lag-{number}"]).unknown_ids:
                time.sleep(0.001)
            record.seen_after.append(time.monotonic() - acknowledged)
            record.present.add(f"lag-{number}")


def _wrong(address: str, record: Record) -> tuple[int, int]:
    """Return how many acknowledged items a server lacks, and how many deleted ones it has."""
    missing = kept = 0
    with Client(address, **PATIENCE) as client:
        for ids, are_there in ((sorted(record.present), True), (sorted(record.deleted), False)):
            for start in range(0, len(ids), 500):
                part = ids[start : start + 500]
                unknown = len(client.get_items(part).unknown_ids)
                missing += unknown if are_there else 0
                kept += 0 if are_there else len(part) - unknown
    return missing, kept


def attack(bundle: Path, kills: int, restarts: int, within: float, precision: str) -> int:
    """Run the attack and print what came of it; returns the exit code."""
    random, record, ending, outage = Random(7), Record(within), threading.Event(), threading.Event()
    database = PostgresServer(durable=True)
    addresses = [_free_address(), _free_address()]
    folder = Path(tempfile.mkdtemp())

    def serve(number: int) -> AttackedServer:
        return AttackedServer(bundle, folder, listen=addresses[number], precision=precision, database=database.url)

    servers = [serve(0), serve(1)]
    threads = [
        threading.Thread(target=_change, args=(number, addresses[number % 2], record, ending)) for number in range(4)
    ] + [threading.Thread(target=_read, args=(address, record, ending, outage)) for address in addresses]
    try:
        _lag(addresses, record, rounds=20)
        for thread in threads:
            thread.start()
        moments = ["kill"] * kills
        for number in range(restarts):
            moments.insert((number + 1) * kills // (restarts + 1) + number, "restart")
        for number, what in enumerate(moments):
            time.sleep(random.uniform(0.3, 2.0))
            if what == "kill":
                servers[number % 2].stop(signal.SIGKILL)
                servers[number % 2] = serve(number % 2)
            else:
                outage.set()
                (database.stop if number % 2 else database.kill)()
                time.sleep(1.0)
                database.start()
                time.sleep(2.0)
                outage.clear()
        time.sleep(2.0)
        ending.set()
        for thread in threads:
            thread.join()
        time.sleep(within)
        wrong = [_wrong(address, record) for address in addresses]
    finally:
        ending.set()
        for server in servers:
            server.stop(signal.SIGKILL)
        database.close()
    failed = record.failed.total()
    missing, kept = (max(column) for column in zip(*wrong, strict=True))
    print(f"{kills} kills of a server, {restarts} restarts of the database, {record.calls:,} calls")
    print(f"calls that failed: {failed} {dict(record.failed) if failed else ''}")
    print(f"acknowledged items: {len(record.present):,}, missing: {missing}")
    print(f"deleted items: {len(record.deleted):,}, still there: {kept}, recommended: {len(record.returned)}")
    seen = sorted(record.seen_after)
    print(f"seen by the other server after {median(seen) * 1000:.0f} ms (median), {seen[-1] * 1000:.0f} ms at most")
    return 1 if failed or missing or kept or record.returned or seen[-1] > within else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--within", type=float, default=1.0, help="seconds until the other server sees a change")
    parser.add_argument("--precision", default="int8")
    given = parser.parse_args()
    sys.exit(attack(given.bundle, given.kills, given.restarts, given.within, given.precision))
