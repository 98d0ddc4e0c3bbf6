from __future__ import annotations

import pytest

from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.result import make
from emberline.bench.harness.scenarios import CLIENT_MS, SERVER_MS
from emberline.bench.harness.variants import in_process, through_grpc
from emberline.bench.peers.comparison import compare
from emberline.bench.peers.places import LONE, ONE_THREAD, OPERATORS, PARTS, bulk, crowd
from emberline.bench.peers.registry import BARE, STANDARD
from emberline.bench.peers.resume import ResumeFile
from emberline.bench.peers.settings import PeersSettings
from emberline.bench.report.tables import TITLES, verdict
from emberline.bench.report.views.peers import view
from emberline.engine.errors import ConfigError

TOOK_PART = {
    in_process("fp32"),
    in_process("int8"),
    STANDARD,
    BARE["fp32"],
    through_grpc("fp32"),
    through_grpc("int8"),
    "Triton fp32, gRPC",
}


def rows(result, section):
    """The rows of a section, without those of another batch size."""
    return {name for name in Measurements.of(result).variants(section) if "batches of" not in name}


def test_everyone_is_measured_where_they_can_be(result):
    """In process all at once, over a socket with clients, and everyone with lone requests."""
    inside = {name for name in TOOK_PART if "gRPC" not in name}
    assert {one["name"] for one in result["variants"]} == TOOK_PART
    for texts in ("mixed", "real", "uniform"):
        assert rows(result, bulk(texts)) == inside
    assert rows(result, LONE) == TOOK_PART
    for clients in (2, 3):
        assert rows(result, crowd(clients)) == TOOK_PART - inside


def test_every_measurement_has_a_value_for_each_repetition(result):
    """Nothing is missing, and what is timed is never zero."""
    measured = Measurements.of(result)
    for row in measured.rows:
        assert len(row.values) == (1 if row.section == OPERATORS else 2), row
        if row.metric in ("throughput", "p50", "p90", "p99"):
            assert min(row.values) > 0, row
    assert measured.variants("70 % load") == [through_grpc("fp32"), through_grpc("int8")]
    sections = {"Work of 5", "Work of 10", "Recommend of 20", "Recommend of 30"}
    assert set(measured.sections()) >= sections


def test_ratios_are_to_what_everyone_uses(result):
    """The reference of the ratios is sentence-transformers in PyTorch, whose own ratio is one."""
    assert result["reference"] == STANDARD
    measured = Measurements.of(result)
    own = [row for row in measured.rows if row.variant == STANDARD]
    assert own
    for row in own:
        assert measured.ratio(row.section, STANDARD, row.metric, result["reference"]).median == 1.0


def test_a_peer_with_other_vectors_is_not_timed(result):
    """Times of another model say nothing; the row says how far its vectors are away."""
    (reason,) = [one["reason"] for one in result["left_out"] if one["variant"] == "other weights"]
    assert "its fp32 vectors are not PyTorch's (least cosine" in reason


def test_a_peer_that_fails_is_named_with_its_error_and_leaves_no_half_rows(result):
    """Whether it fails at once or in the middle, the others go on without it."""
    reasons = {one["variant"]: one["reason"] for one in result["left_out"]}
    assert "RuntimeError: no such model" in reasons["does not open"]
    assert "MemoryError: nothing is left" in reasons["breaks"]
    assert not [one for one in result["measurements"] if one["variant"].startswith(("breaks", "does not open"))]


def test_everyone_ranks_by_their_own_vectors(result):
    """The same vectors rank alike; over a socket they are the same."""
    found = {(one["item_cold_ndcg_at_10"], one["user_cold_ndcg_at_10"]) for one in result["variants"]}
    for item_cold, user_cold in found:
        assert 0 < item_cold < 1
        assert 0 < user_cold < 1
    fp32 = [one["item_cold_ndcg_at_10"] for one in result["variants"] if one["precision"] == "fp32"]
    assert max(fp32) - min(fp32) < 1e-6


def test_what_shows_why_is_measured(result):
    """The parts of lone requests, the encoder's operators, and the CPU that clients and servers take."""
    measured = Measurements.of(result)
    parts = {
        (row.variant, row.metric): measured.summary(PARTS, row.variant, row.metric)
        for row in measured.rows
        if row.section == PARTS
    }
    served = {"tokenize", "wait", "encode", "score", "engine", "outside", "whole", "empty call"}
    assert {part for name, part in parts if name == through_grpc("int8")} == served
    assert {part for name, part in parts if name == in_process("int8")} == served - {"empty call"}
    assert {part for name, part in parts if name == BARE["fp32"]} == {"tokenize", "encode", "outside", "whole"}
    assert {f"{through_grpc('int8')}, {count} items" for count in (20, 30)} <= {name for name, _ in parts}
    for name in (through_grpc("int8"), BARE["fp32"]):
        assert parts[name, "whole"].median >= parts[name, "encode"].median > 0
    assert measured.variants(OPERATORS) == ["fp32", "int8"]
    for precision in ("fp32", "int8"):
        shares = [row.values for row in measured.rows if (row.section, row.variant) == (OPERATORS, precision)]
        assert sum(map(sum, shares)) == pytest.approx(1.0)
    for clients in (2, 3):
        assert set(measured.variants(crowd(clients))) == {name for name in TOOK_PART if "gRPC" in name}
        assert {CLIENT_MS, SERVER_MS} <= set(measured.metrics(crowd(clients)))


