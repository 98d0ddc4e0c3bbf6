"""The small parts: arithmetic, peaks, closeness, memory, texts, catalogues, weights."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from models import untrained
from transformers import AutoModel, AutoTokenizer

from emberline.bench.harness.driver import peak_mb
from emberline.bench.harness.texts import growing_texts, three_sets
from emberline.bench.peers.backends.base import batch_size, by_length
from emberline.bench.peers.building import write_catalogue
from emberline.bench.peers.evaluator import closeness, completed, together
from emberline.bench.peers.peak import Arithmetic, fp32_products, int8_products, measure
from emberline.engine.bundle import Bundle, BundleLayout
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.export.checkpoint import write_checkpoint


def test_arithmetic_of_minilm_is_what_its_layers_say():
    """Six layers of 4·384² + 2·384·1536 weights, two operations each; attention 4·384 a pair of tokens and layer."""
    minilm = Arithmetic.of({"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536})
    assert minilm == Arithmetic(linear=21_233_664, attention=9_216)
    assert minilm.operations([10, 1]) == 10 * (21_233_664 + 92_160) + 21_233_664 + 9_216


def test_the_peak_is_the_fastest_product():
    """Operations are two for each of M·K·N; the library that was quickest is named."""
    slow = ("slow", (2, 3, 4), lambda: sum(range(100_000)))
    fast = ("fast", (2, 3, 4), lambda: None)
    peak = measure(iter([slow, fast]), seconds=0.01)
    assert (peak.library, peak.shape) == ("fast", (2, 3, 4))
    assert peak.giga_operations > 0


@pytest.mark.parametrize("products", [fp32_products, int8_products])
def test_every_library_makes_its_products(products):
    """Each can be called on the first shape; nothing is timed here."""
    found = products(1)
    first = {}
    for library, shape, product in found:
        if library in first:
            break
        first[library] = shape
        assert product() is not None
    assert {"PyTorch", "ONNX Runtime"} <= set(first)


def test_an_encoder_alone_is_completed_by_the_wide_part_of_the_reference():
    """A peer's vectors become those that the towers read, and are compared by what they have."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(12, 7)).astype(np.float32)
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    alone = reference[:, :4] / np.linalg.norm(reference[:, :4], axis=1, keepdims=True)
    np.testing.assert_allclose(completed(alone, reference), reference, atol=1e-6)
    assert completed(reference, reference) is reference
    assert closeness(alone, reference, 12).cosine_minimum > 0.9999


def test_closeness_is_of_directions_and_neighbours():
    """Scaling changes nothing; turning one item's vector away costs it and its neighbours."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((30, 8)).astype(np.float32)
    same = closeness(3 * vectors, vectors, 25)
    assert same.cosine_minimum == pytest.approx(1.0)
    assert same.agreement_at_10 == 1.0
    other = vectors.copy()
    other[0] *= -1
    found = closeness(other, vectors, 25)
    assert found.cosine_minimum == pytest.approx(-1.0)
    assert 0.5 < found.agreement_at_10 < 1.0
    assert together(["a", "b"], ["b", "c"]) == ("a", "b", "c")


def test_memory_is_that_of_a_process_and_its_children():
    """A child that holds 64 MB more is seen through its parent."""
    code = "import sys; data = b'x' * int(sys.argv[1]); print(len(data), flush=True); sys.stdin.read()"
    before = peak_mb(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", code, str(64_000_000)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert peak_mb(child.pid) > 64
        assert peak_mb(os.getpid()) > before + 64


def test_batches_are_cut_by_length_and_lose_nothing():
    """Longest first, and as many a batch as the order says."""
    assert list(by_length(["a", "ccc", "bb"], 2)) == [[1, 2], [0]]
    assert (batch_size("sorted"), batch_size("sorted/8"), batch_size("arrival", 256)) == (32, 8, 256)


def test_the_three_text_sets_are_what_they_are_called(tiny_bundle):
    """Real ones have profiles among them, uniform ones are all as long as the model reads."""
    bundle = Bundle.open(tiny_bundle)
    sets = {one.name: one for one in three_sets(bundle, ["age: 24", ""], count=50, longest=20, seed=1)}
    assert list(sets) == ["mixed", "real", "uniform"]
    assert set(sets["uniform"].tokens) == {bundle.manifest.max_length}
    assert "age: 24" in sets["real"].texts
    assert "" not in sets["real"].texts
    assert len(sets["real"].texts) == 7
    grown = growing_texts(bundle, 20, 1)
    assert len(grown) == 20
    assert grown == growing_texts(bundle, 20, 1)


def test_a_catalogue_of_any_size_is_one_that_the_bundles_server_opens(tiny_bundle, tmp_path):
    """Ids count up from zero, vectors are the seed's."""
    bundle = Bundle.open(tiny_bundle)
    manifest = bundle.manifest
    write_catalogue(bundle, tmp_path / "many.sqlite", 12, 1)
    kinds = {"fingerprint": manifest.fingerprint, "hidden": manifest.hidden, "dimensions": manifest.dimensions}
    with EmbeddedCatalogue.open(tmp_path / "many.sqlite", **kinds) as catalogue:
        snapshot = catalogue.snapshot()
        assert list(snapshot.ids) == [str(place) for place in range(12)]
        assert np.linalg.norm(snapshot.embeddings[:], axis=1) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_peers_get_the_runs_weights_and_tokens(tiny_bundle, tmp_path):
    """What transformers loads from the checkpoint gives the run's vectors, pooled as the folder says."""
    trained = untrained(BundleLayout(tiny_bundle).tokenizer)
    folder = write_checkpoint(trained, tmp_path / "checkpoint")
    texts = ["title: alien", "the thing; " * 30]
    cut = AutoTokenizer.from_pretrained(folder)(texts, padding=True, truncation=True, return_tensors="pt")
    assert cut["input_ids"].shape == (2, 32)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        states = model(**cut).last_hidden_state
    mask = cut["attention_mask"][:, :, None]
    pooled = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1))
    assert pooled.numpy() == pytest.approx(trained.encode(texts), abs=1e-5)
    assert (folder / "1_Pooling" / "config.json").is_file()
    assert "2_Normalize" in (folder / "modules.json").read_text()
