"""The document of `bench peers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.measurements import Measurements, Summary
from emberline.bench.harness.result import Result
from emberline.bench.harness.scenarios import LAG, OFFERED, UNANSWERED
from emberline.bench.harness.texts import MIXED
from emberline.bench.peers import places
from emberline.bench.peers.places import bulk, row_of
from emberline.bench.report.document import Document, Picture, Section, Table
from emberline.bench.report.plots import Point, bars, colour, numbered, picture
from emberline.bench.report.tables import TITLES, Declared, bounds, numbers, table, words
from emberline.bench.report.wording import conditions, four, left_out, number, six, times

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
    measured, mixed = Measurements.of(result), result["texts"][0]
    note = (
        "Ratios are taken within each repetition, whose variants ran right after each other. A peer agrees as well "
        "if its agreement@10 is not lower than that of Emberline's fastest variant."
    )
    shown: tuple[Callable[[Result, Measurements], Section], ...] = (
        *(_overview, _clients, _spent, _parts, _loads, _recommendations, _work, _peaks, _operators),
    )
    sections = [bounds(result, note), *(one(result, measured) for one in shown), _participants(result)]
    return Document(
        "Emberline and its peers",
        f"The same weights, texts and {result['variants'][0]['threads']} threads for everyone, each in a process and "
        f"peers in an environment of their own, taking turns; medians of {result['settings']['repetitions']} "
        f"repetitions with their range. Mixed texts have {mixed['tokens_minimum']} to {mixed['tokens_maximum']} tokens "
        f"(mean {number(mixed['tokens_mean'])}).",
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

    note = (
        "texts/s with all texts at once; p50 and p99 of one mixed text at a time. Agreement@10 is the share of an "
        "item's ten nearest neighbours by PyTorch's fp32 vectors that are among its ten nearest by the variant's. "
        "NDCG@10 is that of items that training has not seen, ranked by its vectors through the bundle's towers."
    )
    shown = table(
        variant_rows(result),
        words("Variant", lambda row: row[0]),
        *(timed(f"{one['name']} texts", "texts/s", places.bulk(one["name"]), "throughput") for one in result["texts"]),
        *(timed(metric, "ms", places.LONE, metric) for metric in ("p50", "p99")),
        once("agreement@10", "", "agreement_at_10", four),
        once("NDCG@10", "item cold", "item_cold_ndcg_at_10", four),
        once("memory", "MB, peak", "memory_mb", number),
        note=f"{note} Small: how many times better than {reference}." if reference else note,
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
    said = (
        "Over gRPC, with so many callers always waiting for the answer to one mixed text. Clients and server share "
        "the machine's cores."
    )
    return Section("Servers with several clients", (said, table(served, words("Variant", lambda name: name), *columns)))


def _spent(result: Result, measured: Measurements) -> Section:
    rows = [(name, count) for count in result["settings"]["clients"] for name in measured.variants(places.crowd(count))]

    def of(metric: str) -> Callable[[tuple[str, int]], Summary | None]:
        return lambda row: measured.summary(places.crowd(row[1]), row[0], metric)

    shown = table(
        rows,
        words("Variant", lambda row: row[0]),
        numbers("clients", lambda row: str(row[1])),
        numbers("server", of(places.SERVER_MS), "ms of CPU"),
        numbers("client", of(places.CLIENT_MS), "ms of CPU"),
    )
    said = (
        "An answer's share of the time that the processes spent on any core while so many callers were waiting. What "
        "the client takes, the server lacks."
    )
    return Section(TITLES["spent"], (said, shown))


def _parts(_: Result, measured: Measurements) -> Section:
    columns = [_figure(measured, title, "ms", places.PARTS, part) for part, title in _PARTS.items()]
    said = (
        "One mixed text, or one recommendation, at a time; medians, which need not add up. Waiting is for a batch to "
        "begin; outside is what the caller waits beyond the engine's own time: messages, gRPC, the event loops of both "
        "sides and the socket. An empty call asks for no work, and goes the same way."
    )
    shown = table(measured.variants(places.PARTS), words("Variant", lambda name: name), *columns)
    return Section(TITLES["parts"], (said, shown))


def _loads(_: Result, measured: Measurements) -> Section:
    shown = table(
        measured.variants(places.LOAD),
        words("Variant", lambda name: name),
        numbers("offered", lambda name: measured.median(places.LOAD, name, OFFERED), "requests/s"),
        *(_figure(measured, metric, "ms", places.LOAD, metric) for metric in ("p50", "p90", "p99")),
        _figure(measured, "generator's lag", "p99, ms", places.LOAD, LAG),
        numbers("unanswered", lambda name: str(int(sum(measured.values(places.LOAD, name, UNANSWERED)))), "requests"),
    )
    said = (
        "Requests of one text that arrive by themselves (Poisson) at 70 % of what the server answers at most; "
        "latencies count from the moment at which a request was due."
    )
    return Section(TITLES["loads"], (said, shown))


def _recommendations(result: Result, measured: Measurements) -> Section:
    def of(metric: str) -> Callable[[int], Summary | None]:
        def find(count: int) -> Summary | None:
            place = places.recommending(count)
            return next((measured.summary(place, name, metric) for name in measured.variants(place)), None)

        return find

    said = (
        "Ten items through gRPC for a user given by the ids of ten liked ones: no text is encoded, and every item of "
        "the catalogue is scored."
    )
    columns = [numbers(metric, of(metric), "ms") for metric in ("p50", "p90", "p99")]
    shown = table(result["settings"]["catalogues"], words("Catalogue", lambda count: f"{count:,} items"), *columns)
    return Section("Recommendations", (said, shown))


def _work(result: Result, measured: Measurements) -> Section:
    rows = [(count, name) for count in result["settings"]["work"] for name in measured.variants(places.growing(count))]
    shown = table(
        rows,
        words("Texts", lambda row: f"{row[0]:,}"),
        numbers("throughput", lambda row: measured.summary(places.growing(row[0]), row[1], "throughput"), "texts/s"),
        numbers("memory", lambda row: measured.summary(places.growing(row[0]), row[1], places.MEMORY), "MB, resident"),
    )
    said = (
        "Short texts of mixed lengths, hardly any of which is another's copy, encoded in process; vectors are dropped "
        "as they come."
    )
    return Section(TITLES["work"], (said, shown))


def _peaks(result: Result, measured: Measurements) -> Section:
    def peak(one: Mapping[str, Any]) -> Summary | None:
        return measured.summary(places.PEAK, one["precision"], places.GIGA_OPERATIONS)

    shown = table(
        result["peaks"],
        words("Precision", lambda one: one["precision"]),
        numbers(
            "peak",
            lambda one: measured.summary(places.PEAK, one["precision"], places.GIGA_OPERATIONS),
            "billion operations/s",
        ),
        words("reached by", lambda one: one["library"]),
        words("matrices", lambda one: " × ".join(map(str, one["shape"])), "M × K × N"),
    )
    cost = result["arithmetic"]
    said = (
        f"A text of L tokens costs the encoder L · ({cost['linear']:,} + {cost['attention']:,} · L) operations in "
        "matrix products; padding is not counted, because it is no work. The peak is the fastest matrix product that "
        "any of the installed libraries makes on as many threads."
    )
    return Section("The machine's peak", (said, shown))


def _operators(_: Result, measured: Measurements) -> Section:
    precisions = measured.variants(places.OPERATORS)
    names = measured.metrics(places.OPERATORS)
    most = {name: max(measured.median(places.OPERATORS, one, name) or 0.0 for one in precisions) for name in names}
    names.sort(key=lambda name: (name == "others", -most[name]))

    def share(precision: str) -> Declared:
        write = lambda value: number(100 * value)  # noqa: E731  # shorter than a function of its own
        return numbers(precision, lambda name: measured.median(places.OPERATORS, precision, name), "%", write=write)

    said = (
        "By ONNX Runtime's profiler, after its optimisations, on one thread with one mixed text a run. What is no "
        "matrix product stands between an engine and the machine's peak."
    )
    shown = table(names, words("Operator", lambda name: name), *map(share, precisions))
    return Section(TITLES["operators"], (said, shown))


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
    caption = "Throughput, mixed texts, all at once; the line is the range of the repetitions. More is better."
    return bars("peers-offline", caption, rows, room=0.32, margin=0.15)


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
    caption = (
        "Throughput, each in its fastest batch size, against agreement; Emberline has colours. Further right and "
        f"higher is better. {named}."
    )
    return picture("peers-agreement", caption, 3.8, draw)
