"""`emberline bench report`: the results that lie in a folder, as one page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emberline.engine.errors import BenchError

from .document import Document, markdown
from .page import html
from .result import FORMAT, Result, read, write
from .views import latency, recall
from .views.overview import headline, overview

#: The commands whose results a report shows, in the order of their sections.
VIEWS: Final[Mapping[str, Callable[[Result], Document]]] = {"latency": latency.view, "recall": recall.view}


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        result: all results that it shows, as JSON values.
        document: what it says.
    """

    result: Result
    document: Document


def gather(folder: Path) -> Report:
    """Make a report of the results in a folder.

    Raises:
        BenchError: there are none, or one cannot be read, or two are of different bundles.
    """
    paths = {name: folder / f"{name}.json" for name in VIEWS}
    results = {name: read(path) for name, path in paths.items() if path.is_file()}
    if not results:
        raise BenchError(
            f"{folder} has none of {', '.join(path.name for path in paths.values())}; run `emberline bench latency "
            f"BUNDLE --out {folder}` first"
        )
    bundles = {result["bundle"]["sha256"]: result["bundle"] for result in results.values()}
    if len(bundles) > 1:
        named = ", ".join(f"{bundle['model_id']} in {bundle['path']}" for bundle in bundles.values())
        raise BenchError(
            f"the results in {folder} are of different bundles ({named}), or of one that was exported again meanwhile; "
            "measure them again, or keep each bundle's results in a folder of its own"
        )
    (bundle,) = bundles.values()
    model = bundle["model_id"]
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


def save_document(document: Document, folder: Path, name: str) -> None:
    """Write a document as ``<name>.md`` and its plots as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown(document), encoding="utf-8")
    for picture in document.pictures():
        (folder / f"{picture.name}.png").write_bytes(picture.png)


def _document(model: str, results: Mapping[str, Result]) -> Document:
    documents = {name: VIEWS[name](result) for name, result in results.items()}
    sections = []
    lead = ""
    if "latency" in results:
        sections.append(overview(results["latency"], results.get("recall")))
        machine = results["latency"]["environment"]
        lead = f"On {machine['cores']} cores of {machine['cpu']}, "
        lead += headline(results["latency"], results.get("recall"))
    for document in documents.values():
        sections += document.sections
    return Document(f"{model}: latency and recall", lead or documents[next(iter(documents))].lead, tuple(sections))
