from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ConfigError, DataError
from emberline.export.exported import ExportedModel
from emberline.export.onnx import encoder_graph, export_graphs, head_graphs
from emberline.export.precision.recipe import shipped
from emberline.export.progress import silent
from emberline.export.training.distill import StudentShape, distill
from emberline.export.training.distillation import Distillation
from emberline.export.training.distillconfig import DistillConfig
from emberline.export.training.examples import Examples
from emberline.export.training.renderings import renderings
from emberline.export.training.run import RunFolder, load_run
from emberline.export.training.student import shortened
from emberline.export.training.texts import item_texts

CONFIG = DistillConfig(steps=12, texts=8, checkpoint_seconds=0.0)
SHAPES = {"layers": StudentShape(layers=1), "static": StudentShape(static=True)}


class BrokenOff(Exception):
    """Stands in for a kill."""


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_student_is_a_run_like_any_other(run: Path, shape: StudentShape, tmp_path: Path) -> None:
    """It has the layers that were asked for, learns its teacher's vectors, and runs in ONNX as in PyTorch."""
    teacher, losses = load_run(run), []
    report = distill(
        teacher,
        tmp_path / "student",
        shape,
        CONFIG,
        lambda stage, _step, _total, values: losses.append(values["loss"]) if stage == "distilling" else None,
    )
    student = load_run(tmp_path / "student")
    config = student.trained.model.config
    assert config.encoder["num_hidden_layers"] == shape.layers
    assert report == json.loads(student.folder.report.read_text(encoding="utf-8"))
    new = report["ndcg@10"]["new items"]
    assert new["student"] == student.metrics["item cold"]["ndcg@10"]
    assert new["teacher"] == teacher.metrics["item cold"]["ndcg@10"]
    assert losses[-1] < max(losses[0], 0.1)  # a tiny BERT with half its layers misses 0.002
    layout = BundleLayout(tmp_path)
    student.trained.tokenizer.save(str(layout.tokenizer))
    export_graphs(student.trained.model, layout)
    exported = ExportedModel(
        layout, "fp32", encoder_graph(config, layout.encoder("fp32").name), head_graphs(config, layout), config
    )
    texts = item_texts(Examples.of(*teacher.data()))[:5]
    np.testing.assert_allclose(exported.encode(texts), student.trained.encode(texts), atol=1e-5)


def test_a_killed_distillation_goes_on_where_it_stood(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The student is that of an unbroken distillation; a folder with one in it is not overwritten unasked."""
    teacher, shape = load_run(run), SHAPES["static"]
    examples = Examples.of(*teacher.data())

    def started() -> Distillation:
        encoder, tokenizer = shortened(teacher.trained.model.encoder, 1), teacher.trained.tokenizer
        return Distillation(teacher.trained.model, encoder, tokenizer, examples, teacher.settings.training, CONFIG)

    unbroken, broken, resumed = (started() for _ in range(3))
    unbroken.run(tmp_path / "unbroken.pt", silent)
    save = Distillation._save

    def killed(self: Distillation, path: Path, *state: Any) -> None:
        save(self, path, *state)
        if self.step == 5:
            raise BrokenOff

    folder = RunFolder(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Distillation, "_save", killed)
        with pytest.raises(BrokenOff):
            broken.run(folder.distillation, silent)
    with pytest.raises(ConfigError, match="--resume"):
        distill(teacher, tmp_path, shape, CONFIG)
    with pytest.raises(DataError, match="of another student"):
        distill(teacher, tmp_path, shape, CONFIG, resume=True)
    resumed.run(folder.distillation, silent)
    assert resumed.step == unbroken.step == CONFIG.steps
    for name, weight in resumed.student.state_dict().items():
        assert torch.equal(weight, unbroken.student.state_dict()[name]), name


def test_what_cannot_be_distilled_is_refused(run: Path, tmp_path: Path) -> None:
    """Students as large as the teacher, both kinds at once, and a teacher whose data are gone: nothing is written."""
    teacher = load_run(run)
    for shape in ({}, {"layers": 1, "static": True}):
        with pytest.raises(ConfigError, match="--static"):
            StudentShape(**shape)
    with pytest.raises(ConfigError, match="a student has fewer"):
        distill(teacher, tmp_path / "student", StudentShape(layers=9), CONFIG)
    with pytest.raises(ConfigError, match="own folder"):
        distill(teacher, run, SHAPES["layers"], CONFIG)
    with pytest.raises(DataError, match="no student"):
        distill(teacher, tmp_path / "student", SHAPES["layers"], CONFIG, resume=True)
    gone = replace(teacher, settings=replace(teacher.settings, data=tmp_path / "gone"))
    with pytest.raises(DataError, match="learns from the data"):
        distill(gone, tmp_path / "student", SHAPES["layers"], CONFIG)
    assert not RunFolder(tmp_path / "student").root.exists()


def test_made_up_texts_are_none_of_the_shops(run: Path) -> None:
    """Some are the items' own, others are not; the same draw gives the same."""
    teacher = load_run(run)
    examples = Examples.of(*teacher.data())
    drawn, same = (
        renderings(examples, [""], teacher.settings.training, np.random.default_rng(0), 60) for _ in range(2)
    )
    own = set(item_texts(examples))
    assert drawn == same
    assert 20 <= sum(text in own for text in drawn) <= 40


def test_layers_are_taken_from_the_first_to_the_last(run: Path) -> None:
    """All layers are the encoder; more than there are is refused, and the shipped recipe names those that there are."""
    encoder = load_run(run).trained.model.encoder
    there = encoder.config.num_hidden_layers
    whole = shortened(encoder, there)
    for name, weight in whole.bert.state_dict().items():
        assert torch.equal(weight, encoder.bert.state_dict()[name])
    with pytest.raises(ConfigError, match="lower it"):
        shortened(encoder, there + 1)
    assert shipped("minilm", 3)["int8"].activations_16bit == {"layer.1.attention_in", "layer.2.attention_in"}
