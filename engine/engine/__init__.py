"""The engine: the one place that knows the order of the stages."""

from .engine import Engine

__all__ = ["Engine"]
