"""What shows why `bench peers` measured what it did: the parts of a request, an encoder's operators, the CPU's use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Cell, Column, Section, Table

from .wording import number, spread

#: The sections by the key of the result that they show.
TITLES: Final[Mapping[str, str]] = {
    "parts": "Where a lone request's time goes",
    "operators": "Where the encoder's time goes",
    "spent": "What an answer takes of the CPU",
    "loads": "Requests that arrive by themselves",
    "work": "Growing work",
}
#: Parts with their columns.
_PARTS: Final[Mapping[str, str]] = {
    "whole": "whole",
    "tokenise": "tokens",
    "wait": "waiting",
    "encode": "encoder",
    "score": "towers, search",
    "engine": "rest of the engine",
    "outside": "outside",
    "empty call": "empty call",
}


def parts(result: Result) -> Section:
    """What a lone request's time is made of."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in result["parts"]:
        found.setdefault(one["variant"], {})[one["part"]] = one["milliseconds"]
    columns = [Column("Variant", number=False), *(Column(title, "ms") for title in _PARTS.values())]
    rows = tuple(
        (Cell(name), *(spread(of[part]) if part in of else Cell("–") for part in _PARTS)) for name, of in found.items()
    )
    said = (
        "One mixed text, or one recommendation, at a time; medians, which need not add up. Waiting is for a batch to "
        "begin; outside is what the caller waits beyond the engine's own time: messages, gRPC, the event loops of both "
        "sides and the socket. An empty call asks for no work, and goes the same way."
    )
    return Section(TITLES["parts"], (said, Table(tuple(columns), rows)))


def operators(result: Result) -> Section:
    """What an encoder's time is made of."""
    by_precision = {
        one["precision"]: {entry["operator"]: entry["share"] for entry in one["operators"]}
        for one in result["operators"]
    }
    names = list(dict.fromkeys(name for of in by_precision.values() for name in of))
    names.sort(key=lambda name: (name == "others", -max(of.get(name, 0.0) for of in by_precision.values())))
    columns = (Column("Operator", number=False), *(Column(precision, "%") for precision in by_precision))
    rows = tuple(
        (Cell(name), *(Cell(number(100 * of[name]) if name in of else "–") for of in by_precision.values()))
        for name in names
    )
    said = (
        "By ONNX Runtime's profiler, after its optimisations, on one thread with one mixed text a run. What is no "
        "matrix product stands between an engine and the machine's peak."
    )
    return Section(TITLES["operators"], (said, Table(columns, rows)))


def spent(result: Result) -> Section:
    """What servers and their clients take of the CPU."""
    columns = (
        Column("Variant", number=False),
        Column("clients"),
        Column("server", "ms of CPU"),
        Column("client", "ms of CPU"),
    )
    rows = tuple(
        (Cell(one["variant"]), Cell(str(one["clients"])), spread(one["server_ms"]), spread(one["client_ms"]))
        for one in result["spent"]
    )
    said = (
        "An answer's share of the time that the processes spent on any core while so many callers were waiting. What "
        "the client takes, the server lacks."
    )
    return Section(TITLES["spent"], (said, Table(columns, rows)))


def durations(result: Result) -> Table:
    """When each section was measured, how long it took, and what else ran."""
    columns = (
        Column("Section", number=False),
        Column("begun", number=False),
        Column("took", "min"),
        Column("others' CPU", "%, just before"),
        Column("stolen", "%"),
    )
    rows = tuple(
        (
            Cell(one["name"]),
            Cell(one["created"]),
            Cell(number(one["seconds"] / 60)),
            Cell(number(100 * one["busy_before"])),
            Cell(number(100 * one["stolen"])),
        )
        for one in result["sections"]
    )
    return Table(columns, rows)
