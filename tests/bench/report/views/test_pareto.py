"""The one table and the one plot of what variants cost and keep."""

from __future__ import annotations

import pytest

from emberline.bench.report.document import Picture, Table
from emberline.bench.report.views.overview import overview
from emberline.bench.report.views.pareto import front, pareto_rows


@pytest.fixture(scope="module")
def results(latency_result, recall_result, peers_result, coldstart_result):
    """Results of all commands."""
    found = (latency_result(), recall_result, peers_result, coldstart_result)
    return {one["command"]: one for one in found}


def named(rows, name, run):
    """A row."""
    return next(row for row in rows if (row.name, row.run) == (name, run))


def table(results):
    """The table's rows by variant and run, each as texts."""
    found = overview(results).blocks[0]
    assert isinstance(found, Table)
    return {(row[0].text, row[1].text): [cell.text for cell in row] for row in found.rows}


def test_every_variant_of_every_run_has_a_row(results):
    """PyTorch and Emberline's precisions, and peers with Emberline beside them, which took part in that run too."""
    rows = table(results)
    assert {name for name, run in rows if run == "latency"} == {one["name"] for one in results["latency"]["variants"]}
    assert {name for name, run in rows if run == "peers"} == {one["name"] for one in results["peers"]["variants"]}
    assert ("Emberline int8", "latency") in rows
    assert ("Emberline int8", "peers") in rows
    assert rows["Emberline int8", "latency"][6:] == ["0.9300", "0.3078", "0.3078", "yes"]
    assert rows["Emberline int8", "latency"][2] == "22.9"


def test_what_was_not_measured_is_a_dash(results):
    """Nor is there the throughput of a server with all texts at once, nor rankings where nobody was held out."""
    rows = table(results)
    assert rows["Emberline int8, gRPC", "peers"][5] == "–"
    assert rows["CTranslate2 int8", "peers"][2] == "23.1"
    assert rows["CTranslate2 int8", "peers"][8] == "–"


def test_a_peer_ranks_by_its_own_vectors(results):
    """Its NDCG is of its own run, and Emberline's there too: not of `bench recall`, which asked other vectors."""
    rows = table(results)
    assert rows["CTranslate2 int8", "peers"][7] == "0.2823"
    assert rows["Emberline int8", "peers"][7] == "0.2865"
    assert rows["Emberline int8", "latency"][7] == "0.3078"


def test_ratios_are_to_pytorch_of_the_same_run(results):
    """The peers' machine was slower; its ratios are to its own reference and not to that of another run."""
    rows = pareto_rows(results)
    assert named(rows, "Emberline int8", "peers").ratio == pytest.approx(5.0)
    assert named(rows, "Emberline int8", "latency").ratio == pytest.approx(15.0 / 3.2, rel=0.1)
    assert named(rows, "sentence-transformers, PyTorch fp32", "peers").ratio == 1.0
    assert "never a row of one with a row of another" in overview(results).blocks[0].note


def test_a_peer_counts_in_its_fastest_batch_size(results):
    """Its row has the throughput of the batches that were faster than its default."""
    ours = named(pareto_rows(results), "CTranslate2 int8", "peers")
    assert ours.fastest == "CTranslate2 int8, batches of 8"
    assert ours.ratio == pytest.approx(2000 / 3 / (1500 / 20))


def test_the_front_is_what_nobody_in_the_same_run_beats(results):
    """int8 is faster and agrees less than fp32; what is slower and agrees less than another is not on it."""
    rows = pareto_rows(results)
    chosen = {(row.name, row.run) for row in front(rows)}
    assert chosen == {
        ("Emberline fp32", "latency"),
        ("Emberline int8", "latency"),
        ("Emberline fp32", "peers"),
        ("Emberline int8", "peers"),
        ("CTranslate2 int8", "peers"),
    }


def test_another_run_changes_nothing_on_a_front(results):
    """A front is the same whether or not there is another run."""
    alone = {row.name for row in front(pareto_rows({"peers": results["peers"]}))}
    assert alone == {row.name for row in front(pareto_rows(results)) if row.run == "peers"}


def test_a_variant_that_recall_alone_measured_has_a_row(results):
    """Without times there is no plot, and nothing is made up."""
    section = overview({"recall": results["recall"]})
    assert not [block for block in section.blocks if isinstance(block, Picture)]
    rows = table({"recall": results["recall"]})
    assert rows["Emberline int8", "recall"][2:] == ["–", "–", "–", "–", "0.9300", "0.3078", "0.3078", ""]
    assert rows["PyTorch fp32", "recall"][6] == "1.0000"


def test_the_plot_names_its_points_with_their_runs(results):
    """Each point's number stands in the caption, with the reference of its run."""
    (picture,) = (block for block in overview(results).blocks if isinstance(block, Picture))
    assert "CTranslate2 int8, peers" in picture.caption
    assert "run latency: PyTorch fp32; run peers: sentence-transformers, PyTorch fp32" in picture.caption


def test_cold_start_alone_has_no_such_table(results):
    """It measures neither times nor agreement."""
    assert overview({"coldstart": results["coldstart"]}) is None
