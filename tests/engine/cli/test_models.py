"""`emberline models` on a running server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from servers import served

from emberline.engine.config import EngineConfig


def test_models_are_loaded_routed_listed_and_unloaded(
    emberline: Callable[..., Any], config: EngineConfig, make_tiny_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """Each command prints the models that are loaded then; a mistake is one line."""
    make_tiny_bundle("models/other", seed=7, fingerprint="e" * 64, model_id="other-00000000")
    with served(config, models=tmp_path / "models") as address:
        at = "--server", address
        loaded = emberline("models", "load", "other", "--items", *at)
        assert (loaded.code, loaded.err) == (0, "")
        assert "(default)" in loaded.out
        assert "other-00000000" in loaded.out
        routed = emberline("models", "route", "other", "--share", "0.25", "--json", *at).json
        assert [model["share"] for model in routed] == [0.0, 0.25]
        listed = emberline("models", "list", "--json", *at).json
        assert [(model["name"], model["share"]) for model in listed] == [("", 0.0), ("other", 0.25)]
        assert emberline("models", "list", "--tsv", *at).out.splitlines()[2].split("\t")[0] == "other"
        assert "other" not in emberline("models", "unload", "other", *at).out
        wrong = emberline("models", "unload", "other", *at)
        assert wrong.code == 1
        assert wrong.err.strip().endswith("no model 'other' is loaded; `emberline models list` shows those that are")


def test_each_command_can_name_the_model_that_answers(
    emberline: Callable[..., Any], config: EngineConfig, make_tiny_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """With --model, the named one answers and is changed, and not the default."""
    make_tiny_bundle("models/other", seed=7, fingerprint="e" * 64, model_id="other-00000000")
    with served(config, models=tmp_path / "models") as address:
        at = "--server", address
        named = *at, "--model", "other"
        emberline("models", "load", "other", "--items", *at)
        for command in (("encode", "hello"), ("score", "alien"), ("recommend",)):
            answered = [emberline(*command, "--json", *to).json["provenance"]["model_id"] for to in (at, named)]
            assert answered == ["tiny-00000000", "other-00000000"]
        assert emberline("info", "--json", *named).json["model_id"] == "other-00000000"
        assert emberline("items", "upsert", "--id", "nova", "--text", "title: Nova", *named).code == 0
        assert [emberline("items", "get", "nova", *to).code for to in (at, named)] == [1, 0]
        copy = tmp_path / "copy.sqlite"
        assert "made by the encoder eeeeeeeeeeee" in emberline("catalogue", "backup", str(copy), *named).out
        assert emberline("items", "delete", "nova", *named).code == 0
        wrong = emberline("encode", "hello", *at, "--model", "else")
        assert (wrong.code, wrong.err.count("\n")) == (1, 1)
        assert "no model 'else' is loaded" in wrong.err
