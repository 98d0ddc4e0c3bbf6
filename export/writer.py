"""From a training run to a bundle: graphs, precisions, the accuracy gate, the seed of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from emberline.engine.bundle import PRECISIONS, BundleLayout, Precision
from emberline.engine.errors import ConfigError
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
from .search.search import demanded, journal_of, search
from .search.target import Quest
from .search.texts import SearchTexts
from .seed import write_seed
from .training.run import Run


def write_bundle(
    run: Run,
    out: Path,
    *,
    precisions: Collection[Precision] = PRECISIONS,
    recipes: Mapping[Precision, Recipe] | None = None,
    quest: Quest | None = None,
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
        recipes: how ``int8`` and ``int8-trt`` are made; None: as is `shipped` for the encoder.
        quest: a search for the recipe of ``int8``, in place of the one above; its trials are kept beside the bundle.
        thresholds: what each precision must reach; None: the defaults. One that does not is written all the same, with
            a verdict by which the engine refuses it. A quest's target takes their place for ``int8``.
        replace: whether a bundle of that name may be replaced.
        progress: told of the stages ``onnx``, ``searching``, ``quantising``, ``gate`` and ``catalogue``.

    Returns:
        The bundle's folder.

    Raises:
        ExportError: something of that name must not be replaced, a graph is not what it should be, or the run held
            nothing out to measure on.
        ConfigError: a recipe names layers that the encoder does not have, or a search is for int8 where none is wanted.
        DataError: the run's data is not there any more, or has too few items for a search.
    """
    require_free(out, replace=replace)  # before minutes of work
    if quest is not None and "int8" not in precisions:
        raise ConfigError("a target is for int8, which is not among the precisions; add it, or leave the target out")
    wanted = [precision for precision in PRECISIONS if precision == "fp32" or precision in precisions]
    dataset, split = run.data()
    holdout = HoldoutSet.of(dataset, split)
    aside = SearchTexts.of(holdout) if quest is not None else None
    recipes, thresholds = dict(recipes or shipped(run.settings.training.encoder)), thresholds or Thresholds()
    trained, config = run.trained, run.trained.model.config
    with whole_folder(out, replace=replace) as folder:
        layout = BundleLayout(folder)
        progress("onnx", 0, 1, {})
        trained.tokenizer.save(str(layout.tokenizer))
        export_graphs(trained.model, layout)
        progress("onnx", 1, 1, {})
        tokeniser = TextTokenizer(layout.tokenizer, config.max_length)
        texts = calibration_texts(aside.calibration if aside else holdout.seen_texts(), trained.tokenizer.get_vocab())
        quantiser = Quantiser(layout.encoder("fp32"), tokeniser.encode(texts))
        searched: dict[str, Any] = {}
        if quest is not None and aside is not None:
            graph = encoder_graph(config, layout.encoder("int8").name)
            pool = tokeniser.encode(aside.pool)
            found = search(quest, quantiser, graph, pool, aside.queries, journal_of(out), progress)
            recipes["int8"], searched = found.recipe, {"search": found.report}
            thresholds = Thresholds({**thresholds.of, "int8": demanded(thresholds.of["int8"], quest, found.report)})
        made = write_encoders(layout, wanted, recipes, quantiser, progress)
        encoders = {precision: encoder_graph(config, layout.encoder(precision).name) for precision in wanted}
        heads = head_graphs(config, layout)

        def load(precision: Precision) -> ExportedModel:
            return ExportedModel(layout, precision, encoders[precision], heads, config)

        judged = judge(trained, load, made, layout, holdout, thresholds, progress)
        layout.report.write_text(
            json.dumps({**judged.report, **searched}, indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
        progress("catalogue", 0, 1, {})
        write_seed(layout.catalogue, load("fp32"), dataset, judged.vectors.items, fingerprint(layout))
        progress("catalogue", 1, 1, {})
        # Last: a folder without a manifest is no bundle.
        manifest(run, layout, encoders, heads).write(layout.manifest)
    return out
