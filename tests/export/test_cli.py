"""The options of `emberline export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from emberline.engine.bundle import Bundle
from emberline.engine.errors import ConfigError
from emberline.export import cli
from emberline.export.training.run import Run

APP = typer.Typer()
APP.command()(cli.export)


def _export(*arguments: str | Path) -> str:
    """Run the command; its errors are raised as they are."""
    done = CliRunner().invoke(APP, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--objective", "agreement"], r"--objective agreement: write MEASURE=VALUE with one of agreement, cosine"),
        (["--objective", "sm86"], r"--objective sm86: write MEASURE=VALUE"),
        (["--objective", "recall=0.9"], r"measure is 'recall'; choose from agreement, cosine"),
        (["--objective", "agreement=97"], r"must be a share above 0 and up to 1, not 97"),
        (["--objective", "agreement=0.9", "--search-minutes", "0"], r"minutes of a search must be more than 0"),
        (
            ["--objective", "agreement=0.9", "--activations-16bit", "ffn_up"],
            r"--activations-16bit names the layers that --objective searches for",
        ),
        (["--search-minutes", "5"], r"--search-minutes is for a search; add its --objective"),
        (
            ["--gpu", "sm86", "--tensorrt", "fp16", "--search-minutes", "5"],
            r"--search-minutes is for the export of a run",
        ),
    ],
)
def test_options_that_do_not_fit_are_told(options: list[str], complaint: str, tmp_path: Path) -> None:
    """Invalid options are rejected before the run is read."""
    with pytest.raises(ConfigError, match=complaint):
        _export(tmp_path / "run", tmp_path / "bundle", *options)
    assert not list(tmp_path.iterdir())


def test_a_search_is_told_of_in_a_sentence(small_run: Run, tmp_path: Path) -> None:
    """The summary says how many assignments were tried, what was found and what it costs."""
    bundle = tmp_path / "bundle"
    said = _export(small_run.folder.root, bundle, "--precision", "int8", "--objective", "agreement=0.5")
    assert "int8: 1 assignments tried; the cheapest that meets agreement=0.5: agreement@10 of neighbours" in said
    assert "1.00 times the time of 8-bit activations throughout" in said
    searched = Bundle.open(bundle).report["search"]
    assert (searched["minutes"], searched["met"]) == (10.0, True)
    told = _export(
        small_run.folder.root, tmp_path / "two", "--precision", "int8", "--objective", "cosine=0.9", "--json"
    )
    assert json.loads(told[told.index("{") :])["report"]["search"]["objective"] == "cosine=0.9"


def test_layers_can_be_named_by_hand(small_run: Run, tmp_path: Path) -> None:
    """`none` selects 8-bit activations throughout; without the option the default layers have 16 bits."""
    for name, options, layers in (("none", ["--activations-16bit", "none"], 0), ("shipped", [], 4)):
        _export(small_run.folder.root, tmp_path / name, "--precision", "int8", *options)
        report = Bundle.open(tmp_path / name).report
        assert len(report["precisions"]["int8"]["details"]["activations_16bit"]) == layers
        assert "search" not in report


def test_a_training_that_is_stopped_says_how_to_go_on(
    small_run: Run, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends with both ways on, once a run was begun; before that there is nothing to go on with."""
    app = typer.Typer()
    app.command()(cli.train)
    described = ["--description", str(small_run.folder.description), "--data", str(small_run.settings.data)]

    def stopped(begun: bool) -> str:
        def train(*given: object, **_: object) -> None:
            if begun:
                (tmp_path / "run").mkdir()
                (tmp_path / "run" / "config.json").touch()
            raise KeyboardInterrupt

        monkeypatch.setattr("emberline.export.training.loop.train", train)
        done = CliRunner().invoke(app, [str(tmp_path / "run"), "--encoder", str(tiny_bert), *described])
        assert done.exit_code == 130
        return done.output

    assert "--resume" not in stopped(begun=False)
    assert f"{tmp_path / 'run'} is not finished; go on with --resume, or begin again with --again" in stopped(
        begun=True
    )
