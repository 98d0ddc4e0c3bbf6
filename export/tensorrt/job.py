"""What the builder's process is told and what it answers, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from emberline.engine.bundle import TensorSpec
from emberline.engine.runtime.tensorrt.library import Library
from emberline.engine.runtime.tensorrt.profiles import Profile

from .graph import GraphFacts


@dataclass(frozen=True, slots=True)
class Job:
    """A build.

    Attributes:
        library: what builds.
        onnx: the graph.
        facts: what the network must show after parsing.
        target: the GPU.
        profiles: of the engine.
        out: where the engine goes.
    """

    library: Library
    onnx: str
    facts: GraphFacts
    target: str
    profiles: tuple[Profile, ...]
    out: str

    def to_line(self) -> str:
        """The job as one line."""
        return json.dumps({**asdict(self), "profiles": [str(profile) for profile in self.profiles]})

    @classmethod
    def from_line(cls, line: str) -> Job:
        """A job out of its line."""
        raw: dict[str, Any] = json.loads(line)
        profiles = tuple(Profile.parse(text) for text in raw["profiles"])
        return cls(**{**raw, "facts": GraphFacts(**raw["facts"]), "profiles": profiles})


@dataclass(frozen=True, slots=True)
class Built:
    """An engine that was written.

    Attributes:
        inputs: of the network, by name, dtype and shape.
        outputs: likewise.
        layers: how many there are of a type and an output's dtype, e.g. ``MATRIX_MULTIPLY HALF``.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Built:
        """The record out of its JSON."""
        inputs, outputs = (
            tuple(TensorSpec(spec["name"], spec["dtype"], tuple(spec["shape"])) for spec in raw[side])
            for side in ("inputs", "outputs")
        )
        return cls(inputs, outputs, raw["layers"])
