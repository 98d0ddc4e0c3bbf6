import re
from dataclasses import fields
from pathlib import Path

import emberline.engine.server.status
from emberline.engine.config import EngineConfig
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.server.config import ServerConfig

DOCUMENT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


def _rows(heading: str) -> set[str]:
    """What stands in code in the first column of the table under a heading of its own."""
    table = DOCUMENT.split(f"| {heading} |")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)`", table, re.M))


def test_every_setting_is_documented() -> None:
    """The table of settings has each one, and none that does not exist."""
    settings = {field.name for config in (EngineConfig, ServerConfig) for field in fields(config)} - {"engine"}
    assert _rows("setting") == settings


def test_every_metric_is_documented() -> None:
    """The table of metrics has each one by the name that Prometheus sees."""
    suffix = {"counter": "_total", "info": "_info"}
    names = {family.name + suffix.get(family.type, "") for family in PrometheusMetrics().registry.collect()}
    assert _rows("metric") == names


def test_every_status_is_documented() -> None:
    """The table of errors pairs each error with its code."""
    table = DOCUMENT.split("| gRPC code |")[1].split("\n\n")[0]
    for error, code in emberline.engine.server.status.CODES.items():
        assert f"| `{code.name}` | `{error.__name__}` |" in table
