"""Runs `emberline export BUNDLE --tensorrt …`."""

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

#: Selects profiles by the lengths of the bundle's own texts.
FROM_DATA: Final = "data"


def parse_library(text: str) -> Library:
    """Parse the name of a library, with ``-`` or ``_``.

    Raises:
        ConfigError: the library is unknown.
    """
    for library in LIBRARIES:
        if text.replace("-", "_") == library:
            return library
    raise ConfigError(
        f"--library {text}: choose tensorrt-rtx, which needs no GPU, or tensorrt, which builds on this machine's GPU"
    )


def parse_precisions(text: str) -> tuple[EnginePrecision, ...]:
    """Parse precisions, separated by commas.

    Raises:
        ConfigError: a precision is unknown.
    """
    known = {str(precision): precision for precision in ENGINE_PRECISIONS}
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or any(name not in known for name in names):
        raise ConfigError(f"--tensorrt {text!r}: choose from {', '.join(known)}, separated by commas")
    return tuple(known[name] for name in dict.fromkeys(names))


def build_engines(
    root: Path, precisions: str, architectures: str | None, profiles: str, library: str, console: Console
) -> list[EngineFile]:
    """Build the engines of a bundle, one after the other; engines that are up to date stay as they are.

    Args:
        root: the folder of the bundle.
        precisions: the precisions, separated by commas.
        architectures: the GPU architectures, separated by commas; None: that of this machine's GPU.
        profiles: the profiles in the form of `parse_profiles`, or ``data``.
        library: the name of the library that builds.
        console: shows the progress.

    Raises:
        EmberlineError: see `build_engine`.
    """
    builder = parse_library(library)
    wanted = parse_precisions(precisions)
    bundle = Bundle.open_folder(root)
    maximum = bundle.manifest.max_length
    shapes = profiles_of(text_lengths(bundle), maximum) if profiles == FROM_DATA else parse_profiles(profiles)
    names = _architectures(architectures)
    built = []
    for architecture in names:
        for precision in wanted:
            with _progress(f"{precision} for {architecture}", console) as progress:
                built.append(build_engine(bundle, precision, architecture, shapes, library=builder, progress=progress))
    return built


def _architectures(text: str | None) -> Sequence[str]:
    if text is None:
        return (find_gpu().architecture,)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigError("--gpu is empty; name GPU architectures, e.g. sm86,sm89")
    return list(dict.fromkeys(names))


def _ignore(_: str) -> None:
    pass


@contextmanager
def _progress(what: str, console: Console) -> Iterator[Callable[[str], None]]:
    """Show the phases of a build: in one changing line on a terminal, elsewhere only its start."""
    if not console.is_terminal:
        console.print(f"building {what}", highlight=False)
        yield _ignore
        return
    with console.status(f"building {what}") as status:
        yield lambda phase: status.update(f"building {what}: {phase}")
