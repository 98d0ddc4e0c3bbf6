"""A clock that tests set, workers without a model, and results that nobody measured."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import selectors
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

from emberline.bench.harness.environment import Environment
from emberline.bench.harness.result import Result, write
from emberline.bench.harness.variants import Variant
from emberline.bench.report.report import gather, save

T = TypeVar("T")
HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    """A module that lies beside this one; tests are no package, so it has to be loaded by its path."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made_up = _module("made_up")


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The environment of a measurement that was not made."""
    found: Environment = made_up.ENVIRONMENT
    return found


@pytest.fixture(scope="session")
def latency_result() -> Callable[..., Result]:
    """Makes a result of `bench latency`; see `made_up.latency`."""
    made: Callable[..., Result] = made_up.latency
    return made


@pytest.fixture(scope="session")
def recall_result() -> Result:
    """A result of `bench recall`."""
    found: Result = made_up.recall()
    return found


@pytest.fixture(scope="session")
def peers_result() -> Result:
    """A result of `bench peers`."""
    found: Result = made_up.peers()
    return found


@pytest.fixture(scope="session")
def coldstart_result() -> Result:
    """A result of `bench coldstart`."""
    found: Result = made_up.coldstart()
    return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on which waiting takes no time: the clock jumps to whatever is due next."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """The clock."""
        return self.now

    def block(self, seconds: float) -> None:
        """Let time pass while nothing else runs, as a call does that holds the loop."""
        self.now += seconds


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._loop.now += timeout
        return super().select(0)


@pytest.fixture(scope="session")
def saved(
    latency_result: Callable[..., Result],
    recall_result: Result,
    coldstart_result: Result,
    peers_result: Result,
    tmp_path_factory: Any,
) -> Path:
    """A folder with all results and their report; not to be changed."""
    folder: Path = tmp_path_factory.mktemp("results")
    for result in (latency_result(), recall_result, coldstart_result, peers_result):
        write(result, folder)
    save(gather(folder), folder)
    return folder


@pytest.fixture(scope="session")
def undocumented() -> Callable[[Any], set[str]]:
    """Says which keys of a result docs/benchmarks.md does not explain."""
    text = (HERE.parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z0-9_]+)`", text))
    return lambda result: set(_keys(result)) - documented


def _keys(value: Any) -> Iterator[str]:
    """All keys of a JSON value, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


@pytest.fixture
def virtually() -> Callable[[Callable[[VirtualLoop], Coroutine[Any, Any, T]]], T]:
    """Run a coroutine, made with the loop as its argument, in virtual time."""

    def run(make: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(make(loop))
        finally:
            loop.close()

    return run


@pytest.fixture
def fake_variant() -> Callable[..., Variant]:
    """Makes a variant whose worker opens `fake_backend.py`."""

    def make(name: str = "fake", **options: Any) -> Variant:
        folders = [str(HERE), os.environ.get("PYTHONPATH", "")]
        return Variant(
            name=name,
            backend="fake_backend:open_backend",
            options=options,
            engine="fake",
            precision="fp32",
            path="process",
            threads=1,
            environment={"PYTHONPATH": os.pathsep.join(folder for folder in folders if folder)},
        )

    return make
