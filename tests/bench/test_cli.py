from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from emberline.bench import cli
from emberline.engine.cli import extras
from emberline.engine.errors import BenchError, ConfigError, MissingExtra


def run(*arguments: object):
    """Run a command; what it raises on purpose is raised here, too."""
    result = CliRunner().invoke(cli.bench, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_latency_writes_its_results_and_prints_them_as_json(tiny_bundle, tmp_path):
    """The printed result is the written one, alone on standard output; Markdown and plots lie beside it."""
    chosen = ("--precision", "fp32", "--scenario", "singlestream", "--repetitions", 1, "--texts", "items")
    done = run("latency", tiny_bundle, "--quick", *chosen, "--out", tmp_path / "results", "--json")
    written = json.loads((tmp_path / "results" / "latency.json").read_text())
    assert json.loads(done.stdout) == written
    assert written["settings"]["scenarios"] == ["SingleStream"]
    assert {one["precision"] for one in written["variants"]} == {"fp32"}
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"latency.json", "latency.md", "latency-single-items.png"}
    assert "SingleStream, items texts" in done.stderr


def test_report_prints_where_the_page_is(saved, tmp_path):
    """The report of a folder goes into that folder unless told otherwise."""
    for name in ("latency", "recall"):
        shutil.copy(saved / f"{name}.json", tmp_path)
    assert run("report", tmp_path).stdout.strip() == str(tmp_path / "report.html")
    done = run("report", tmp_path, "--out", tmp_path / "elsewhere", "--json")
    assert json.loads(done.stdout) == json.loads((tmp_path / "elsewhere" / "report.json").read_text())


def test_an_unknown_scenario_is_named(tiny_bundle):
    """The error lists the scenarios that there are."""
    with pytest.raises(ConfigError, match="no scenario 'Serial'; choose from SingleStream"):
        run("latency", tiny_bundle, "--scenario", "Serial")


def test_a_report_of_nothing_is_an_error(tmp_path):
    """An empty folder makes no page."""
    with pytest.raises(BenchError, match="run `emberline bench latency"):
        run("report", tmp_path)


def test_nothing_is_measured_without_what_draws_it(tiny_bundle, monkeypatch):
    """A missing package is named before the measurement and not after it."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "matplotlib" else object())
    with pytest.raises(MissingExtra, match=r"'matplotlib'.*emberline\[bench\]"):
        run("latency", tiny_bundle)


@pytest.mark.parametrize("command", ["latency", "recall", "report"])
def test_every_option_is_explained(command):
    """The help says of each option what it does."""
    for parameter in cli.typer.main.get_command(cli.bench).commands[command].params:
        assert parameter.help, parameter.name


def test_tables_are_printed_without_json(saved, tmp_path, monkeypatch):
    """On a terminal one reads the tables, and where the files are."""
    result = json.loads((saved / "latency.json").read_text())
    monkeypatch.setattr("emberline.bench.latency.latency.bench_latency", lambda *_, **__: result)
    monkeypatch.setenv("COLUMNS", "160")
    done = run("latency", tmp_path, "--out", tmp_path)
    assert "SingleStream" in done.stdout
    assert "Emberline int8, gRPC" in done.stdout
    assert "latency.json, latency.md and 3 plots beside it" in done.stdout.replace("\n", "")
