"""Calibration: statistics of what the linear layers of an encoder read while it encodes real texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from emberline.engine.records import Encoding, Floats
from emberline.export.precision.linears import LinearGroup
from emberline.export.vectors import batches

#: Tokens from which moments are computed, evenly spaced: several times as many as a layer has channels. More do not
#: change them.
_MOMENTS: Final = 8192
#: Tokens collected before they are added up: a few large matrix products instead of many small ones.
_CHUNK: Final = 2048
#: One in so many of these tokens is kept as a sample, a thousand in all, for ranges that clip.
_KEPT: Final = 8


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of the inputs of linear layers, K channels wide, over all tokens of the calibration texts.

    Attributes:
        low: (K,) the minimum of each channel.
        high: (K,) the maximum of each channel.
        mean: (K,) the mean of each channel.
        moments: (K, K) the mean of x xᵀ.
        sample: (S, K) some of the inputs, evenly spaced.
    """

    low: Floats
    high: Floats
    mean: NDArray[np.float64]
    moments: NDArray[np.float64]
    sample: Floats

    def less(self, centres: Floats) -> Statistics:
        """The statistics of the inputs minus a centre (K,) of each channel."""
        crossed = np.outer(self.mean, centres)
        moments = self.moments - crossed - crossed.T + np.outer(centres, centres)
        return Statistics(self.low - centres, self.high - centres, self.mean - centres, moments, self.sample - centres)

    def taken(self, order: NDArray[np.intp]) -> Statistics:
        """The statistics of some channels, in the given order."""
        moments = self.moments[np.ix_(order, order)]
        return Statistics(self.low[order], self.high[order], self.mean[order], moments, self.sample[:, order])


def observe(path: Path, layers: Sequence[LinearGroup], encodings: Sequence[Encoding]) -> list[Statistics]:
    """Encode texts with an fp32 encoder and collect what each of its linear layers reads.

    Padding is left out: it carries no information and would widen the scales.

    Args:
        path: the fp32 encoder.
        layers: its linear layers, from `graph.bert.find`.
        encodings: the tokenized texts; together several times as many tokens as the widest layer has channels.

    Returns:
        The statistics of each group of layers.
    """
    model = onnx.load(path)
    model.graph.output.extend(helper.make_tensor_value_info(one.input, TensorProto.FLOAT, None) for one in layers)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Spinning threads would take the cores from NumPy between two batches.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    tokens = sum(map(len, encodings))
    tallies = [Tally(len(one.weight), tokens) for one in layers]
    for _, ids, mask in batches(encodings):
        inputs = session.run([one.input for one in layers], {"input_ids": ids, "attention_mask": mask})
        for tally, states in zip(tallies, inputs, strict=True):
            tally.add(states[mask.astype(np.bool_)])
    return [tally.statistics() for tally in tallies]


class Tally:
    """Accumulates statistics."""

    def __init__(self, width: int, tokens: int) -> None:
        """Start without any inputs.

        Args:
            width: K, the number of channels.
            tokens: the approximate number of inputs.
        """
        self._low = np.full(width, np.inf, np.float32)
        self._high = np.full(width, -np.inf, np.float32)
        self._total = np.zeros(width, np.float64)
        self._moments = np.zeros((width, width), np.float64)
        self._stride = max(1, tokens // _MOMENTS)
        self._tokens = 0
        self._waiting: list[Floats] = []
        self._sample: list[Floats] = []

    def add(self, states: Floats) -> None:
        """Add inputs (tokens, K)."""
        np.minimum(self._low, states.min(axis=0), out=self._low)
        np.maximum(self._high, states.max(axis=0), out=self._high)
        self._waiting.append(states[:: self._stride])
        if sum(map(len, self._waiting)) >= _CHUNK:
            self._settle()

    def statistics(self) -> Statistics:
        """The statistics of all inputs that were added; at least one."""
        if self._waiting:
            self._settle()
        mean, moments = self._total / self._tokens, self._moments / self._tokens
        return Statistics(self._low, self._high, mean, moments, np.concatenate(self._sample))

    def _settle(self) -> None:
        states = np.concatenate(self._waiting)
        self._waiting = []
        self._total += states.sum(axis=0)
        self._moments += states.T @ states
        self._tokens += len(states)
        self._sample.append(states[::_KEPT].copy())  # a view would keep all
