"""The files of an encoder's folder: whether all are there, and are what they seem."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from emberline.engine.errors import DataError

from .minilm import MINILM

WEIGHTS: Final = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
#: A folder needs one of these; all but the first are turned into the first's form when it is loaded.
TOKENIZERS: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")
#: What Git leaves in a file's place until `git lfs pull` fetches it.
_POINTER: Final = b"version https://git-lfs"


def require_files(folder: Path, source: str, what: str, names: Sequence[str]) -> None:
    """Check that a folder has one of some files, and itself rather than a stand-in.

    Raises:
        DataError: it has none of them, or a pointer of Git LFS in its place.
    """
    there = [folder / name for name in names if (folder / name).is_file()]
    if not there:
        raise DataError(
            f"no pretrained BERT can be loaded from {source!r} (it has no {what}: {' or '.join(names)}); give "
            f"{MINILM!r}, a folder with config.json, weights and tokenizer, or the name of a BERT model on the hub"
        )
    for path in there:
        if _is_pointer(path):
            raise DataError(f"{path} is a pointer of Git LFS and not the file itself; run `git lfs pull` in {folder}")


def hub_folder(name: str) -> Path:
    """A folder with a model of the hub, downloaded unless it was before.

    Raises:
        DataError: there is none of that name, or it cannot be downloaded.
    """
    wanted = ["*.json", "*.txt", "*.model"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=[*wanted, "model*.safetensors", "0_Transformer/model*"]))
        if not any(folder.rglob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*wanted, "*pytorch_model.bin"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"no pretrained BERT can be loaded from {name!r} (neither a folder nor a model on the hub: {reason}); give "
            f"{MINILM!r}, a folder with config.json, weights and tokenizer, or the name of a BERT model on the hub"
        ) from error
    return folder


def read_json(path: Path, source: str) -> dict[str, Any]:
    """Read a JSON file of a folder.

    Raises:
        DataError: it cannot be read, or is not an object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{source}/{path.name} is not valid JSON ({error}); fetch it again") from error
    if not isinstance(found, dict):
        raise DataError(f"{source}/{path.name} is not a JSON object; fetch it again")
    return found


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER
