"""From a training run to a bundle: graphs, precisions, the accuracy gate, and the seed of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from emberline.engine.bundle import ARITHMETICS, PRECISIONS, Arithmetic, BundleLayout, Precision, graph_of
from emberline.engine.errors import ConfigError, ExportError
from emberline.engine.runtime.openvino import OpenVinoSession, require_bfloat16
from emberline.engine.text.tokenizer import TextTokenizer

from .exported import ExportedModel
from .folder import require_free, whole_folder
from .gate.holdout import HoldoutSet
from .gate.report import judge
from .gate.thresholds import Thresholds
from .identity import fingerprint, manifest
from .onnx import encoder_graph, export_graphs, head_graphs
from .precision.analysis.texts import calibration_texts
from .precision.encoders import write_encoders
from .precision.quantiser import Quantiser
from .precision.recipe import Recipe, shipped
from .progress import Progress, silent
from .search.objective import SearchRequest
from .search.search import gate_threshold, search, trial_log_path
from .search.texts import SearchTexts
from .seed import write_seed
from .training.run import Run
from .training.verdict import verdicts, weak


def write_bundle(
    run: Run,
    out: Path,
    *,
    precisions: Collection[Arithmetic] = PRECISIONS,
    recipes: Mapping[Precision, Recipe] | None = None,
    request: SearchRequest | None = None,
    thresholds: Thresholds | None = None,
    replace: bool = False,
    allow_weak_model: bool = False,
    progress: Progress = silent,
) -> Path:
    """Export a run, measure what each precision loses, and write everything as a bundle.

    The bundle appears under its name once it is complete. If anything fails, nothing appears.

    Args:
        run: a finished run.
        out: the folder of the bundle.
        precisions: the precisions of the encoder. fp32 is always written, because the others and the catalogue come
            from it; bf16 is no graph of its own, but is judged, if this machine computes it.
        recipes: the recipes of ``int8`` and ``int8-trt``; None: the defaults of the encoder (`shipped`).
        request: a search for the recipe of ``int8`` instead of the one above; its trials are kept next to the bundle.
        thresholds: what each precision must reach; None: the defaults. A precision that does not is written with a
            verdict by which the engine rejects it. The objective of a search replaces the threshold of ``int8``.
        replace: whether an existing bundle may be replaced.
        allow_weak_model: whether a model is exported that is worth less than a simple baseline.
        progress: receives the stages ``onnx``, ``searching``, ``quantising``, ``gate`` and ``catalogue``.

    Returns:
        The folder of the bundle.

    Raises:
        ExportError: the folder exists and must not be replaced, the model is worth less than a simple baseline, a graph
            is not what its name says, or the run held nothing out to measure on.
        ConfigError: a recipe names layers that the encoder does not have, or a search is requested without int8.
        DataError: the data of the run no longer exists, or has too few items for a search.
        DeviceUnavailable: bf16 is among the precisions, and this CPU does not compute it.
        MissingExtra: bf16 is among the precisions, and OpenVINO is not installed.
    """
    require_free(out, replace=replace)  # before minutes of work
    if "bf16" in precisions:
        require_bfloat16()
    if (why := weak(run.metrics)) and not allow_weak_model:
        raise ExportError(
            f"the model is worth less than a simple baseline: {why}. Train it longer or on more data, or export it all "
            "the same with --allow-weak-model"
        )
    if request is not None and "int8" not in precisions:
        raise ConfigError("an objective is for int8, which is not among the precisions; add it, or drop the objective")
    if not run.trained.model.config.encoder["num_hidden_layers"]:  # it has no products, so none to take in 8 bits
        precisions = [one for one in precisions if not one.startswith("int8")]
    written = [precision for precision in PRECISIONS if precision == "fp32" or precision in precisions]
    dataset, split = run.data()
    holdout = HoldoutSet.of(dataset, split)
    holdout.require_texts()
    search_texts = SearchTexts.of(holdout) if request is not None else None
    training = run.settings.training
    recipes, thresholds = dict(recipes or shipped(training.encoder, training.layers)), thresholds or Thresholds()
    trained, config = run.trained, run.trained.model.config
    with whole_folder(out, replace=replace) as folder:
        layout = BundleLayout(folder)
        progress("onnx", 0, 1, {})
        trained.tokenizer.save(str(layout.tokenizer))
        export_graphs(trained.model, layout)
        progress("onnx", 1, 1, {})
        tokenizer = TextTokenizer(layout.tokenizer, config.max_length)
        texts = calibration_texts(
            search_texts.calibration if search_texts else holdout.seen_texts(), trained.tokenizer.get_vocab()
        )
        quantiser = Quantiser(layout.encoder("fp32"), tokenizer.encode(texts))
        search_report: dict[str, Any] = {}
        if request is not None and search_texts is not None:
            graph = encoder_graph(config, layout.encoder("int8").name)
            pool = tokenizer.encode(search_texts.pool)
            result = search(request, quantiser, graph, pool, search_texts.queries, trial_log_path(out), progress)
            recipes["int8"], search_report = result.recipe, {"search": result.report}
            thresholds = Thresholds(
                {**thresholds.of, "int8": gate_threshold(thresholds.of["int8"], request, result.report)}
            )
        details = write_encoders(layout, written, recipes, quantiser, progress)
        encoders = {precision: encoder_graph(config, layout.encoder(precision).name) for precision in written}
        heads = head_graphs(config, layout)

        def load(precision: Arithmetic) -> ExportedModel:
            source = graph_of(precision)
            session = None
            if precision == "bf16":
                file = layout.encoder(source)
                session = OpenVinoSession(file, encoders[source], "bf16", "openvino", streams=1, cores=1)
            return ExportedModel(layout, source, encoders[source], heads, config, session)

        judged = {one: details[graph_of(one)] for one in ARITHMETICS if one == "fp32" or one in precisions}
        outcome = judge(trained, load, judged, layout, holdout, thresholds, progress)
        layout.report.write_text(
            json.dumps({**outcome.report, **search_report, **_known(run)}, indent=2, allow_nan=False) + "\n",
            encoding="utf-8",
        )
        progress("catalogue", 0, 1, {})
        write_seed(layout.catalogue, load("fp32"), dataset, outcome.vectors.items, fingerprint(layout))
        progress("catalogue", 1, 1, {})
        # Last, because a folder without a manifest is not a bundle.
        manifest(run, layout, encoders, heads).write(layout.manifest)
    return out


def _known(run: Run) -> dict[str, Any]:
    """What is known of the model beside its precisions: is it worth its price, and does it read its texts."""
    return {"model": verdicts(run.metrics), "texts": run.folder.text_coverage()}
