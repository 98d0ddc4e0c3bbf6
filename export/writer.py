"""From a training run to a bundle: graphs, precisions, the accuracy gate, the seed of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from emberline.engine.bundle import PRECISIONS, Layout, Precision
from emberline.engine.tokens import Tokeniser

from .exported import ExportedModel
from .folder import require_free, whole_folder
from .gate.exam import Exam
from .gate.report import judge
from .gate.thresholds import Thresholds
from .identity import fingerprint, manifest
from .onnx import encoder_graph, export_graphs, head_graphs
from .precision.encoders import write_encoders
from .precision.recipe import RECIPES, Recipe
from .precision.texts import calibration_texts
from .seed import write_seed
from .training.progress import Progress, silent
from .training.run import Run


def write_bundle(
    run: Run,
    out: Path,
    *,
    precisions: Collection[Precision] = PRECISIONS,
    recipes: Mapping[Precision, Recipe] | None = None,
    thresholds: Thresholds | None = None,
    replace: bool = False,
    progress: Progress = silent,
) -> Path:
    """Export a run, measure what each precision costs, and write it all as a bundle.

    The bundle appears under its name when it is complete; until then, and if anything fails, nothing does.

    Args:
        run: a finished run.
        out: the bundle's folder.
        precisions: of the encoder; fp32 is always written, since the others and the catalogue come from it.
        recipes: how ``int8`` and ``int8-trt`` are made; None: `RECIPES`.
        thresholds: what each precision must reach; None: the defaults. One that does not is written all the same, with
            a verdict by which the engine refuses it.
        replace: whether a bundle of that name may be replaced.
        progress: told of the stages ``onnx``, ``quantising``, ``gate`` and ``catalogue``.

    Returns:
        The bundle's folder.

    Raises:
        ExportError: something of that name must not be replaced, a graph is not what it should be, or the run held
            nothing out to measure on.
        ConfigError: a recipe names layers that the encoder does not have.
        DataError: the run's data is not there any more.
    """
    require_free(out, replace=replace)  # before minutes of work
    wanted = [precision for precision in PRECISIONS if precision == "fp32" or precision in precisions]
    dataset, split = run.data()
    exam = Exam.of(dataset, split)
    trained, config = run.trained, run.trained.model.config
    with whole_folder(out, replace=replace) as folder:
        layout = Layout(folder)
        progress("onnx", 0, 1, {})
        trained.tokenizer.save(str(layout.tokenizer))
        export_graphs(trained.model, layout)
        progress("onnx", 1, 1, {})
        tokeniser = Tokeniser(layout.tokenizer, config.max_length)
        texts = calibration_texts(exam.seen(), trained.tokenizer.get_vocab())
        made = write_encoders(layout, wanted, recipes or RECIPES, tokeniser.encode(texts), progress)
        encoders = {precision: encoder_graph(config, layout.encoder(precision).name) for precision in wanted}
        heads = head_graphs(config, layout)

        def load(precision: Precision) -> ExportedModel:
            return ExportedModel(layout, precision, encoders[precision], heads, config)

        judged = judge(trained, load, made, layout, exam, thresholds or Thresholds(), progress)
        layout.report.write_text(json.dumps(judged.report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        progress("catalogue", 0, 1, {})
        write_seed(layout.catalogue, load("fp32"), dataset, judged.vectors.items, fingerprint(layout))
        progress("catalogue", 1, 1, {})
        # Last: a folder without a manifest is no bundle.
        manifest(run, layout, encoders, heads).write(layout.manifest)
    return out
