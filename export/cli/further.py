"""What `emberline export` builds from a bundle: engines for GPUs, and a model repository for Triton."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from emberline.engine.bundle import Precision
from emberline.engine.cli.extras import need
from emberline.engine.cli.output import print_json, print_table
from emberline.engine.errors import ConfigError

from .precisions import precisions_from


def go_further(
    root: Path,
    precision: Sequence[str] | None,
    tensorrt: str | None,
    gpu: str | None,
    profiles: str,
    library: str,
    triton: Path | None,
    *,
    as_json: bool,
) -> None:
    """Build engines, a Triton repository, or both."""
    from rich.console import Console

    from emberline.engine.bundle import Bundle

    built = []
    if tensorrt is not None:
        need("emberline export --tensorrt", "export", "onnx")
        from emberline.export.tensorrt.command import build_engines

        built = build_engines(root, tensorrt, gpu, profiles, library, Console(stderr=True))
    models: tuple[str, ...] = ()
    if triton is not None:
        from emberline.export.triton.repository import EncoderChoice, write_repository

        onnx = precisions_from(precision or ["fp16"])
        if len(onnx) != 1:
            raise ConfigError("--triton takes one --precision")
        accelerated: Precision = "int8-trt" if onnx[0] == "int8" else onnx[0]
        choice = EncoderChoice(onnx[0], accelerated, built[0] if built else None)
        models = write_repository(Bundle.open_folder(root), triton, choice)
    if as_json:
        print_json({"engines": [{"file": str(one.path), **one.manifest.as_dict()} for one in built], "models": models})
        return
    if built:
        print_table(
            {"engine": "left", "MB": "right", "seconds": "right", "profiles": "left"},
            [
                (
                    one.path.relative_to(root),
                    f"{one.manifest.bytes / 1e6:.1f}",
                    f"{one.manifest.seconds:.1f}",
                    " ".join(map(str, one.manifest.profiles)),
                )
                for one in built
            ],
        )
        typer.echo(f"next, on a machine with such a GPU: emberline serve {root} --device tensorrt-engine")
    if models:
        typer.echo(f"{triton} has {', '.join(models)}; next: tritonserver --model-repository {triton}")
