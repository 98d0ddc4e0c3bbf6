from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import pytest
from msgspec import structs

from emberline.engine.bundle import Bundle, GraphSpec
from emberline.engine.errors import BundleCorrupt, DeviceUnavailable
from emberline.engine.runtime import providers
from emberline.engine.runtime.session import OrtSession


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Path) -> tuple[Path, GraphSpec]:
    """The tiny bundle's encoder."""
    bundle = Bundle.open(tiny_bundle)
    return bundle.layout.encoder("fp32"), bundle.manifest.encoders["fp32"]


def test_the_encoder_runs_where_it_was_asked_to(encoder: tuple[Path, GraphSpec]) -> None:
    """The session names the provider that really runs, and gives one vector a text."""
    session = OrtSession(*encoder, device="cpu")
    assert session.device == "CPUExecutionProvider"
    ids = np.array([[2, 10, 3], [2, 3, 0]])
    vectors = session.run(ids, (ids > 0).astype(np.int64))
    assert vectors.shape == (2, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this build knows the GPU")
def test_a_device_that_is_not_here_is_refused(
    encoder: tuple[Path, GraphSpec], device: Literal["cuda", "tensorrt"]
) -> None:
    """A GPU that was asked for is never replaced by the CPU; the error says what to install or set."""
    with pytest.raises(DeviceUnavailable, match=rf"device '{device}' needs .* or set device to 'cpu'"):
        OrtSession(*encoder, device=device)


def test_a_runtime_that_falls_back_to_the_cpu_is_refused(
    encoder: tuple[Path, GraphSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime lists a GPU that has no driver and quietly runs on the CPU; that is an error here."""
    monkeypatch.setattr(providers, "require", lambda *_: None)
    real = onnxruntime.InferenceSession
    fallen_back = partial(real, providers=["CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, *_, **__: fallen_back(path))
    with pytest.raises(DeviceUnavailable, match="CPUExecutionProvider would run encoder"):
        OrtSession(*encoder, device="cuda")


def test_a_graph_that_is_not_the_manifests_is_refused(encoder: tuple[Path, GraphSpec]) -> None:
    """A graph with other inputs than the manifest says is not run."""
    path, graph = encoder
    with pytest.raises(BundleCorrupt, match=r"has the inputs .* its manifest says"):
        OrtSession(path, structs.replace(graph, inputs=graph.inputs[:1]), device="cpu")


def test_a_file_that_is_no_graph_is_named(encoder: tuple[Path, GraphSpec], tmp_path: Path) -> None:
    """The error says which file cannot be loaded."""
    (tmp_path / "encoder.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(BundleCorrupt, match=r"encoder.onnx cannot be loaded"):
        OrtSession(tmp_path / "encoder.onnx", encoder[1], device="cpu")
