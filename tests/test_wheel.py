"""What is installed: an sdist and a wheel are built, and a fresh environment runs the wheel."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("bench", "engine", "export", "proto")
#: Kinds of files that are read at run time or by type checkers, and that a build loses easily.
DATA = ("bench/peers/pins/triton.txt", "export/data/ml-100k.toml", "proto/emberline.proto", "proto/emberline_pb2.pyi")
#: Only Triton's own interpreter has this module.
TRITON = "import triton_python_backend_utils"

IMPORT_ALL = """
import importlib, json, sys
missing = {}
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing[name] = error.name
print(json.dumps(missing))
"""


def _files() -> list[str]:
    """All files of the four folders, relative to the repository."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return sorted(str(path.relative_to(ROOT)) for path in found if path.is_file() and path.parent.name != "__pycache__")


def _modules() -> list[str]:
    """The import names of all modules, without the scripts that run inside Triton's own interpreter."""
    sources = [name for name in _files() if name.endswith(".py")]
    modules = [
        Path("emberline", name).with_suffix("") for name in sources if TRITON not in (ROOT / name).read_text("utf-8")
    ]
    return ["emberline", *(".".join(path.parts).removesuffix(".__init__") for path in modules)]


def _build(source: Path, hook: str, out: Path) -> Path:
    """Build a distribution with the environment's own setuptools and return its file."""
    out.mkdir(exist_ok=True)
    script = f"from setuptools import build_meta; build_meta.{hook}({str(out)!r})"
    built = subprocess.run([sys.executable, "-c", script], cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "Package would be ignored" not in built.stderr
    (file,) = out.iterdir()
    return file


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, built from a copy of the repository."""
    source = tmp_path_factory.mktemp("source")
    for folder in (*FOLDERS, "src", "tests", "docs"):
        copytree(ROOT / folder, source / folder, ignore=ignore_patterns("__pycache__", "*.egg-info"))
    for path in ROOT.iterdir():
        if path.is_file():
            copy(path, source)
    return _build(source, "build_sdist", tmp_path_factory.mktemp("built") / "sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist alone."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return _build(folder / sdist.name.removesuffix(".tar.gz"), "build_wheel", folder / "wheel")


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel in it.

    The packages that Emberline needs come from the running environment, by a line in a .pth file: its own .pth files
    are not read, so an editable installation of Emberline stays invisible.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    site = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def _run(python: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run the fresh interpreter where no source tree is in reach."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(python), *arguments],
        input=given,
        cwd=python.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_folders_hold_the_files_that_are_looked_for() -> None:
    """The list of files that the wheel is compared with is not empty, and has data of each kind."""
    assert set(DATA) <= set(_files())


def test_the_sdist_holds_every_file(sdist: Path) -> None:
    """The sdist has all modules and data of the four folders, and what the tests and the documents need."""
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert set(_files()) - held == set()
    assert {"tests/conftest.py", "docs/serving.md", "constraints.txt", "Makefile", "LICENSE"} <= held


def test_the_wheel_holds_every_file_and_no_other(wheel: Path) -> None:
    """A wheel made from the sdist has all modules and data of the four folders, and nothing of the tests."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {"emberline/__init__.py", "emberline/py.typed", *(f"emberline/{name}" for name in _files())}


def test_every_module_is_importable_from_the_wheel(python: Path) -> None:
    """A module may lack a package that this environment lacks as well (a peer's), and nothing else."""
    done = _run(python, "-c", IMPORT_ALL, given=json.dumps(_modules()))
    assert done.returncode == 0, done.stderr
    missing = {name: package for name, package in json.loads(done.stdout).items() if package.startswith("emberline.")}
    assert missing == {}
    for name, package in json.loads(done.stdout).items():
        assert name.startswith("emberline.bench.peers."), f"{name} needs {package}"
        assert find_spec(package.partition(".")[0]) is None


@pytest.mark.parametrize("command", ["train", "distill", "export", "bench", "quickstart", "serve"])
def test_commands_run_from_the_wheel(python: Path, command: str) -> None:
    """The installed program finds the commands of all packages."""
    done = _run(python.with_name("emberline"), command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: emberline {command}" in done.stdout
    assert "Not available" not in done.stdout


def test_the_version_is_that_of_the_wheel(python: Path, wheel: Path) -> None:
    """`emberline.__version__`, `emberline --version` and the wheel's name agree."""
    version = wheel.name.split("-")[1]
    assert _run(python, "-c", "import emberline; print(emberline.__version__)").stdout == f"{version}\n"
    assert _run(python.with_name("emberline"), "--version").stdout == f"{version}\n"
