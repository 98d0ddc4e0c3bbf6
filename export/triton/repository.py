"""Writes a model repository for Triton: a folder per model, with its configuration and its file.

```
DIR/emberline_tokenizer/         texts to token ids, in Triton's Python backend
DIR/emberline_encoder_onnx/      the encoder in ONNX Runtime
DIR/emberline_encoder_tensorrt/  the encoder as a TensorRT engine, or ONNX Runtime with its TensorRT provider
DIR/emberline_item_tower/        sentence_embedding to item_embedding and item_bias
DIR/emberline_onnx/              tokenizer, encoder and item tower in one call; likewise emberline_tensorrt
```
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from emberline.engine.bundle import Bundle, Precision
from emberline.engine.catalogue.texts import text_lengths
from emberline.engine.errors import ExportError
from emberline.engine.runtime.tensorrt.manifest import EngineFile
from emberline.engine.runtime.tensorrt.profiles import profiles_of

from .configs import TritonConfigs
from .text import Message, to_text


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """The encoders of a repository.

    Attributes:
        onnx: the precision of the encoder in ONNX Runtime.
        tensorrt: the precision of the encoder for ONNX Runtime's TensorRT provider; ignored if there is an engine.
        engine: an engine that TensorRT built, if any.
    """

    onnx: Precision
    tensorrt: Precision
    engine: EngineFile | None = None


def write_repository(bundle: Bundle, out: Path, choice: EncoderChoice) -> tuple[str, ...]:
    """Write a model repository.

    Args:
        bundle: the bundle with the models.
        out: the folder to write; it does not exist or is empty.
        choice: the encoders to include.

    Returns:
        The names of the models.

    Raises:
        BundleError: the bundle lacks a precision, or its accuracy gate rejected it.
        ExportError: the folder is not empty, or the engine is for TensorRT for RTX, which Triton cannot run.
    """
    if out.exists() and any(out.iterdir()):
        raise ExportError(f"{out} is not empty; name a new folder")
    engine = choice.engine
    if engine is not None and engine.manifest.library != "tensorrt":
        raise ExportError(
            f"{engine.path.name} is an engine of TensorRT for RTX, and Triton runs engines of TensorRT only; build it "
            "with --library tensorrt on the GPU, or leave it out and let ONNX Runtime build one"
        )
    layout, manifest = bundle.layout, bundle.manifest
    for precision in {choice.onnx} if engine else {choice.onnx, choice.tensorrt}:
        bundle.admit(precision)
    profiles = engine.manifest.profiles if engine else profiles_of(text_lengths(bundle), manifest.max_length)
    configs = TritonConfigs(manifest, profiles)
    models: list[tuple[Message, dict[str, Path]]] = [
        (configs.onnx_encoder(), {"model.onnx": layout.encoder(choice.onnx)}),
        (configs.plan_encoder(), {"model.plan": engine.path})
        if engine
        else (configs.accelerated_encoder(), {"model.onnx": layout.encoder(choice.tensorrt)}),
        (configs.item_tower(), {"model.onnx": layout.item_tower}),
        (configs.ensemble("onnx"), {}),
        (configs.ensemble("tensorrt"), {}),
    ]
    with resources.as_file(resources.files(__package__) / "tokenizer_model.py") as program:
        models.append((configs.tokenizer(), {"model.py": program, "tokenizer.json": layout.tokenizer}))
        for config, files in models:
            folder = out / str(config["name"])
            (folder / "1").mkdir(parents=True)
            for name, source in files.items():
                shutil.copyfile(source, folder / "1" / name)
            (folder / "config.pbtxt").write_text(to_text(config), encoding="utf-8")
    return tuple(sorted(str(config["name"]) for config, _ in models))
