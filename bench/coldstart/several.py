"""Several data sets in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.markdown import Markdown

from emberline.bench.harness.result import FORMAT, Result, write
from emberline.bench.report.page import markdown
from emberline.bench.report.report import save_document
from emberline.bench.report.views.standing import side_by_side
from emberline.engine.cli.output import print_json

#: The name of the table's files.
TABLE = "coldstart-table"


def finish_several(results: Sequence[Result], out: Path, as_json: bool) -> None:
    """Write the rows of several data sets as ``coldstart-table.json`` and ``.md``, and show them."""
    whole = {
        "format": FORMAT,
        "command": TABLE,
        "data_sets": [
            {
                "data_set": result["settings"]["data_set"],
                "seeds": result["settings"]["seeds"],
                "standing": result["standing"],
            }
            for result in results
        ],
    }
    path = write(whole, out)
    document = side_by_side(results)
    save_document(document, out, TABLE)
    if as_json:
        print_json(whole)
        return
    Console().print(Markdown(markdown(document)))
    typer.echo(f"{path} and {path.with_suffix('.md').name}; each data set's own results lie in its folder beside them")
