"""A clock that tests set, workers without a model, and results that nobody measured."""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from emberline.bench.variants import Variant

T = TypeVar("T")


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
    """Makes a variant whose worker opens `fake_target.py`."""

    def make(name: str = "fake", **options: Any) -> Variant:
        folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        return Variant(
            name=name,
            target="fake_target:open_target",
            options=options,
            engine="fake",
            precision="fp32",
            path="process",
            threads=1,
            environment={"PYTHONPATH": os.pathsep.join(folder for folder in folders if folder)},
        )

    return make
