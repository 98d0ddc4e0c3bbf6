"""The document of `bench peers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.measurements import Measurements, Summary
from emberline.bench.harness.result import Result
from emberline.bench.harness.scenarios import CLIENT_MS, LAG, OFFERED, SERVER_MS, UNANSWERED
from emberline.bench.harness.texts import MIXED
from emberline.bench.peers import places
from emberline.bench.peers.places import bulk, row_of
from emberline.bench.report.document import Document, Picture, Section, Table
from emberline.bench.report.plots import Point, bars, colour, numbered, picture
from emberline.bench.report.tables import TITLES, Declared, bounds, numbers, table, words
from emberline.bench.report.wording import conditions, four, left_out, number, prose, six, times

#: Parts of a lone request with their columns.
_PARTS: Final[Mapping[str, str]] = {
    "whole": "whole",
    "tokenize": "tokens",
    "wait": "waiting",
    "encode": "encoder",
    "score": "towers, search",
    "engine": "rest of the engine",
    "outside": "outside",
    "empty call": "empty call",
}


def view(result: Result) -> Document:
    """What had to be shown, the one table, then what does not fit into it."""
    measured = Measurements.of(result)
    shown: tuple[Callable[[Result, Measurements], Section], ...] = (
        *(_overview, _clients, _spent, _parts, _loads, _recommendations, _work, _peaks, _operators),
    )
    sections = [bounds(result, prose("peers.bounds")), *(one(result, measured) for one in shown), _participants(result)]
    return Document(
        "Emberline and its peers",
        prose("peers.lead", result=result, mixed=result["texts"][0]),
        (*sections, conditions(result)),
    )


def _overview(result: Result, measured: Measurements) -> Section:
    """A row is a name and its record; the same variant with another batch size shows only its throughputs."""
    reference = result["reference"]

    def timed(title: str, unit: str, place: str, metric: str) -> Declared:
        def ratio(row: tuple[str, Any]) -> str:
            found = (
                measured.ratio(place, row[0], metric, reference) if place in (places.bulk(MIXED), places.LONE) else None
            )
            return times(found.median) if found else ""

        best = max if metric == "throughput" else min
        return numbers(title, lambda row: measured.median(place, row[0], metric), unit, detail=ratio, best=best)

    def once(title: str, unit: str, key: str, write: Callable[[float | None], str]) -> Declared:
        return numbers(title, lambda row: write(row[1][key]) if row[0] == row[1]["name"] else "", unit)

    shown = table(
        variant_rows(result),
        words("Variant", lambda row: row[0]),
        *(timed(f"{one['name']} texts", "texts/s", places.bulk(one["name"]), "throughput") for one in result["texts"]),
        *(timed(metric, "ms", places.LONE, metric) for metric in ("p50", "p99")),
        once("agreement@10", "", "agreement_at_10", four),
        once("NDCG@10", "item cold", "item_cold_ndcg_at_10", four),
        once("memory", "MB, peak", "memory_mb", number),
        note=prose("peers.overview", reference=reference),
    )
    return Section("One table", (shown, throughputs(result, measured), against_agreement(result, measured)))


def _figure(measured: Measurements, title: str, unit: str, place: str, metric: str) -> Declared:
    """A column of one metric in one section, of rows that are variants."""
    return numbers(title, lambda name: measured.summary(place, name, metric), unit)


def _clients(result: Result, measured: Measurements) -> Section:
    columns = [_figure(measured, "lone request", "p50, ms", places.LONE, "p50")]
    for clients in result["settings"]["clients"]:
        columns.append(_figure(measured, places.crowd(clients), "texts/s", places.crowd(clients), "throughput"))
        columns += [_figure(measured, metric, "ms", places.crowd(clients), metric) for metric in ("p50", "p99")]
    served = [one["name"] for one in result["variants"] if one["path"] == "grpc"]
    shown = table(served, words("Variant", str), *columns)
    return Section("Servers with several clients", (prose("peers.clients"), shown))


def _spent(result: Result, measured: Measurements) -> Section:
    rows = [(name, count) for count in result["settings"]["clients"] for name in measured.variants(places.crowd(count))]

    def of(metric: str) -> Callable[[tuple[str, int]], Summary | None]:
        return lambda row: measured.summary(places.crowd(row[1]), row[0], metric)

    shown = table(
        rows,
        words("Variant", lambda row: row[0]),
        numbers("clients", lambda row: str(row[1])),
        numbers("server", of(SERVER_MS), "ms of CPU"),
        numbers("client", of(CLIENT_MS), "ms of CPU"),
    )
    return Section(TITLES["spent"], (prose("peers.spent"), shown))


def _parts(_: Result, measured: Measurements) -> Section:
    columns = [_figure(measured, title, "ms", places.PARTS, part) for part, title in _PARTS.items()]
    shown = table(measured.variants(places.PARTS), words("Variant", str), *columns)
    return Section(TITLES["parts"], (prose("peers.parts"), shown))


def _loads(_: Result, measured: Measurements) -> Section:
    shown = table(
        measured.variants(places.LOAD),
        words("Variant", str),
        numbers("offered", lambda name: measured.median(places.LOAD, name, OFFERED), "requests/s"),
        *(_figure(measured, metric, "ms", places.LOAD, metric) for metric in ("p50", "p90", "p99")),
        _figure(measured, "generator's lag", "p99, ms", places.LOAD, LAG),
        numbers("unanswered", lambda name: str(int(sum(measured.values(places.LOAD, name, UNANSWERED)))), "requests"),
    )
    return Section(TITLES["loads"], (prose("peers.loads"), shown))


def _recommendations(result: Result, measured: Measurements) -> Section:
    def of(metric: str) -> Callable[[int], Summary | None]:
        def find(count: int) -> Summary | None:
            place = places.recommending(count)
            return next((measured.summary(place, name, metric) for name in measured.variants(place)), None)

        return find

    columns = [numbers(metric, of(metric), "ms") for metric in ("p50", "p90", "p99")]
    shown = table(result["settings"]["catalogues"], words("Catalogue", lambda count: f"{count:,} items"), *columns)
    return Section("Recommendations", (prose("peers.recommendations"), shown))


def _work(result: Result, measured: Measurements) -> Section:
    rows = [(count, name) for count in result["settings"]["work"] for name in measured.variants(places.growing(count))]
    shown = table(
        rows,
        words("Texts", lambda row: f"{row[0]:,}"),
        numbers("throughput", lambda row: measured.summary(places.growing(row[0]), row[1], "throughput"), "texts/s"),
        numbers("memory", lambda row: measured.summary(places.growing(row[0]), row[1], places.MEMORY), "MB, resident"),
    )
    return Section(TITLES["work"], (prose("peers.work"), shown))


def _peaks(result: Result, measured: Measurements) -> Section:
    def peak(one: Mapping[str, Any]) -> Summary | None:
        return measured.summary(places.PEAK, one["precision"], places.GIGA_OPERATIONS)

    shown = table(
        result["peaks"],
        words("Precision", lambda one: one["precision"]),
        numbers("peak", peak, "billion operations/s"),
        words("reached by", lambda one: one["library"]),
        words("matrices", lambda one: " × ".join(map(str, one["shape"])), "M × K × N"),
    )
    return Section("The machine's peak", (prose("peers.peaks", arithmetic=result["arithmetic"]), shown))


def _operators(_: Result, measured: Measurements) -> Section:
    precisions = measured.variants(places.OPERATORS)
    names = measured.metrics(places.OPERATORS)
    most = {name: max(measured.median(places.OPERATORS, one, name) or 0.0 for one in precisions) for name in names}
    names.sort(key=lambda name: (name == "others", -most[name]))

    def hundredfold(share: float) -> str:
        return number(100 * share)

    def share(precision: str) -> Declared:
        return numbers(
            precision, lambda name: measured.median(places.OPERATORS, precision, name), "%", write=hundredfold
        )

    shown = table(names, words("Operator", str), *map(share, precisions))
    return Section(TITLES["operators"], (prose("peers.operators"), shown))


def _participants(result: Result) -> Section:
    shown = table(
        result["variants"],
        words("Variant", lambda one: one["name"]),
        numbers("encoder", lambda one: one["encoder_mb"], "MB"),
        numbers("cosine, mean", lambda one: one["cosine_mean"], "to PyTorch", write=six),
        numbers("cosine, least", lambda one: one["cosine_minimum"], "to PyTorch", write=six),
        words("packages", lambda one: ", ".join(f"{each['name']} {each['version']}" for each in one["packages"])),
    )
    return Section("What took part", (shown, *left_out(result), _durations(result)))


def _durations(result: Result) -> Table:
    """When each section was measured, how long it took, and what else ran."""
    return table(
        result["sections"],
        words("Section", lambda one: one["name"]),
        words("begun", lambda one: one["created"]),
        numbers("took", lambda one: one["seconds"] / 60, "min"),
        numbers("others' CPU", lambda one: 100 * one["busy_before"], "%, just before"),
        numbers("stolen", lambda one: 100 * one["stolen"], "%"),
    )


def variant_rows(result: Result) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of the one table with their variants: each one, and behind it the same with another batch size."""
    found = []
    for one in result["variants"]:
        found.append((one["name"], one))
        if one["batch"] is not None:
            found.append((row_of(one["name"], one["batch"]), one))
    return found


