from __future__ import annotations

import subprocess
import sys

import pytest

import emberline.engine


def test_public_names_can_be_imported() -> None:
    """Every name of `__all__` exists, and `dir` lists it."""
    for name in emberline.engine.__all__:
        assert getattr(emberline.engine, name).__module__.startswith("emberline.engine.")
    assert set(dir(emberline.engine)) == set(emberline.engine.__all__)


def test_other_names_are_attribute_errors() -> None:
    """A name outside `__all__` raises, as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        emberline.engine.Nonsense  # noqa: B018  # looking it up is the test


def test_importing_costs_nothing_and_a_client_no_model_runtime() -> None:
    """Not even NumPy is loaded by the import alone; the clients load neither a model runtime nor a tokenizer."""
    script = """
import sys
import emberline.engine
print(*({"numpy", "grpc"} & sys.modules.keys()))
from emberline.engine import AsyncClient, Client, Item, by_id
print(*({"onnxruntime", "torch", "tokenizers", "sqlite3"} & sys.modules.keys()))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "\n\n"
