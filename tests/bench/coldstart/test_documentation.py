"""Guide and view say what the measurement does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emberline.bench.cli import bench, typer
from emberline.bench.coldstart.ablations import ABLATIONS
from emberline.bench.report.document import Table
from emberline.bench.report.page import markdown
from emberline.bench.report.views.coldstart import view
from emberline.export.baselines.contenders import contenders
from emberline.export.data.description import Description

DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (DOCS / "coldstart.md").read_text(encoding="utf-8")


def test_every_key_is_documented(shop_result, seeds_result, undocumented):
    """A reader finds each key of the result in one of the two guides; the trainer's settings have their own."""
    settings = {**shop_result["settings"], "training": None}
    result = {
        **shop_result,
        "settings": settings,
        "ablations": [{**one, "changes": {}} for one in shop_result["ablations"]],
    }
    documented = set(re.findall(r"`([a-z0-9_]+)`", GUIDE))
    assert undocumented(result) - documented == set()
    assert seeds_result["groups"]
    assert undocumented(seeds_result["groups"]) - documented == set()


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_is_documented(name):
    """Each stands in the guide's table."""
    assert f"`{name}`" in GUIDE


def test_every_option_is_explained():
    """The help says of each option what it does."""
    for parameter in typer.main.get_command(bench).commands["coldstart"].params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize("contender", contenders(("age",), True, 0)[0], ids=lambda one: one.name)
def test_every_baseline_is_documented(contender):
    """Each has its row, or its part of one."""
    table = GUIDE.partition("| Baseline |")[2].partition("\n\n")[0]
    assert all(part.strip() in table for part in re.split(r",| to ", contender.name))


def test_the_shop_is_the_other_guides(tmp_path):
    """Both guides describe the same shop, and the same questions and answers."""
    pattern = r"\*\*(\w+)\.toml\*\*\n\n```toml\n(.*?)```"
    ours = dict(re.findall(pattern, GUIDE, flags=re.DOTALL))
    theirs = dict(re.findall(pattern, (DOCS / "data.md").read_text(encoding="utf-8"), flags=re.DOTALL))
    for name in theirs.keys() & ours.keys():
        assert ours[name] == theirs[name]
    for name, text in ours.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        assert Description.read(tmp_path / f"{name}.toml").name == name


def test_the_document_has_everything(shop_result):
    """Where the model stands, bounds and the overview come first; every scenario, task and trial has its section."""
    document = view(shop_result)
    titles = [section.title for section in document.sections]
    assert titles[:3] == ["Beside the best baselines", "Bounds", "Overview"]
    assert {"Item cold", "Warm", "By time", "Attribute prediction", "Behaviour prediction"} < set(titles)
    assert {"Facts from a graph", "Bad data", "Ablations", "Time and memory"} < set(titles)
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    assert {one.name for one in document.pictures()} == {"coldstart-known", "coldstart-warm"}
    assert "Emberline + facts" in markdown(document)


def test_baselines_alone_make_a_document(seeds_result):
    """Without a model there are no bounds and no comparisons, and everything else is there."""
    titles = [section.title for section in view(seeds_result).sections]
    assert "Bounds" not in titles
    assert "Item cold" in titles
    assert "Groups of users" in titles
    assert "What was left out" in titles
