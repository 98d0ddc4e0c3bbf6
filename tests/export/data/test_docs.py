"""The guide to one's own data says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emberline.engine.errors import DataError
from emberline.export.data.description import Description
from emberline.export.data.formats import FORMATS
from emberline.export.data.reader import read
from emberline.export.data.report import Fault

GUIDE = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"\*\*(\S+\.\w+)\*\*\n\n```\w+\n(.*?)```", GUIDE, flags=re.DOTALL))


def test_the_example_runs(tmp_path: Path) -> None:
    """The files of the worked example are read, and give the report and the text that the guide shows."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    dataset, report = read(Description.read(tmp_path / "shop.toml"))
    assert f"```text\n{report.summary()}\n{dataset.item_texts()[0]}\n```" in GUIDE


def test_the_other_description_is_valid(tmp_path: Path) -> None:
    """The description for questions and answers can be read."""
    (tmp_path / "answers.toml").write_text(FILES["answers.toml"], encoding="utf-8")
    assert Description.read(tmp_path / "answers.toml").user.fields == ("question",)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_documented(fault: Fault) -> None:
    """Every kind of fault is in the guide's table, with what becomes of it and whether strict reading refuses it."""
    (row,) = [
        line for line in GUIDE.splitlines() if line.startswith("| `") and f"`{fault.title}`" in line.split("|")[1]
    ]
    _, _, consequence, strict, _ = row.split("|")
    assert consequence.strip().startswith(fault.consequence)
    assert strict.strip() == ("yes" if fault.lossy else "")


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_documented(suffix: str) -> None:
    """Every suffix is in the guide's table of formats."""
    assert f"`{suffix}`" in GUIDE


@pytest.mark.parametrize("table", ["", "data", "item", "item.fields.title", "user", "interaction", "graph"])
def test_every_key_is_documented(tmp_path: Path, table: str) -> None:
    """The keys that a table may have, as the refusal of an unknown one lists them, are all in the guide."""
    text = FILES["shop.toml"] + '[data]\npath = "."\n[graph]\nfile = "f.tsv"\nrelations = ["r"]\n'
    if table == "item.fields.title":
        text = text.replace("title = {", "title = { unheard = 1,")
    elif table:
        text = text.replace(f"[{table}]", f"[{table}]\nunheard = 1")
    else:
        text = "unheard = 1\n" + text
    (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="unheard is unknown here") as refused:
        Description.read(tmp_path / "shop.toml")
    keys = str(refused.value).split("the known keys are ")[1].split(", ")
    assert len(keys) > 1
    for key in keys:
        assert re.search(rf"`(\[[a-z.]*)?{key}\]?`|`\[{table}\.{key}\]`", GUIDE), key
