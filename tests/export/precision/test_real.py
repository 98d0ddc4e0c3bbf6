"""Int8 of the real MiniLM: what is promised of it, on texts that calibration has not read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emberline.engine.bundle import BundleLayout
from emberline.engine.records import Encoding, Floats
from emberline.engine.runtime.session import OrtSession
from emberline.engine.text.tokenizer import TextTokenizer, pad
from emberline.export.data.records import Dataset
from emberline.export.model import Emberline, ModelConfig
from emberline.export.onnx import encoder_graph, export_graphs
from emberline.export.precision.analysis.texts import calibration_texts
from emberline.export.precision.encoders import EncoderDetails, write_encoders
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import shipped
from emberline.export.pretrained import encoder_fields, load
from emberline.export.progress import silent
from emberline.export.vectors import encode

pytestmark = pytest.mark.real

Written = tuple[dict[str, EncoderDetails], dict[str, OrtSession], BundleLayout]


@pytest.fixture(scope="module")
def written(movielens: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """MiniLM in fp32, fp16 and int8, calibrated on a sixth of MovieLens' films."""
    layout = BundleLayout(tmp_path_factory.mktemp("minilm"))
    pretrained = load()
    torch.manual_seed(0)
    model = Emberline(ModelConfig(encoder_fields(pretrained.encoder), (), (), (1.0, 5.0), tower_width=16)).eval()
    model.encoder.load_state_dict(pretrained.encoder.state_dict())
    pretrained.tokenizer.save(str(layout.tokenizer))
    export_graphs(model, layout)
    texts = calibration_texts(movielens.item_texts()[::6], pretrained.tokenizer.get_vocab())
    encodings = TextTokenizer(layout.tokenizer, 128).encode(texts)
    made = write_encoders(
        layout, ("fp32", "fp16", "int8"), shipped("minilm"), Quantiser(layout.encoder("fp32"), encodings), silent
    )
    graph = encoder_graph(model.config, "encoder.onnx")
    return made, {name: OrtSession(layout.encoder(name), graph, "cpu") for name in made}, layout


@pytest.fixture(scope="module")
def unread(movielens: Dataset, written: Written) -> list[Encoding]:
    """Films that calibration has not read."""
    return TextTokenizer(written[2].tokenizer, 128).encode(movielens.item_texts()[1::12])


@pytest.fixture(scope="module")
def vectors(written: Written, unread: list[Encoding]) -> dict[str, Floats]:
    """Their vectors in each precision."""
    return {name: encode(session, unread) for name, session in written[1].items()}


def test_vectors_stay_near_fp32(vectors: dict[str, Floats]) -> None:
    """On texts that calibration has not read, int8 loses less than a thousandth of the cosine, fp16 nothing."""
    for name, mean, least in (("int8", 0.9995, 0.998), ("fp16", 0.999999, 0.99999)):
        cosines = (vectors[name].astype(np.float64) * vectors["fp32"]).sum(axis=1)
        assert cosines.mean() > mean
        assert cosines.min() > least


def test_files_are_small(written: Written) -> None:
    """The int8 encoder has at most 30 % of the bytes of the fp32 one, fp16 half."""
    size = {name: written[2].encoder(name).stat().st_size for name in ("fp32", "fp16", "int8")}
    assert size["int8"] <= 0.30 * size["fp32"]
    assert size["fp16"] <= 0.51 * size["fp32"]


def test_onnx_runtime_multiplies_integers(written: Written) -> None:
    """All 36 linear layers run on integers; nine of them twice, and those behind a GELU as three products."""
    assert written[0]["int8"].kernels == {"MatMulIntegerToFloat": 21 + 2 * 9 + 3 * 6}


def test_companions_have_no_say(written: Written, unread: list[Encoding], vectors: dict[str, Floats]) -> None:
    """A text among others that are longer has the vector that it has alone: fp32 and fp16 within 1e-5, int8 0.9999."""
    rng = np.random.default_rng(0)
    for name, session in written[1].items():
        for _ in range(8):
            rows = rng.choice(len(unread), rng.integers(2, 12), replace=False)
            among = session.run(*pad([unread[row] for row in rows]))
            alone = np.concatenate([session.run(*pad([unread[row]])) for row in rows])
            if name == "int8":
                assert (among * alone).sum(axis=1).min() >= 0.9999
            else:
                np.testing.assert_allclose(among, alone, atol=1e-5)
