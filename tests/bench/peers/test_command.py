from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from emberline.bench import cli
from emberline.bench.peers.comparison import UNFINISHED
from emberline.bench.peers.settings import PeersSettings


def test_the_command_writes_its_result_beside_its_tables_and_plots(result, tmp_path, monkeypatch):
    """JSON, Markdown and plots in one folder, and no unfinished section; what was chosen reaches the measurement."""
    asked = {}

    def bench_peers(bundle, run, settings, **options):
        asked.update(options, settings=settings)
        return result

    monkeypatch.setattr("emberline.bench.peers.comparison.bench_peers", bench_peers)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / UNFINISHED).write_text("what is finished of this comparison")
    chosen = [
        "--run",
        str(tmp_path),
        "--quick",
        "--peer",
        "openvino",
        "--environments",
        str(tmp_path),
        "--threads",
        "1",
    ]
    done = CliRunner().invoke(
        cli.bench, ["peers", str(tmp_path), *chosen, "--out", str(tmp_path / "out"), "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "peers.json").read_text())
    assert asked == {
        "settings": PeersSettings.quick(),
        "names": ["openvino"],
        "environments": tmp_path,
        "out": tmp_path / "out",
        "threads": 1,
    }
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"peers.json", "peers.md", "peers-offline.png", "peers-agreement.png"}
    text = (tmp_path / "out" / "peers.md").read_text()
    assert "breaks was left out: breaks cannot be measured: MemoryError: nothing is left" in text
    assert "not measured: Triton int8, gRPC was not measured" in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], PeersSettings()), (["--quick", "--repetitions", "4", "--seed", "7"], None)],
)
def test_what_is_not_chosen_comes_from_the_settings(options, expected, result, tmp_path, monkeypatch):
    """The command line has no defaults of its own."""
    asked = []

    def bench_peers(bundle, run, settings, **options):
        asked.append(settings)
        return result

    monkeypatch.setattr("emberline.bench.peers.comparison.bench_peers", bench_peers)
    command = ["peers", str(tmp_path), "--run", str(tmp_path), "--out", str(tmp_path / "out"), "--json", *options]
    CliRunner().invoke(cli.bench, command, catch_exceptions=False)
    assert asked == [expected or replace(PeersSettings.quick(), repetitions=4, seed=7)]
