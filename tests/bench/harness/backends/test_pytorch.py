from __future__ import annotations

import asyncio

import numpy as np
import pytest
from models import untrained

from emberline.bench.harness.backends.pytorch import LINE, PyTorchBackend
from emberline.engine.bundle import BundleLayout

TEXTS = ["alien", "the thing and another thing", "a", "scream", "brazil the second", ""] * 9


@pytest.fixture(scope="module")
def target(tiny_bundle):
    """A small untrained BERT."""
    return PyTorchBackend(untrained(BundleLayout(tiny_bundle).tokenizer))


@pytest.mark.parametrize("order", ["sorted", "arrival"])
def test_bulk_vectors_come_back_in_the_order_of_the_texts(order, target):
    """However the texts are sorted and batched, each keeps its own vector."""
    alone = np.concatenate([asyncio.run(target.encode([text])) for text in TEXTS])
    assert asyncio.run(target.bulk(TEXTS, order)) == pytest.approx(alone, abs=1e-5)


def test_requests_in_line_each_get_their_own_vector(target):
    """More requests than are taken at a time are all answered, whatever they were batched with."""

    async def ask():
        return await asyncio.gather(*(target.serve(text) for text in TEXTS))

    assert len(TEXTS) > LINE
    served = np.stack(asyncio.run(ask()))
    assert served == pytest.approx(asyncio.run(target.bulk(TEXTS, "sorted")), abs=1e-5)


def test_a_batch_that_fails_fails_its_requests_alone(target, monkeypatch):
    """Each request of the batch hears of the error, and the line goes on."""

    def broken(_):
        raise RuntimeError("out of memory")

    async def ask():
        with monkeypatch.context() as patched:
            patched.setattr(target, "_batch", broken)
            failed = await asyncio.gather(*(target.serve(text) for text in TEXTS[:9]), return_exceptions=True)
        return failed, await target.serve("alien")

    failed, vector = asyncio.run(ask())
    assert [str(error) for error in failed] == ["out of memory"] * 9
    assert vector.shape == (16,)


def test_a_request_whose_caller_has_gone_harms_no_other(target):
    """The others of its batch are answered."""

    async def ask():
        tasks = [asyncio.create_task(target.serve(text)) for text in TEXTS[:5]]
        await asyncio.sleep(0)
        tasks[2].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(ask())
    assert isinstance(answers[2], asyncio.CancelledError)
    assert [answer.shape for place, answer in enumerate(answers) if place != 2] == [(16,)] * 4


def test_it_says_how_large_the_encoder_is(target):
    """Four bytes a weight."""
    assert target.about["encoder_bytes"] == 4 * sum(p.numel() for p in target._encoder.parameters())
