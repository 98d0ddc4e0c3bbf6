"""The documents name what exists, and use the words of the glossary."""

import re
import shlex
from itertools import chain
from pathlib import Path

import pytest
import typer

from emberline.engine.cli.program import program

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("**/*.md")), ROOT / "README.md"]
FOLDERS = ("bench", "engine", "export", "proto", "src", "tests", "docs")
#: Words of the glossary's left column that mean nothing else in these documents.
AVOIDED = (
    *("backlog", "ticket", "exposition", "exam", "quest", "laboratory", "contest", "ledger", "entrants"),
    *("belonging", "likeness", "spoilt", "amends", "tokeniser", "tokenise", "is no bundle", "is no JSON", "is no run"),
)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", _text(page), flags=re.S | re.M)


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", _prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link names a file that exists and, behind a hash, one of its headings."""
    broken = []
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", _prose(page)):
        linked = page.parent / path if path else page
        if not linked.exists() or (anchor and anchor not in _anchors(linked)):
            broken.append(f"{path}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_of_the_code_that_is_named_exists(page: Path) -> None:
    """Files move, and the documents with them."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[^`\s]*)`", _prose(page))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_tree_of_folders_is_that_of_the_code() -> None:
    """Each folder and file in the picture of the architecture exists, and no folder of a part is missing from it."""
    tree = _text(ROOT / "docs" / "architecture.md").split("```")[1]
    shown: set[str] = set()
    parent = ["", ""]  # of a line that is not indented, and of one that is
    for line in filter(str.strip, tree.splitlines()):
        indent = (len(line) - len(line.lstrip())) // 2
        names = re.findall(r"[\w.]+(?:/|\.py)(?= |$)", re.split(r"(?<=\S)  ", line)[0])
        above = "".join(parent[:indent])
        parent = [*parent[:indent], *names[:1]]
        shown |= {above + name for name in names}
    assert sorted(path for path in shown if not (ROOT / path).exists()) == []
    folders = (path for part in ("engine", "export", "bench") for path in (ROOT / part).iterdir() if path.is_dir())
    assert {f"{path.parent.name}/{path.name}/" for path in folders if path.name != "__pycache__"} - shown == set()


def test_every_class_of_the_glossary_exists_once() -> None:
    """One word has one meaning: a class that the glossary names is defined in exactly one file."""
    glossary = _text(ROOT / "docs" / "glossary.md").partition("## Words we avoid")[0]
    named = set(re.findall(r"`([A-Z][a-z]\w*)(?:\.\w+)?`", glossary))
    sources = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in ("bench", "engine", "export"))
    defined = [name for path in sources for name in re.findall(r"^class (\w+)", _text(path), re.M)]
    assert {"Batcher", "LayerConfig", "Manifest"} <= named
    assert sorted(name for name in named if defined.count(name) != 1) == []


def test_no_class_stands_in_two_files() -> None:
    """Whoever looks a class up finds one, but for the model (in torch, in process) and what Triton looks for."""
    files: dict[str, set[Path]] = {}
    for path in chain.from_iterable((ROOT / folder).rglob("*.py") for folder in ("bench", "engine", "export", "tests")):
        for name in re.findall(r"^ *class (\w+)", _text(path), re.M):
            files.setdefault(name, set()).add(path)
    assert {name for name, where in files.items() if len(where) > 1} == {"Emberline", "TritonPythonModel"}


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "glossary.md"], ids=_name)
def test_words_that_the_glossary_avoids_are_not_used(page: Path) -> None:
    """Prose uses the field's words, which the glossary puts in the place of these."""
    text = _text(page).lower()
    assert [word for word in AVOIDED if re.search(rf"\b{word.lower()}\b", text)] == []


def _commands() -> list[tuple[str, list[str]]]:
    """Each command line of Emberline in a block of code, as its page and its words."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^ *```(?:sh)?\n(.*?)^ *```$", _text(page), re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                calls = re.findall(r"(?:^|\$ |do |&& )emberline ([a-z].*?)(?= && |; done| < |  +#|$)", line.strip())
                found += [(_name(page), shlex.split(call)) for call in calls]
    return found


def test_every_command_and_option_in_the_documents_exists() -> None:
    """A reader who types a command finds it, with each of its options."""
    commands = _commands()
    assert len(commands) > 50
    unknown = []
    for page, words in commands:
        command, rest = typer.main.get_command(program("")), list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in rest if word.startswith("-") and not word.lstrip("-").isdecimal()}
        if getattr(command, "commands", {}) or given - options:
            unknown.append((page, shlex.join(words)))
    assert unknown == []


def test_the_changelog_lists_each_change_once() -> None:
    """Two branches that both change the list leave their entries once when they are merged."""
    entries = re.findall(r"^- (.{1,40})", _text(ROOT / "CHANGELOG.md"), re.M)
    assert len(entries) > 20
    assert sorted({entry for entry in entries if entries.count(entry) > 1}) == []
