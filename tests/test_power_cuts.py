"""A few of the power cuts that `make edge` makes two hundred of, on the tiny bundle."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["upsert", "pack", "apply"])
def test_a_power_cut_loses_nothing(name: str, tiny_bundle: Path) -> None:
    """What was acknowledged is there, and nothing by halves."""
    assert _script("power_cuts").cut(name, tiny_bundle, 2) == 0
