"""The guides for contributors name what exists."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = ("bench", "engine", "export", "proto")
GUIDES = ("CONTRIBUTING.md", "SECURITY.md", "README.md")


def _paths(guide: str) -> list[str]:
    """What a guide says in code that looks like a path of this repository; NAME stands for a file to add."""
    text = (ROOT / guide).read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    named = re.findall(r"`((?:bench|docs|engine|export|proto|src|tests)/[^`\s]*)`", text)
    return [path for path in (*linked, *named) if "NAME" not in path]


@pytest.mark.parametrize("guide", GUIDES)
def test_every_file_that_a_guide_names_exists(guide: str) -> None:
    """Files move, and their guides with them."""
    paths = _paths(guide)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_places_for_new_files_exist() -> None:
    """The folder of each file that the guide says to add is there."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    added = re.findall(r"`(\S+/NAME\.\w+)`", text)
    assert len(added) == 4
    assert [path for path in added if not (ROOT / path).parent.is_dir()] == []


def test_names_of_functions_and_classes_exist() -> None:
    """A class or function that the guide names is defined somewhere in the packages."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][a-z]+\w*|[a-z]+_[a-z_]+)`", text))
    sources = [path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    defined = set(re.findall(r"(?:def|class) (\w+)", "\n".join(sources)))
    assert {"Baseline", "Session", "open_backend"} <= named
    assert named - defined == set()


def test_every_check_that_the_guide_names_can_be_made() -> None:
    """The table of checks has targets of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert {"lint", "types", "imports", "unit", "test"} <= named <= targets


def test_every_test_is_in_one_part_of_the_suite() -> None:
    """`make test` runs the tests in parts; no file is left out, and none runs twice."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (folders,) = re.findall(r"^APART := (.*)$", makefile, re.M)
    parts = [f"unit-{folder}" for folder in folders.split()] + ["unit-rest"]
    assert "$(UNITS)" in makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    made = subprocess.check_output(["make", "--dry-run", *parts], cwd=ROOT, env=alone, text=True)
    commands = re.findall(r"^\S+/pytest (\S+)(.*)$", made, re.M)
    assert len(commands) == len(parts) > 1
    for path in (ROOT / "tests").rglob("test_*.py"):
        above = {str(folder.relative_to(ROOT)) for folder in path.parents if folder != ROOT and ROOT in folder.parents}
        runs = [folder for folder, rest in commands if folder in above and not above & set(_ignored(rest))]
        assert len(runs) == 1, f"{path} is run {len(runs)} times"


def _ignored(arguments: str) -> list[str]:
    """The folders that pytest is told to leave out."""
    return re.findall(r"--ignore=(\S+)", arguments)


def test_the_commit_hook_runs_the_lint() -> None:
    """It is the command that CI's lint is, not a list of tools of its own."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]] == ["make lint"]


def test_the_pythons_that_are_promised_are_those_that_the_guide_says_are_tested() -> None:
    """The classifiers and the table of Python versions agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = {name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r"Python :: 3\.\d+$", name)}
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("| Python |")[1].split("\n\n")[0]
    assert promised == set(re.findall(r"3\.\d+", table))


@pytest.mark.parametrize("guide", ["CONTRIBUTING.md", "SECURITY.md"])
def test_the_readme_links_the_guides(guide: str) -> None:
    """Who reads the README finds them."""
    assert f"]({guide})" in (ROOT / "README.md").read_text(encoding="utf-8")
