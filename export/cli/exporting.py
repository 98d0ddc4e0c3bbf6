"""`emberline export`: from a run to a bundle, and from a bundle to TensorRT engines and Triton repositories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from emberline.engine.bundle import PRECISIONS, Precision
from emberline.engine.cli.options import AsJson
from emberline.engine.cli.output import print_json, print_table
from emberline.engine.cli.verify import gate_sentence
from emberline.engine.errors import ConfigError
from emberline.export.precision.recipe import RECIPES, Recipe
from emberline.export.search.objective import MEASURES, MINUTES, SearchObjective, SearchRequest

from .further import go_further
from .modules import require_export_extra
from .precisions import arithmetics_from


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|BUNDLE",
            help="Folder of a run; of a bundle with --tensorrt or --triton.",
            show_default=False,
        ),
    ],
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="Folder to write.", show_default=False)
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Precision besides fp32: {', '.join(PRECISIONS[1:])}; or bf16, which is no graph, but is judged, for "
            "device openvino. Repeatable. With --triton: the encoder's.",
            show_default="all but bf16; with --triton, fp16",
        ),
    ] = None,
    activations_16bit: Annotated[
        str | None,
        typer.Option(
            "--activations-16bit",
            metavar="LAYERS",
            help="Layers of int8 with 16-bit activations, by kind or one by one (layer.3.ffn_up), or `none`. More "
            "layers are closer to PyTorch, and slower.",
            show_default="the best known ones for the encoder",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing bundle.")] = False,
    tensorrt: Annotated[
        str | None,
        typer.Option(
            metavar="PRECISION[,…]",
            help="Build TensorRT engines in the bundle's folder `engines`: fp32, fp16, int8, int8-fp16.",
            show_default=False,
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE=VALUE",
            help="Search for the cheapest int8 that meets this objective, e.g. agreement=0.97. Measures: "
            f"{', '.join(MEASURES)}. The search decides which layers get 16 bits or stay fp32, how ranges are chosen "
            "and how inputs are smoothed. Trials are kept next to the bundle, and another search continues from them.",
            show_default="no search",
        ),
    ] = None,
    search_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Time limit of the search, after which it takes the best trial so far.",
            show_default=f"{MINUTES:g}",
        ),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            metavar="ARCHITECTURE[,…]",
            help="GPU architectures to build engines for, e.g. sm86,sm89.",
            show_default="that of this machine's GPU",
        ),
    ] = None,
    profiles: Annotated[
        str | None,
        typer.Option(
            metavar="MIN:OPT:MAX[,…]",
            help="Shapes of the engines, each BATCHxTOKENS; `data` takes them from the lengths of the bundle's texts.",
            show_default="data",
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Library that builds the engines: tensorrt-rtx needs no GPU, tensorrt builds on this machine's GPU.",
            show_default="tensorrt-rtx",
        ),
    ] = None,
    triton: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a model repository for NVIDIA Triton.", show_default=False),
    ] = None,
    allow_weak_model: Annotated[
        bool,
        typer.Option("--allow-weak-model", help="Export a model that is worth less than a simple baseline."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export a run to ONNX, quantise it, and measure what each precision loses against PyTorch.

    A precision that fails the accuracy gate is written with that verdict, and `emberline serve` rejects it.

    With --tensorrt or --triton, build engines for GPUs or a model repository for Triton from a bundle (docs/gpu.md).
    """
    if tensorrt is not None or triton is not None:
        for option, value in (
            ("--objective", objective),
            ("--search-minutes", search_minutes),
            ("--activations-16bit", activations_16bit),
            ("--force", force or None),
        ):
            if value is not None:
                raise ConfigError(f"{option} is for the export of a run: emberline export RUN BUNDLE {option} …")
        if bundle is not None:
            raise ConfigError("--tensorrt and --triton take only a bundle: emberline export BUNDLE --tensorrt fp16")
        go_further(
            source, precision, tensorrt, gpu, profiles or "data", library or "tensorrt-rtx", triton, as_json=as_json
        )
        return
    for option, value in (("--gpu", gpu), ("--profiles", profiles), ("--library", library)):
        if value is not None:
            raise ConfigError(f"{option} is for engines: emberline export BUNDLE --tensorrt fp16 {option} {value}")
    if bundle is None:
        raise ConfigError("the folder to write is missing: emberline export RUN BUNDLE")
    run = source
    precisions = arithmetics_from(precision or PRECISIONS)
    request = _search_request(objective, search_minutes, activations_16bit)
    require_export_extra("emberline export")
    from emberline.engine.bundle import Bundle
    from emberline.export.training.run import load_run
    from emberline.export.writer import write_bundle

    from .progress import shown

    loaded = load_run(run)
    for warning in loaded.folder.data_warnings():
        typer.echo(f"WARNING: trained on data of which was said: {warning}", err=True)
    with shown() as progress:
        write_bundle(
            loaded,
            bundle,
            precisions=precisions,
            recipes=_recipes(activations_16bit),
            request=request,
            replace=force,
            allow_weak_model=allow_weak_model,
            progress=progress,
        )
    opened = Bundle.open_folder(bundle)
    verdicts = opened.report["precisions"]
    if as_json:
        print_json({"bundle": str(bundle), "model_id": opened.manifest.model_id, "report": opened.report})
        return
    print_table(
        {"precision": "left", "MB": "right", "agreement@10": "right", "gate": "left"},
        [
            (
                name,
                f"{verdict['bytes'] / 1e6:.1f}",
                # A graph that returns invalid numbers was not measured.
                f"{verdict['measured']['agreement@10']:.4f}" if verdict["measured"] else "–",
                gate_sentence(verdict),
            )
            for name, verdict in verdicts.items()
        ],
    )
    if request is not None:
        from emberline.export.search.search import summary

        typer.echo(summary(opened.report["search"]))
    typer.echo(f"{bundle} is written ({opened.manifest.model_id}); next: emberline serve {bundle}")


def _recipes(layers: str | None) -> dict[Precision, Recipe] | None:
    """The recipes for the layers of --activations-16bit, e.g. ``ffn_up,ffn_down``; None: the default recipes."""
    if layers is None:
        return None
    names = frozenset() if layers == "none" else frozenset(name.strip() for name in layers.split(","))
    return {**RECIPES, "int8": replace(RECIPES["int8"], activations_16bit=names)}


def _search_request(objective: str | None, minutes: float | None, layers: str | None) -> SearchRequest | None:
    """The requested search, if any."""
    if objective is None:
        if minutes is not None:
            raise ConfigError("--search-minutes is for a search; add its --objective, e.g. agreement=0.97")
        return None
    if layers is not None:
        raise ConfigError("--activations-16bit names the layers that --objective searches for; give one of them")
    return SearchRequest(SearchObjective.parse(objective), MINUTES if minutes is None else minutes)
