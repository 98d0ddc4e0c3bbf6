"""The messages between the builder's process and its parent, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from msgspec import to_builtins

from emberline.engine.bundle import TensorSpec
from emberline.engine.runtime.tensorrt.library import Library
from emberline.engine.runtime.tensorrt.profiles import Profile

from .graph import GraphFacts


@dataclass(frozen=True, slots=True)
class BuildJob:
    """An engine to build.

    Attributes:
        library: the library that builds.
        onnx: the file of the graph.
        facts: what the network must contain after parsing.
        architecture: the GPU architecture.
        profiles: the profiles of the engine.
        out: the file of the engine.
    """

    library: Library
    onnx: str
    facts: GraphFacts
    architecture: str
    profiles: tuple[Profile, ...]
    out: str

    def to_line(self) -> str:
        """The job as one line."""
        return json.dumps({**asdict(self), "profiles": [str(profile) for profile in self.profiles]})

    @classmethod
    def from_line(cls, line: str) -> BuildJob:
        """The job of a line."""
        raw: dict[str, Any] = json.loads(line)
        profiles = tuple(Profile.parse(text) for text in raw["profiles"])
        return cls(**{**raw, "facts": GraphFacts(**raw["facts"]), "profiles": profiles})


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The network of an engine that was written.

    Attributes:
        inputs: the inputs of the network.
        outputs: the outputs of the network.
        layers: the number of layers by type and output dtype, e.g. ``MATRIX_MULTIPLY HALF``.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The result, ready for JSON."""
        built: dict[str, Any] = to_builtins(asdict(self))
        return built

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> BuildResult:
        """The result of a dictionary from `to_json`."""
        inputs, outputs = (
            tuple(TensorSpec(spec["name"], spec["dtype"], tuple(spec["shape"])) for spec in raw[side])
            for side in ("inputs", "outputs")
        )
        return cls(inputs, outputs, raw["layers"])
