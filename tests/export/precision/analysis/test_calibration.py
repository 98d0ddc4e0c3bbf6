from __future__ import annotations

import numpy as np
import torch

from emberline.engine.records import Encoding, Floats
from emberline.export.precision.analysis.calibration import Statistics, Tally
from emberline.export.precision.linears import LinearGroup
from emberline.export.training.run import Run


def _inputs(run: Run, encodings: list[Encoding]) -> list[Floats]:
    """The inputs (tokens, K) of both feed-forward networks in PyTorch, one text at a time."""
    found: list[list[Floats]] = [[], []]
    layers = run.trained.model.encoder.bert.encoder.layer
    hooks = [
        layer.intermediate.dense.register_forward_hook(
            lambda _module, read, _output, place=place: found[place].append(read[0][0].numpy())
        )
        for place, layer in enumerate(layers)
    ]
    with torch.no_grad():
        for encoding in encodings:
            ids = torch.from_numpy(encoding.ids)[None]
            run.trained.model.encoder(ids, torch.ones_like(ids))
    for hook in hooks:
        hook.remove()
    return [np.concatenate(parts) for parts in found]


def test_statistics_are_those_of_the_tokens_alone(
    small_run: Run, encodings: list[Encoding], layers: list[LinearGroup], statistics: list[Statistics]
) -> None:
    """Bounds and moments are those of PyTorch over all tokens, without any padding."""
    seen = {one.name: stats for one, stats in zip(layers, statistics, strict=True)}
    for place, inputs in enumerate(_inputs(small_run, encodings)):
        found = seen[f"layer.{place}.ffn_up"]
        np.testing.assert_allclose(found.low, inputs.min(axis=0), atol=1e-4)
        np.testing.assert_allclose(found.high, inputs.max(axis=0), atol=1e-4)
        np.testing.assert_allclose(found.mean, inputs.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(found.moments, inputs.T @ inputs / len(inputs), atol=1e-3)


def test_statistics_of_centred_inputs() -> None:
    """Statistics minus centres equal the statistics of inputs that were centred before."""
    inputs = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32) + np.float32(2)
    centres = np.array([1, 2, 3], np.float32)
    seen, wanted = Tally(3, 50), Tally(3, 50)
    seen.add(inputs)
    wanted.add(inputs - centres)
    found, direct = seen.statistics().less(centres), wanted.statistics()
    for name in ("low", "high", "mean", "moments", "sample"):
        np.testing.assert_allclose(getattr(found, name), getattr(direct, name), atol=1e-5)


def test_samples_and_moments_are_of_evenly_spaced_inputs() -> None:
    """One input in eight is kept as a sample; of more than twice 8,192 tokens every second counts for the moments."""
    few = Tally(1, 50)
    few.add(np.arange(50, dtype=np.float32)[:, None])
    assert few.statistics().sample[:, 0].tolist() == [0, 8, 16, 24, 32, 40, 48]
    many = Tally(1, 20_000)
    many.add(np.tile(np.array([1.0, 3.0], np.float32), 10_000)[:, None])
    found = many.statistics()
    assert (found.mean[0], found.moments[0, 0]) == (1.0, 1.0)
    assert (found.low[0], found.high[0]) == (1.0, 3.0)  # bounds are of all