def test_a_missed_bound_names_what_shows_why(result):
    """Each has its profile, and the profile is a section of the document."""
    missed = [one for one in result["bounds"] if one["share"] is not None and not one["reached"]]
    assert missed  # no tiny model comes near the peak of matrix products, for one
    assert all("of the bound; see “" in verdict(one) for one in missed)
    titles = {section.title for section in view(result).sections}
    assert all(TITLES[one["profile"]] in titles for one in result["bounds"])


def test_finished_sections_are_not_measured_again(result, comparison, unfinished, environment, tmp_path):
    """A comparison that was cut off goes on with the section that is missing, and with no other."""
    kept = ResumeFile(unfinished, {}).state()
    names = [one["name"] for one in result["sections"]]
    assert [one.name for one in kept.sections] == names
    (missing,) = [one for one in kept.sections if one.name == "one thread"]
    kept.sections.remove(missing)
    again = (ONE_THREAD, OPERATORS)
    kept.measured = Measurements(row for row in kept.measured.rows if row.section not in again)
    cut = ResumeFile(tmp_path / "cut.msgpack", {})
    cut.keep(kept)
    body = make("peers", environment, {}, compare(comparison, cut))
    assert [one["name"] for one in body["sections"]] == [
        *(name for name in names if name != "one thread"),
        "one thread",
    ]

    def timed(found, repeated):
        return [one for one in found["measurements"] if (one["section"] in again) is repeated]

    assert timed(body, False) == timed(result, False)
    keys = [[(one["section"], one["variant"]) for one in timed(found, True)] for found in (body, result)]
    assert set(keys[0]) == set(keys[1])
    assert timed(body, True) != timed(result, True)
    assert body["variants"] == result["variants"]
    assert body["left_out"] == result["left_out"]


def test_vectors_are_compared_with_pytorchs(result):
    """The same graph gives the same neighbours and vectors; memory was looked at."""
    for one in result["variants"]:
        assert one["cosine_minimum"] == pytest.approx(1.0, abs=1e-5)
        assert one["agreement_at_10"] == 1.0
        assert one["memory_mb"] > 10
        assert one["encoder_mb"] >= 0
    assert result["run"]["path"] == "run"


def test_bounds_are_measured_or_say_why_not(result):
    """Each has a bound; those without a value name who is missing."""
    assert len(result["bounds"]) > 15
    unmeasured = [one for one in result["bounds"] if one["value"] is None]
    measured = [one for one in result["bounds"] if one["value"] is not None]
    assert len(unmeasured) >= 3
    for one in unmeasured:
        assert not one["reached"]
        assert "Triton int8, gRPC" in one["reason"] or BARE["int8"] in one["reason"], one
    assert {one["at_most"] for one in measured} == {True, False}
    for one in measured:
        assert not one["reason"], one
        better = one["bound"] / one["value"]["median"] if one["at_most"] else one["value"]["median"] / one["bound"]
        assert one["share"] == pytest.approx(better)
        assert one["reached"] is (one["share"] >= 1)


@pytest.mark.parametrize(
    "line",
    [
        f"offline, mixed texts: texts/s: {in_process('int8')} / {STANDARD}",
        "offline, mixed texts: texts/s, the best against the best peer that agrees as well",
        f"offline, mixed texts: texts/s: {in_process('fp32')} / {BARE['fp32']}",
        f"offline, mixed texts: texts/s, one thread: {in_process('int8')} / {in_process('fp32')}",
        f"offline, mixed texts: arithmetic: {in_process('fp32')} / peak of fp32 matrix products",
        f"offline, mixed texts: arithmetic: {in_process('int8')} / peak of int8 matrix products",
        f"3 clients: texts/s, against offline in process: {through_grpc('int8')} / {in_process('int8')}",
        f"lone request: p50, against tokenizing and running alone: {through_grpc('int8')} / {BARE['int8']}",
        f"2 clients: texts/s: {through_grpc('int8')} / Triton int8, gRPC",
        f"2 clients: p99: {through_grpc('int8')} / Triton int8, gRPC",
        f"3 clients: p99: {through_grpc('fp32')} / Triton fp32, gRPC",
        f"70 % load: p99: {through_grpc('int8')} / p50 of its lone requests",
        f"Recommend by history ids: p50, ms: {through_grpc('int8')}, 20 items",
        f"Recommend by history ids: p50, ms: {through_grpc('int8')}, 30 items",
        "growing work: slowest / fastest: 5 and 10 texts",
        "growing work: memory: after 10 / after 5 texts",
    ],
)
def test_no_line_is_missing_from_the_bounds(result, line):
    """What the comparison has to show stands in its table, measured or with the reason why not."""
    assert any(f"{one['what']}: {one['compared']}".startswith(line) for one in result["bounds"])


def test_the_result_becomes_a_document(result):
    """Every bound, variant and absent peer is in it."""
    document = view(result)
    assert [section.title for section in document.sections][:2] == ["Bounds", "One table"]
    table = document.sections[1].blocks[0]
    names = {row[0].text for row in table.rows}
    assert names >= TOOK_PART
    said = [block for section in document.sections for block in section.blocks if isinstance(block, str)]
    assert any(block.startswith("breaks was left out: breaks cannot be measured") for block in said)
    assert len(list(document.pictures())) == 2


@pytest.mark.parametrize(
    "wrong", [{"repetitions": 0}, {"crowd_seconds": 0.0}, {"seed": -1}, {"work": ()}, {"batches": (0,)}, {"count": 31}]
)
def test_a_setting_out_of_its_range_is_refused(wrong):
    """The error names the setting."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PeersSettings(**wrong)
