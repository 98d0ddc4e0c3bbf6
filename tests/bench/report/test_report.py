from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from emberline.bench.harness.result import write
from emberline.bench.report.report import VIEWS, gather, save
from emberline.engine.errors import BenchError


class _Balance(HTMLParser):
    """Checks that every element is closed where it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, _attrs):
        """Note an element, unless it never has an end."""
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """The element that ends is the one that began last."""
        assert self.open.pop() == tag


def test_a_report_is_written_in_three_forms(saved):
    """JSON with the results, Markdown with its plots beside it, and one page."""
    assert (saved / "report.html").is_file()
    report = json.loads((saved / "report.json").read_text())
    assert [one["command"] for one in report["results"]] == ["latency", "recall", "coldstart", "peers"]
    linked = re.findall(r"\]\(([^)]+)\)", (saved / "report.md").read_text())
    assert {
        "overview.png",
        "latency-load-mixed.png",
        "recall-drift.png",
        "coldstart-known.png",
        "peers-agreement.png",
    } <= set(linked)
    assert all((saved / name).read_bytes().startswith(b"\x89PNG") for name in linked)


def test_the_page_is_whole_and_self_contained(saved):
    """It is balanced HTML that loads nothing, and each of its links leads to a section that it has."""
    text = (saved / "report.html").read_text()
    balance = _Balance()
    balance.feed(text)
    assert balance.open == []
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) > 10
    assert all(source.startswith(("data:", "#")) for source in sources)
    anchors = {source[1:] for source in sources if source.startswith("#")}
    assert anchors == set(re.findall(r'<section id="([^"]+)"', text))
    assert len(re.findall(r"<section", text)) == len(anchors)


def test_the_first_table_sets_cost_beside_recall(saved):
    """A variant's row has its size, latency, throughput, ratios and what it keeps of the vectors."""
    text = (saved / "report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| Emberline int8 |"))
    assert "22.9" in row
    assert "0.9300" in row
    assert row.count("×") == 3


def test_the_lead_says_what_the_fastest_gains_and_keeps(saved):
    """The first sentence is made of the measurements."""
    page = (saved / "report.html").read_text()
    lead = re.findall(r"<header>\n<h1>.*</h1>\n<p>(.*)</p>", page)[0]
    assert re.fullmatch(
        r"On 2 cores of Imaginary CPU, Emberline int8 answers a request of one text in 3\.\d+ ms at the median, "
        r"4\.\d+ times as fast as PyTorch fp32, and keeps 93\.0% of its top 10\.",
        lead,
    )


@pytest.mark.parametrize("kept", sorted(VIEWS))
def test_a_report_of_one_result_says_nothing_of_the_other(kept, saved, tmp_path):
    """Each result makes a report by itself."""
    shutil.copy(saved / f"{kept}.json", tmp_path)
    titles = [section.title for section in gather(tmp_path).document.sections]
    assert f"How it was measured: {kept}" in titles
    assert len([title for title in titles if title.startswith("How it was")]) == 1


@pytest.mark.parametrize("server", [True, False])
def test_a_latency_result_without_reference_has_no_ratios(latency_result, server, tmp_path):
    """Without PyTorch the report says why, and compares with nothing."""
    write(latency_result(reference=False, server=server), tmp_path)
    text = (save(gather(tmp_path), tmp_path).parent / "report.md").read_text()
    assert "PyTorch fp32 was left out: no run was named." in text
    assert "×" not in text
    assert ("requests/s" in text) is server


def test_requests_that_were_never_answered_do_not_break_the_plots(latency_result, tmp_path):
    """A load under which p99 is infinite is drawn without that point and written as a dash."""
    result = latency_result()
    lost = next(one for one in result["measurements"] if (one["metric"], "90%" in one["section"]) == ("p99", True))
    lost["values"] = [None] * len(lost["values"])
    write(result, tmp_path)
    save(gather(tmp_path), tmp_path)
    assert "| – (p50" in (tmp_path / "report.md").read_text()


def test_a_disturbed_measurement_says_so(latency_result, tmp_path):
    """A page of times taken on a busy machine begins with a warning; others have none."""
    result = latency_result(server=False)
    write(result, tmp_path)
    assert "Take care" not in [section.title for section in gather(tmp_path).document.sections]
    write({**result, "environment": {**result["environment"], "busy_before": 0.4}}, tmp_path)
    assert "Take care" in [section.title for section in gather(tmp_path).document.sections]


def test_results_of_two_bundles_are_not_put_side_by_side(saved, recall_result, tmp_path):
    """A report compares like with like, or says which results do not belong together."""
    bundle = {**recall_result["bundle"], "sha256": "0" * 64, "path": "other"}
    shutil.copy(saved / "latency.json", tmp_path)
    write({**recall_result, "bundle": bundle}, tmp_path)
    said = r"different bundles \(latency of films-0a1b2c3d in bundle and the run run; recall of films-0a1b2c3d in other"
    with pytest.raises(BenchError, match=said):
        gather(tmp_path)


def test_each_result_is_shown_with_the_command_that_made_it(saved):
    """Cold start and peers have their tables under titles of their own, and every command line is there."""
    for text in ((saved / "report.md").read_text(), (saved / "report.html").read_text()):
        for title in ("Cold start: Bounds", "Cold start: Overview", "Peers: One table"):
            assert title in text
        for command in ("bench latency bundle", "bench coldstart --run run", "bench peers bundle --run run"):
            assert f"emberline {command}" in text


def test_an_empty_folder_says_what_to_run(tmp_path):
    """There is nothing to report, and the error names the command that changes that."""
    with pytest.raises(BenchError, match="run `emberline bench latency BUNDLE"):
        gather(tmp_path)
