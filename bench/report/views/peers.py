"""The document of `bench peers`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Column, Document, Section, Table

from .latency import find
from .peers_plots import MIXED, against_agreement, throughputs, variant_rows
from .peers_profiles import TITLES, durations, operators, parts, spent
from .wording import best_of, conditions, fraction, number, spread, times


def view(result: Result) -> Document:
    """What had to be shown, the one table, then what does not fit into it."""
    sections = [_targets(result), _overview(result), _clients(result), spent(result), parts(result), _loads(result)]
    sections += [_recommendations(result), _work(result), _peaks(result), operators(result)]
    sections += [_participants(result), conditions(result)]
    mixed = result["texts"][0]
    return Document(
        "Emberline and its peers",
        f"The same weights, texts and {result['variants'][0]['threads']} threads for everyone, each in a process and "
        f"peers in an environment of their own, taking turns; medians of {result['settings']['repetitions']} "
        f"repetitions with their range. Mixed texts have {mixed['tokens_minimum']} to {mixed['tokens_maximum']} tokens "
        f"(mean {number(mixed['tokens_mean'])}).",
        tuple(sections),
    )


def verdict(target: Mapping[str, Any]) -> str:
    """Whether a target was reached, or how far it is."""
    if target["share"] is None:
        return f"not measured: {target['reason']}" if target["reason"] else "not measured"
    if target["reached"]:
        return "reached"
    shown = f"; see “{TITLES[target['profile']]}”" if target["profile"] else ""
    return f"missed, at {100 * target['share']:.0f} % of the bound{shown}"


def _targets(result: Result) -> Section:
    columns = (
        Column("Target", number=False),
        Column("of", number=False),
        Column("measured", "median, range"),
        Column("bound"),
        Column("", number=False),
    )
    rows = tuple(
        (
            Cell(one["what"]),
            Cell(one["compared"]),
            Cell("–") if one["value"] is None else spread(one["value"]),
            Cell(f"{'≤' if one['at_most'] else '≥'} {number(one['bound'])}"),
            Cell(verdict(one), best=one["reached"]),
        )
        for one in result["targets"]
    )
    note = (
        "Ratios are taken within each repetition, whose variants ran right after each other. A peer agrees as well "
        "if its agreement@10 is not lower than that of Emberline's fastest variant."
    )
    return Section("Targets", (Table(columns, rows, note),))


def _overview(result: Result) -> Section:
    names = [one["name"] for one in result["texts"]]
    columns = [Column("Variant", number=False)]
    columns += [Column(f"{name} texts", "texts/s") for name in names]
    columns += [Column("p50", "ms"), Column("p99", "ms"), Column("agreement@10")]
    columns += [Column("NDCG@10", "item cold"), Column("memory", "MB, peak")]
    offline = [(name, "Offline", "throughput") for name in names]
    lone = [(MIXED, "SingleStream", metric) for metric in ("p50", "p99")]
    best = {
        place: best_of(
            [found["values"]["median"] for row, _ in variant_rows(result) if (found := find(result, *_at(place, row)))],
            place[1] == "Offline",
        )
        for place in (*offline, *lone)
    }
    lines = []
    for row, record in variant_rows(result):
        cells = [Cell(row)]
        for place in (*offline, *lone):
            cells.append(_measured(find(result, *_at(place, row)), best[place], ratio=place[0] == MIXED))
        again = row != record["name"]
        cells.append(Cell("" if again else fraction(record["agreement_at_10"])))
        cells.append(Cell("" if again else fraction(record["item_cold_ndcg_at_10"])))
        cells.append(Cell("" if again else number(record["memory_mb"])))
        lines.append(tuple(cells))
    note = (
        "texts/s with all texts at once; p50 and p99 of one mixed text at a time. Agreement@10 is the share of an "
        "item's ten nearest neighbours by PyTorch's fp32 vectors that are among its ten nearest by the variant's. "
        "NDCG@10 is that of items that training has not seen, ranked by its vectors through the bundle's towers."
    )
    if result["reference"]:
        note += f" Small: how many times better than {result['reference']}."
    blocks: list[Block] = [Table(tuple(columns), tuple(lines), note), throughputs(result), against_agreement(result)]
    return Section("One table", tuple(blocks))


def _at(place: tuple[str, str, str], variant: str) -> tuple[str, str, str, str]:
    texts, scenario, metric = place
    return texts, scenario, variant, metric


def _measured(found: Mapping[str, Any] | None, best: float | None, *, ratio: bool) -> Cell:
    if found is None:
        return Cell("–")
    median = found["values"]["median"]
    detail = times(found["ratio"]["median"]) if ratio and found["ratio"] else ""
    return Cell(number(median), detail, median is not None and median == best)


def _clients(result: Result) -> Section:
    served = [one["name"] for one in result["variants"] if one["path"] == "grpc"]
    scenarios = [f"{count} clients" for count in result["settings"]["clients"]]
    columns = [Column("Variant", number=False), Column("lone request", "p50, ms")]
    for scenario in scenarios:
        columns += [Column(scenario, "texts/s"), Column("p50", "ms"), Column("p99", "ms")]
    places = [(scenario, metric) for scenario in scenarios for metric in ("throughput", "p50", "p99")]
    rows = []
    for name in served:
        cells = [Cell(name), _range(find(result, MIXED, "SingleStream", name, "p50"))]
        cells += [_range(find(result, MIXED, scenario, name, metric)) for scenario, metric in places]
        rows.append(tuple(cells))
    said = (
        "Over gRPC, with so many callers always waiting for the answer to one mixed text. Clients and server share "
        "the machine's cores."
    )
    return Section("Servers with several clients", (said, Table(tuple(columns), tuple(rows))))


def _range(found: Mapping[str, Any] | None) -> Cell:
    return Cell("–") if found is None else spread(found["values"])


def _loads(result: Result) -> Section:
    columns = (
        Column("Variant", number=False),
        Column("offered", "requests/s"),
        Column("p50", "ms"),
        Column("p90", "ms"),
        Column("p99", "ms"),
        Column("generator's lag", "p99, ms"),
        Column("unanswered", "requests"),
    )
    rows = tuple(
        (
            Cell(one["variant"]),
            Cell(number(one["rate"])),
            *(spread(one[name]) for name in ("p50", "p90", "p99", "lag_p99")),
            Cell(str(one["unanswered"])),
        )
        for one in result["loads"]
    )
    said = (
        "Requests of one text that arrive by themselves (Poisson) at 70 % of what the server answers at most; "
        "latencies count from the moment at which a request was due."
    )
    return Section(TITLES["loads"], (said, Table(columns, rows)))


def _recommendations(result: Result) -> Section:
    columns = (Column("Catalogue", number=False), Column("p50", "ms"), Column("p90", "ms"), Column("p99", "ms"))
    rows = []
    for count in result["settings"]["catalogues"]:
        scenario = f"Recommend of {count:,}"
        found = [one for one in result["measurements"] if one["scenario"] == scenario]
        by_metric = {one["metric"]: one for one in found}
        rows.append((Cell(f"{count:,} items"), *(_range(by_metric.get(name)) for name in ("p50", "p90", "p99"))))
    said = (
        "Ten items through gRPC for a user given by the ids of ten liked ones: no text is encoded, and every item of "
        "the catalogue is scored."
    )
    return Section("Recommendations", (said, Table(columns, tuple(rows))))


def _work(result: Result) -> Section:
    columns = (Column("Texts", number=False), Column("throughput", "texts/s"), Column("memory", "MB, resident"))
    rows = tuple(
        (Cell(f"{one['texts']:,}"), spread(one["throughput"]), spread(one["memory_mb"])) for one in result["work"]
    )
    said = (
        "Short texts of mixed lengths, hardly any of which is another's copy, encoded in process; vectors are dropped "
        "as they come."
    )
    return Section(TITLES["work"], (said, Table(columns, rows)))


def _peaks(result: Result) -> Section:
    columns = (
        Column("Precision", number=False),
        Column("peak", "billion operations/s"),
        Column("reached by", number=False),
        Column("matrices", "M × K × N", number=False),
    )
    rows = tuple(
        (
            Cell(one["precision"]),
            spread(one["values"]),
            Cell(one["library"]),
            Cell(" × ".join(map(str, one["shape"]))),
        )
        for one in result["peaks"]
    )
    cost = result["arithmetic"]
    said = (
        f"A text of L tokens costs the encoder L · ({cost['linear']:,} + {cost['attention']:,} · L) operations in "
        "matrix products; padding is not counted, because it is no work. The peak is the fastest matrix product that "
        "any of the installed libraries makes on as many threads."
    )
    return Section("The machine's peak", (said, Table(columns, rows)))


def _participants(result: Result) -> Section:
    columns = (
        Column("Variant", number=False),
        Column("encoder", "MB"),
        Column("cosine, mean", "to PyTorch"),
        Column("cosine, least", "to PyTorch"),
        Column("packages", number=False),
    )
    rows = tuple(
        (
            Cell(one["name"]),
            Cell(number(one["encoder_mb"])),
            Cell(f"{one['cosine_mean']:.6f}"),
            Cell(f"{one['cosine_minimum']:.6f}"),
            Cell(", ".join(f"{package['name']} {package['version']}" for package in one["packages"])),
        )
        for one in result["variants"]
    )
    return Section("What took part", (Table(columns, rows), *_left_out(result["left_out"]), durations(result)))


def _left_out(left_out: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in left_out:
        reason = " ".join(one["reason"].split())
        yield f"{one['variant']} was left out: {reason}"
