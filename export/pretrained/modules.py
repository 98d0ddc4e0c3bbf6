"""What sentence-transformers does around an encoder, as its folder's own files say.

```
modules.json                     the modules, and where each lies
1_Pooling/config.json            how the tokens become one vector
sentence_bert_config.json        whether texts are lowered
config_sentence_transformers.json  prompts, see `prompt`
```

A Normalize module changes nothing: Emberline's vectors have unit length with it and without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emberline.engine.errors import DataError
from emberline.export.model import POOLINGS, Pooling

from .folder import read_json

MODULES: Final = "modules.json"
#: What these modules do, Emberline does.
_KNOWN: Final = ("Transformer", "Pooling", "Normalize")
#: What is read where no modules.json names another place.
_POOLING: Final = "1_Pooling"
#: Of a Pooling module's settings, those that switch a kind of pooling on begin so.
_MODE: Final = "pooling_mode_"
_POOLINGS: Final[Mapping[str, Pooling]] = {"mean_tokens": "mean", "cls_token": "cls", "mean": "mean", "cls": "cls"}


@dataclass(frozen=True, slots=True)
class SentenceModules:
    """What is around an encoder.

    Attributes:
        transformer: where the encoder lies within its folder; empty: at its root.
        pooling: how the tokens' vectors become one.
        pools_prompt: whether the tokens of a prompt take part in that.
        lowers: whether texts are lowered before they are tokenized.
    """

    transformer: str = ""
    pooling: Pooling = "mean"
    pools_prompt: bool = True
    lowers: bool = False

    @classmethod
    def read(cls, folder: Path, source: str) -> SentenceModules:
        """Read them; without any of these files, the mean over the tokens is taken, as sentence-transformers does.

        Args:
            folder: where they lie.
            source: for the message.

        Raises:
            DataError: a file cannot be read, or there is a module or a pooling that Emberline does not have.
        """
        places = _places(folder, source)
        transformer = places.get("Transformer", "")
        config = folder / places.get("Pooling", _POOLING) / "config.json"
        pooling, whole = _pooling(config, source) if config.is_file() else ("mean", True)
        settings = folder / transformer / "sentence_bert_config.json"
        lowers = bool(read_json(settings, source).get("do_lower_case")) if settings.is_file() else False
        return cls(transformer, pooling, whole, lowers)


def _places(folder: Path, source: str) -> dict[str, str]:
    """Where each module lies within the folder, by its kind."""
    path = folder / MODULES
    if not path.is_file():
        return {}
    try:
        modules = json.loads(path.read_text(encoding="utf-8-sig"))
        places = {str(one["type"]).rpartition(".")[2]: str(one.get("path") or "") for one in modules}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{source}/{MODULES} is not a list of modules ({error}); fetch it again") from error
    for kind in places:
        if kind not in _KNOWN:
            raise DataError(
                f"{source}/{MODULES} has a module {kind!r}; Emberline reads {', '.join(_KNOWN)}: "
                "name another encoder, or delete the entry to train without that module"
            )
    return places


def _pooling(path: Path, source: str) -> tuple[Pooling, bool]:
    """The kind of pooling, and whether a prompt's tokens take part."""
    config = read_json(path, f"{source}/{path.parent.name}")
    modes = _modes(config)
    pooling = _POOLINGS.get(modes[0]) if len(modes) == 1 else None
    if pooling is None:
        raise DataError(
            f"{source}/{path.parent.name}/config.json pools by {' and '.join(modes)}; Emberline pools by "
            f"{' or '.join(POOLINGS)}: name another encoder, or choose one of them there"
        )
    return pooling, bool(config.get("include_prompt", True))


def _modes(config: Mapping[str, Any]) -> list[str]:
    named = config.get("pooling_mode")
    if named is not None:
        return [str(mode).lower() for mode in (named if isinstance(named, list) else [named])]
    # What is not mentioned is off, but for the mean.
    switches = {"mean_tokens": True} | {
        name.removeprefix(_MODE): bool(value) for name, value in config.items() if name.startswith(_MODE)
    }
    return [name for name, on in switches.items() if on] or ["nothing"]
