"""What the linear layers of an encoder read when it reads real texts."""

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
from emberline.export.precision.linears import Linears
from emberline.export.vectors import batches

#: Tokens whose moments are taken, evenly among all: some times as many as a layer has channels. More tell nothing new.
_MOMENTS: Final = 8192
#: Tokens gathered before they are added up: a few large products of matrices instead of many small ones.
_CHUNK: Final = 2048
#: Of the tokens whose moments are taken, one in so many is kept as it is: a thousand, for ranges that clip.
_KEPT: Final = 8


@dataclass(frozen=True, slots=True)
class Statistics:
    """The inputs of linear layers, K channels wide, over all tokens of the calibration texts.

    Attributes:
        low: (K,) the least value of each channel.
        high: (K,) the greatest value of each channel.
        mean: (K,) of each channel.
        moments: (K, K) the mean of x xᵀ.
        sample: (S, K) some of the inputs, evenly chosen.
    """

    low: Floats
    high: Floats
    mean: NDArray[np.float64]
    moments: NDArray[np.float64]
    sample: Floats

    def less(self, centres: Floats) -> Statistics:
        """Of the inputs less a centre (K,) of each channel."""
        crossed = np.outer(self.mean, centres)
        moments = self.moments - crossed - crossed.T + np.outer(centres, centres)
        return Statistics(self.low - centres, self.high - centres, self.mean - centres, moments, self.sample - centres)

    def taken(self, order: NDArray[np.intp]) -> Statistics:
        """Of the channels in another order."""
        moments = self.moments[np.ix_(order, order)]
        return Statistics(self.low[order], self.high[order], self.mean[order], moments, self.sample[:, order])


def observe(path: Path, layers: Sequence[Linears], encodings: Sequence[Encoding]) -> list[Statistics]:
    """Run texts through an fp32 encoder and watch what each of its linear layers reads.

    Padding is left out: it carries nothing, and would widen the scales.

    Args:
        path: the fp32 encoder.
        layers: as `bert.find` gives them.
        encodings: the texts; together some times as many tokens as the widest layer has channels.

    Returns:
        The statistics of each of the layers.
    """
    model = onnx.load(path)
    model.graph.output.extend(helper.make_tensor_value_info(one.input, TensorProto.FLOAT, None) for one in layers)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Its threads would spin while NumPy's work, and the other way round.
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
    """Statistics as they grow."""

    def __init__(self, width: int, tokens: int) -> None:
        """Nothing is counted yet.

        Args:
            width: K, the channels of the inputs.
            tokens: how many inputs there will be, about.
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
        """Take in (tokens, K)."""
        np.minimum(self._low, states.min(axis=0), out=self._low)
        np.maximum(self._high, states.max(axis=0), out=self._high)
        self._waiting.append(states[:: self._stride])
        if sum(map(len, self._waiting)) >= _CHUNK:
            self._settle()

    def statistics(self) -> Statistics:
        """Of all that was taken in, which is one input at least."""
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