def throughputs(result: Result, measured: Measurements) -> Picture:
    """Every row's throughput on the mixed texts, the fastest first."""
    rows = []
    for name, record in variant_rows(result):
        values = measured.summary(bulk(MIXED), name, "throughput")
        if values:
            rows.append((name, values, colour(record["engine"], record["precision"]), number(values.median)))
    rows.sort(key=lambda row: -row[1].median)
    return bars("peers-offline", prose("peers.throughputs"), rows, room=0.32, margin=0.15)


def against_agreement(result: Result, measured: Measurements) -> Picture:
    """Each variant's throughput on the mixed texts, in its fastest batch size, and its agreement@10."""
    fastest: dict[str, tuple[Mapping[str, Any], float]] = {}
    for row, record in variant_rows(result):
        speed = measured.median(bulk(MIXED), row, "throughput")
        if speed is not None:
            name = record["name"]
            fastest[name] = record, max(speed, fastest[name][1] if name in fastest else 0.0)
    points = sorted(fastest.values(), key=lambda point: -point[1])

    def draw(axes: Axes) -> None:
        tints = [colour(record["engine"], record["precision"]) for record, _ in points]
        placed = [(speed, 100 * record["agreement_at_10"]) for record, speed in points]
        numbered(axes, [Point(*place, tint) for place, tint in zip(placed, tints, strict=True)])
        axes.set_xlabel("texts/s, mixed texts")

    named = "; ".join(f"{place} {record['name']}" for place, (record, _) in enumerate(points, 1))
    return picture("peers-agreement", prose("peers.agreement", named=named), 3.8, draw)
