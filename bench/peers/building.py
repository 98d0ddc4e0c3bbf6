"""Makes peers ready: their environments, the model in the form that each reads; and says who cannot be, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from emberline.bench.harness.isolated import Failed, isolated
from emberline.bench.harness.variants import LeftOut, Variant, own
from emberline.engine.bundle import Bundle, Precision
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.errors import BenchError
from emberline.engine.records import Item, StoredItem

from .backends.base import ModelFiles
from .environments import environment, peer_variables, pins, stage
from .registry import UNAVAILABLE, Peer

#: Texts that quantisation with activations sees.
CALIBRATION: Final = 256
_BACKENDS: Final = "emberline.bench.peers.backends"
#: Emberline's precisions: the exact one and the fastest one.
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "int8")
#: Items of a made-up catalogue that are written in a transaction.
_PART: Final = 10_000
#: Seconds for a conversion or a quantisation.
_PATIENCE: Final = 1800.0


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Where environments and forms of the model are made."""

    environments: Path  # the folder of the environments.
    work: Path  # a folder for everything else, which is removed afterwards.
    threads: int  # number of threads of each variant.
    say: Callable[[str], None]  # is told what is being done.


def own_variants(bundle: Bundle, threads: int) -> list[Variant]:
    """Emberline in process and through gRPC."""
    precisions = [precision for precision in PRECISIONS if precision in bundle.manifest.encoders]
    return [own(bundle, precision, path, threads) for path in ("process", "grpc") for precision in precisions]


def build(wanted: Sequence[Peer], files: ModelFiles, context: BuildContext) -> tuple[list[Variant], list[LeftOut]]:
    """Make what peers need.

    Returns:
        The variants that can be started, and the peers that cannot, each with the exact error.
    """
    variables = peer_variables(stage(context.work / "staged"))
    pythons: dict[str, Path | str] = {}
    prepared: dict[str, ModelFiles | str] = {}
    variants, left_out = [], []
    for peer in wanted:
        if peer.precision not in ("own", *files.encoders):
            left_out.append(LeftOut(peer.name, f"the bundle has no {peer.precision} encoder"))
            continue
        if peer.environment not in pythons:
            pythons[peer.environment] = _python(peer.environment, context)
        python = pythons[peer.environment]
        if isinstance(python, str):
            left_out.append(LeftOut(peer.name, python))
            continue
        if peer.module not in prepared:
            prepared[peer.module] = _prepared(peer.module, python, files, context, variables)
        given = prepared[peer.module]
        if isinstance(given, str):
            left_out.append(LeftOut(peer.name, f"the model cannot be prepared for it: {given}"))
            continue
        # A server shares the machine with its client, as Emberline's does.
        options = {"restrict": peer.path == "process", **peer.options}
        variants.append(
            Variant(
                name=peer.name,
                backend=f"{_BACKENDS}.base:open_backend",
                options={"module": peer.module, "files": asdict(given), "threads": context.threads, **options},
                engine=peer.environment,
                precision=peer.precision,
                path=peer.path,
                threads=context.threads,
                python=str(python),
                environment=variables,
            )
        )
    left_out += [LeftOut(name, reason) for name, reason in UNAVAILABLE.items()]
    return variants, left_out


def write_calibration(texts: Sequence[str], path: Path) -> Path:
    """Write the texts that quantisation may see."""
    path.write_text(json.dumps(list(texts[:CALIBRATION])), encoding="utf-8")
    return path


def write_catalogue(bundle: Bundle, path: Path, count: int, seed: int) -> None:
    """Write a made-up live catalogue: exact search takes as long over random vectors as over real ones.

    Items' ids are ``0`` to ``count - 1``.
    """
    manifest = bundle.manifest
    random = np.random.default_rng(seed)
    with EmbeddedCatalogue.create(path, manifest.fingerprint, manifest.hidden, manifest.dimensions) as catalogue:
        for start in range(0, count, _PART):
            size = min(_PART, count - start)
            embeddings = random.standard_normal((size, manifest.hidden), dtype=np.float32)
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            vectors = random.standard_normal((size, manifest.dimensions), dtype=np.float32)
            biases = random.standard_normal(size)
            catalogue.upsert(
                [
                    StoredItem(
                        Item(str(start + place), {"title": f"item {start + place}"}),
                        embeddings[place],
                        vectors[place],
                        float(biases[place]),
                        updated=0.0,
                    )
                    for place in range(size)
                ]
            )


def _python(name: str, context: BuildContext) -> Path | str:
    """An environment's Python, or why there is none."""
    context.say(f"{name}: its environment")
    try:
        return environment(name, pins(name), context.environments)
    except BenchError as error:
        return str(error)


def _prepared(
    module: str, python: Path, files: ModelFiles, context: BuildContext, variables: Mapping[str, str]
) -> ModelFiles | str:
    """The model as a module needs it, or why it cannot be made.

    In a process of its own, so that what conversion takes is not part of the memory that is measured.
    """
    context.say(f"{module}: preparing the model")
    given = replace(files, work=str(context.work / module))
    Path(given.work).mkdir()
    task = {"module": module, "files": asdict(given)}
    try:
        isolated(f"{_BACKENDS}.base:prepare", task, variables, python=python, patience=_PATIENCE)
    except Failed as error:
        return str(error)
    return given
