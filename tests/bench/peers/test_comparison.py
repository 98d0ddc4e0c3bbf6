from __future__ import annotations

import json

import pytest

from emberline.bench.harness.lineup import in_process, through_grpc
from emberline.bench.harness.result import make
from emberline.bench.peers.comparison import hold
from emberline.bench.peers.registry import BARE, STANDARD
from emberline.bench.peers.resume import Ledger
from emberline.bench.peers.settings import PeersSettings
from emberline.bench.report.views.peers import verdict, view
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


def rows(result, texts, scenario):
    """The rows of a scenario, without those of another batch size."""
    found = [one for one in result["measurements"] if (one["texts"], one["scenario"]) == (texts, scenario)]
    return {one["variant"] for one in found if "batches of" not in one["variant"]}


def test_everyone_is_measured_where_they_can_be(result):
    """In process all at once, over a socket with clients, and everyone with lone requests."""
    inside = {name for name in TOOK_PART if "gRPC" not in name}
    assert {one["name"] for one in result["variants"]} == TOOK_PART
    for texts in ("mixed", "real", "uniform"):
        assert rows(result, texts, "Offline") == inside
    assert rows(result, "mixed", "SingleStream") == TOOK_PART
    for clients in (2, 3):
        assert rows(result, "mixed", f"{clients} clients") == TOOK_PART - inside


def test_every_measurement_has_a_value_for_each_repetition(result):
    """Nothing is missing and nothing is zero."""
    for one in result["measurements"]:
        assert len(one["values"]["repetitions"]) == 2, one
        assert one["values"]["minimum"] > 0, one
    assert [one["variant"] for one in result["loads"]] == [through_grpc("fp32"), through_grpc("int8")]
    assert [one["texts"] for one in result["work"]] == [5, 10]
    assert {one["scenario"] for one in result["measurements"]} >= {"Recommend of 20", "Recommend of 30"}


def test_ratios_are_to_what_everyone_uses(result):
    """The reference of the ratios is sentence-transformers in PyTorch, whose own ratio is one."""
    assert result["reference"] == STANDARD
    own = [one for one in result["measurements"] if one["variant"] == STANDARD]
    assert own
    assert all(one["ratio"]["median"] == 1.0 for one in own)


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
    parts = {(one["variant"], one["part"]): one["milliseconds"] for one in result["parts"]}
    served = {"tokenise", "wait", "encode", "score", "engine", "outside", "whole", "empty call"}
    assert {part for name, part in parts if name == through_grpc("int8")} == served
    assert {part for name, part in parts if name == in_process("int8")} == served - {"empty call"}
    assert {part for name, part in parts if name == BARE["fp32"]} == {"tokenise", "encode", "outside", "whole"}
    assert {f"{through_grpc('int8')}, {count} items" for count in (20, 30)} <= {name for name, _ in parts}
    for name in (through_grpc("int8"), BARE["fp32"]):
        assert parts[name, "whole"]["median"] >= parts[name, "encode"]["median"] > 0
    assert [one["precision"] for one in result["operators"]] == ["fp32", "int8"]
    for one in result["operators"]:
        assert sum(entry["share"] for entry in one["operators"]) == pytest.approx(1.0)
    assert {(one["variant"], one["clients"]) for one in result["spent"]} == {
        (name, clients) for name in TOOK_PART if "gRPC" in name for clients in (2, 3)
    }


def test_a_missed_target_names_what_shows_why(result):
    """Each has its profile, and the profile is a part of the result."""
    missed = [one for one in result["targets"] if one["share"] is not None and not one["reached"]]
    assert missed  # no tiny model comes near the peak of matrix products, for one
    assert all("of the bound; see “" in verdict(one) for one in missed)
    assert all(result[one["profile"]] for one in result["targets"])


def test_finished_sections_are_not_measured_again(result, contest, settings, unfinished, environment, tmp_path):
    """A comparison that was cut off goes on with the section that is missing, and with no other."""
    kept = json.loads(unfinished.read_text())
    names = [one["name"] for one in result["sections"]]
    assert [one["name"] for one in kept["state"]["sections"]] == names
    (missing,) = [one for one in kept["state"]["sections"] if one["name"] == "one thread"]
    kept["state"]["sections"].remove(missing)
    kept["state"]["notes"]["one_thread"]["values"] = {}
    cut = tmp_path / "cut.json"
    cut.write_text(json.dumps(kept))
    body = make("peers", environment, {}, hold(contest, settings, Ledger(cut, {})))
    assert [one["name"] for one in body["sections"]] == [
        *(name for name in names if name != "one thread"),
        "one thread",
    ]

    def timed(found, again):
        return [one for one in found["measurements"] if (one["scenario"] == "Offline, one thread") is again]

    assert timed(body, False) == timed(result, False)
    assert [one["variant"] for one in timed(body, True)] == [one["variant"] for one in timed(result, True)]
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


def test_targets_are_measured_or_say_why_not(result):
    """Each has a bound; those without a value name who is missing."""
    assert len(result["targets"]) > 15
    unmeasured = [one for one in result["targets"] if one["value"] is None]
    measured = [one for one in result["targets"] if one["value"] is not None]
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
        f"lone request: p50, against tokenising and running alone: {through_grpc('int8')} / {BARE['int8']}",
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
def test_no_line_is_missing_from_the_targets(result, line):
    """What the comparison has to show stands in its table, measured or with the reason why not."""
    assert any(f"{one['what']}: {one['compared']}".startswith(line) for one in result["targets"])


def test_the_result_becomes_a_document(result):
    """Every target, variant and absent peer is in it."""
    document = view(result)
    assert [section.title for section in document.sections][:2] == ["Targets", "One table"]
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
