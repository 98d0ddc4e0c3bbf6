"""What `emberline export BUNDLE --tensorrt …` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from emberline.engine.bundle import Bundle
from emberline.engine.catalogue.texts import text_lengths
from emberline.engine.errors import ConfigError
from emberline.engine.runtime.gpu import find_gpu
from emberline.engine.runtime.tensorrt.library import LIBRARIES, Library
from emberline.engine.runtime.tensorrt.manifest import ENGINE_PRECISIONS, EngineFile, EnginePrecision
from emberline.engine.runtime.tensorrt.profiles import parse_profiles, profiles_of

from .builder import build_engine

#: Profiles out of the lengths of the bundle's own texts.
FROM_DATA: Final = "data"


def parse_library(text: str) -> Library:
    """Read the name of a library, with ``-`` or ``_``.

    Raises:
        ConfigError: it is not known.
    """
    for library in LIBRARIES:
        if text.replace("-", "_") == library:
            return library
    raise ConfigError(f"--library {text}: choose tensorrt-rtx, which needs no GPU, or tensorrt, which builds on it")


def parse_precisions(text: str) -> tuple[EnginePrecision, ...]:
    """Read precisions with commas between them.

    Raises:
        ConfigError: one is not known.
    """
    known = {str(precision): precision for precision in ENGINE_PRECISIONS}
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or any(name not in known for name in names):
        raise ConfigError(f"--tensorrt {text!r}: choose of {', '.join(known)}, with commas")
    return tuple(known[name] for name in dict.fromkeys(names))


def build_engines(
    root: Path, precisions: str, targets: str | None, profiles: str, library: str, console: Console
) -> list[EngineFile]:
    """Build a bundle's engines, one after the other; those that are up to date are left as they are.

    Args:
        root: the bundle's folder.
        precisions: with commas.
        targets: with commas; None: the GPU at hand.
        profiles: as `parse_profiles` reads them, or ``data``.
        library: the builder.
        console: where the progress goes.

    Raises:
        EmberlineError: see `build_engine`.
    """
    builder = parse_library(library)
    wanted = parse_precisions(precisions)
    bundle = Bundle.open(root)
    maximum = bundle.manifest.max_length
    shapes = profiles_of(text_lengths(bundle), maximum) if profiles == FROM_DATA else parse_profiles(profiles)
    names = _targets(targets)
    built = []
    for target in names:
        for precision in wanted:
            with _told(f"{precision} for {target}", console) as progress:
                built.append(build_engine(bundle, precision, target, shapes, library=builder, progress=progress))
    return built


def _targets(text: str | None) -> Sequence[str]:
    if text is None:
        return (find_gpu().target,)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigError("--target is empty; name GPUs, e.g. sm86,sm89")
    return list(dict.fromkeys(names))


def _forget(_: str) -> None:
    pass


@contextmanager
def _told(what: str, console: Console) -> Iterator[Callable[[str], None]]:
    """Tell the phases of a build: in one line that changes on a terminal, and elsewhere only that it begins."""
    if not console.is_terminal:
        console.print(f"building {what}", highlight=False)
        yield _forget
        return
    with console.status(f"building {what}") as status:
        yield lambda phase: status.update(f"building {what}: {phase}")
