"""`emberline export`: from a run to a bundle, and from a bundle to what GPUs read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from emberline.engine.bundle import PRECISIONS
from emberline.engine.cli.options import AsJson
from emberline.engine.cli.output import print_json, print_table
from emberline.engine.errors import ConfigError
from emberline.export.precision.recipe import RECIPES
from emberline.export.search.target import MEASURES, MINUTES, Quest, Target

from .further import go_further
from .modules import need_workshop
from .precisions import precisions_from


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|BUNDLE", help="The run's folder; with --tensorrt or --triton, a bundle's.", show_default=False
        ),
    ],
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="The folder to be written.", show_default=False)
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Beside fp32: {', '.join(PRECISIONS[1:])}. May be repeated. With --triton: the encoder's.",
            show_default="all; with --triton, fp16",
        ),
    ] = None,
    fine: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS",
            help="Of int8: layers whose inputs get 16 bits, by kind or one by one (layer.3.ffn_up), or `none`. More is "
            "closer to PyTorch, and slower.",
            show_default="those that were found best for the encoder",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle of that name.")] = False,
    tensorrt: Annotated[
        str | None,
        typer.Option(
            metavar="PRECISION[,…]",
            help="Build TensorRT engines of a bundle, in its folder `engines`: fp32, fp16, int8, int8-fp16.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE=VALUE|GPU[,…]",
            help="Search for the cheapest int8 that holds this, e.g. agreement=0.97: which layers get 16 bits or stay "
            f"fp32, how ranges are taken, how inputs are smoothed. Of {', '.join(MEASURES)}. Its trials are kept "
            "beside the bundle, so that another search goes on from there. With --tensorrt: the GPUs of the engines, "
            "e.g. sm86,sm89.",
            show_default="no search; with --tensorrt, the GPU at hand",
        ),
    ] = None,
    search_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="With --target: after this time the best that was found is taken.",
            show_default=f"{MINUTES:g}",
        ),
    ] = None,
    profiles: Annotated[
        str,
        typer.Option(
            metavar="MIN:OPT:MAX[,…]",
            help="Shapes of the engines, each BATCHxTOKENS; `data`: by the lengths of the bundle's texts.",
        ),
    ] = "data",
    library: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Builds the engines: tensorrt-rtx needs no GPU, tensorrt builds on the one at hand."
        ),
    ] = "tensorrt-rtx",
    triton: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a model repository for NVIDIA Triton.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a run to ONNX, quantise it, and measure against PyTorch what each precision costs.

    A precision that fails the accuracy gate is written with that verdict; `emberline serve` refuses it.

    With --tensorrt or --triton, take a bundle further: to engines for GPUs, to a repository for Triton (docs/gpu.md).
    """
    if tensorrt is not None or triton is not None:
        if search_minutes is not None:
            raise ConfigError("--search-minutes is for a search, which exports a run: emberline export RUN BUNDLE")
        if bundle is not None:
            raise ConfigError("--tensorrt and --triton take a bundle alone: emberline export BUNDLE --tensorrt fp16")
        go_further(source, precision, tensorrt, target, profiles, library, triton, as_json=as_json)
        return
    if bundle is None:
        raise ConfigError("the folder to be written is missing: emberline export RUN BUNDLE")
    run = source
    precisions = precisions_from(precision or PRECISIONS)
    quest = _quest(target, search_minutes, fine)
    need_workshop("emberline export")
    from emberline.engine.bundle import Bundle
    from emberline.export.training.run import load_run
    from emberline.export.writer import write_bundle

    from .progress import shown

    with shown() as progress:
        write_bundle(
            load_run(run),
            bundle,
            precisions=precisions,
            recipes=None
            if fine is None
            else {**RECIPES, "int8": replace(RECIPES["int8"], activations_16bit=_layers(fine))},
            quest=quest,
            replace=force,
            progress=progress,
        )
    opened = Bundle.open(bundle)
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
                # A graph that gives no numbers was not measured.
                f"{verdict['measured']['agreement@10']:.4f}" if verdict["measured"] else "–",
                "passed" if verdict["passed"] else f"failed: {'; '.join(verdict['failures'])}",
            )
            for name, verdict in verdicts.items()
        ],
    )
    if quest is not None:
        from emberline.export.search.search import summary

        typer.echo(summary(opened.report["search"]))
    typer.echo(f"{bundle} is written ({opened.manifest.model_id}); next: emberline serve {bundle}")


def _layers(named: str) -> frozenset[str]:
    """The layers of a recipe, from ``ffn_up,ffn_down``."""
    return frozenset() if named == "none" else frozenset(name.strip() for name in named.split(","))


def _quest(target: str | None, minutes: float | None, fine: str | None) -> Quest | None:
    """The search that is asked for, if one is."""
    if target is None:
        if minutes is not None:
            raise ConfigError("--search-minutes is for a search; add its --target, e.g. agreement=0.97")
        return None
    if fine is not None:
        raise ConfigError("--fine names the layers that --target searches for; give one of them")
    return Quest(Target.parse(target), MINUTES if minutes is None else minutes)
