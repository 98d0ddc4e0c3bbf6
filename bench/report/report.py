"""`emberline bench report`: the results that lie in a folder, as one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.markdown import Markdown

from emberline.bench.harness.result import FORMAT, Result, read, write
from emberline.engine.cli.output import print_json
from emberline.engine.errors import BenchError

from .document import Block, Document, Section, Table
from .page import html, markdown
from .provenance import require_one_model
from .views import coldstart, latency, peers, recall
from .views.answers import answers
from .views.overview import headline, overview
from .wording import prose

#: The commands whose results a report shows, in the order of their sections.
VIEWS: Final[Mapping[str, Callable[[Result], Document]]] = {
    "latency": latency.view,
    "recall": recall.view,
    "coldstart": coldstart.view,
    "peers": peers.view,
}
#: How they are called in titles. What stands in front of those of their sections, too, that others have as well.
_TITLES: Final = {"latency": "latency", "recall": "recall", "coldstart": "cold start", "peers": "peers"}
_PREFIXED: Final = ("coldstart", "peers")


@dataclass(frozen=True, slots=True)
class Report:
    """A report."""

    result: Result  # all results that it shows, as JSON values.
    document: Document  # what it says.


def gather(folder: Path) -> Report:
    """Make a report of the results in a folder.

    Raises:
        BenchError: there are none, or one cannot be read, or two are of different bundles or runs.
    """
    paths = {name: folder / f"{name}.json" for name in VIEWS}
    results = {name: read(path) for name, path in paths.items() if path.is_file()}
    if not results:
        raise BenchError(
            f"{folder} has none of {', '.join(path.name for path in paths.values())}; run `emberline bench latency "
            f"BUNDLE --out {folder}` first"
        )
    require_one_model(list(results.values()), str(folder))
    bundles = [result["bundle"] for result in results.values() if "bundle" in result]
    model = bundles[0]["model_id"] if bundles else results["coldstart"]["settings"]["data_set"]
    return Report(
        {"format": FORMAT, "command": "report", "model_id": model, "results": list(results.values())},
        _document(model, results),
    )


def save(report: Report, folder: Path) -> Path:
    """Write ``report.json``, ``report.md`` with its plots, and ``report.html``.

    Returns:
        The page.
    """
    write(report.result, folder)
    save_document(report.document, folder, "report")
    page = folder / "report.html"
    page.write_text(html(report.document), encoding="utf-8")
    return page


def finish(result: Result, out: Path, as_json: bool) -> None:
    """Write a command's result and its document, and show them."""
    document = VIEWS[result["command"]](result)
    path = write(result, out)
    save_document(document, out, result["command"])
    if as_json:
        print_json(result)
        return
    # The last section says on which machine; whoever sits at it knows.
    for section in document.sections[:-1]:
        if tables := tuple(block for block in section.blocks if isinstance(block, Table)):
            Console().print(Markdown(markdown(Document(section.title, "", (Section("", tables),)))))
    typer.echo(f"{path}, {path.with_suffix('.md').name} and {len(list(document.pictures()))} plots beside it")


def save_document(document: Document, folder: Path, name: str) -> None:
    """Write a document as ``<name>.md`` and its plots as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown(document), encoding="utf-8")
    for picture in document.pictures():
        (folder / f"{picture.name}.png").write_bytes(picture.png)


def _document(model: str, results: Mapping[str, Result]) -> Document:
    documents = {name: VIEWS[name](result) for name, result in results.items()}
    sections = [section for section in (answers(results), overview(results)) if section is not None]
    lead = ""
    if "latency" in results:
        machine = results["latency"]["environment"]
        where = prose("overview.machine", cores=machine["cores"], cpu=machine["cpu"])
        lead = f"{where} {headline(results['latency'], results.get('recall'))}"
    for name, document in documents.items():
        sections += _sections(name, document, len(documents) > 1)
    *others, last = [_TITLES[name] for name in documents]
    titles = f"{', '.join(others)} and {last}" if others else last
    return Document(f"{model}: {titles}", lead or documents[next(iter(documents))].lead, tuple(sections))


def _sections(name: str, document: Document, among_others: bool) -> Iterator[Section]:
    """A result's sections, with what they are of in their titles and what was measured how in the first."""
    for place, section in enumerate(document.sections):
        if name not in _PREFIXED or section.title.startswith("How it was measured"):
            yield section
            continue
        lead: tuple[Block, ...] = (document.lead,) if place == 0 and among_others else ()
        title = _TITLES[name]
        yield Section(f"{title[0].upper()}{title[1:]}: {section.title}", (*lead, *section.blocks))
