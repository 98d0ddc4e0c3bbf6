"""Who takes part in `bench peers`: environments made, the model prepared, variants named; and who cannot, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from emberline.bench.harness.lineup import LeftOut, in_process, through_grpc
from emberline.bench.harness.variants import Variant
from emberline.engine.bundle import Bundle, Precision
from emberline.engine.errors import BenchError, ConfigError

from .backends.material import Material
from .environments import environment, pins
from .preparing import prepare
from .registry import ENTRANTS, UNAVAILABLE, Entrant
from .staging import peer_environment, stage

#: Texts that quantisation with activations sees.
CALIBRATION: Final = 256
_TARGETS: Final = "emberline.bench.peers.backends"
#: Emberline's precisions: the exact one and the fastest one.
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "int8")


@dataclass(frozen=True, slots=True)
class Kitchen:
    """Where environments and forms of the model are made.

    Attributes:
        environments: the folder of the environments.
        work: a folder for everything else, which is removed afterwards.
        threads: that each variant computes with.
        say: is told what is being done.
    """

    environments: Path
    work: Path
    threads: int
    say: Callable[[str], None]


def chosen(names: Sequence[str]) -> tuple[Entrant, ...]:
    """The entrants whose names begin with one of the given ones; all of them if none is given.

    Raises:
        ConfigError: no entrant's name does.
    """
    for name in names:
        if not any(_is(one, name) for one in ENTRANTS):
            known = ", ".join(one.name for one in ENTRANTS)
            raise ConfigError(f"there is no peer {name!r}; choose from {known}, or the beginning of a name")
    return tuple(one for one in ENTRANTS if not names or any(_is(one, name) for name in names))


def own_variants(bundle: Bundle, threads: int) -> list[Variant]:
    """Emberline in process and through gRPC."""
    root = str(bundle.layout.root.absolute())
    paths = (("process", "inprocess", in_process), ("grpc", "remote", through_grpc))
    return [
        Variant(
            name=name(precision),
            target=f"emberline.bench.harness.backends.{module}:open_target",
            options={"bundle": root, "precision": precision, "threads": threads},
            engine="emberline",
            precision=precision,
            path=path,
            threads=threads,
        )
        for path, module, name in paths
        for precision in PRECISIONS
        if precision in bundle.manifest.encoders
    ]


def peers(entrants: Sequence[Entrant], material: Material, kitchen: Kitchen) -> tuple[list[Variant], list[LeftOut]]:
    """Make what the entrants need.

    Args:
        entrants: who would take part.
        material: the model.
        kitchen: where.

    Returns:
        The variants that can be started, and the entrants that cannot, each with the exact error.
    """
    staged = stage(kitchen.work / "staged")
    variables = peer_environment(staged)
    pythons: dict[str, Path | str] = {}
    prepared: dict[str, Material | str] = {}
    variants, left_out = [], []
    for entrant in entrants:
        if entrant.precision not in ("own", *material.encoders):
            left_out.append(LeftOut(entrant.name, f"the bundle has no {entrant.precision} encoder"))
            continue
        if entrant.environment not in pythons:
            pythons[entrant.environment] = _python(entrant.environment, kitchen)
        python = pythons[entrant.environment]
        if isinstance(python, str):
            left_out.append(LeftOut(entrant.name, python))
            continue
        if entrant.module not in prepared:
            kitchen.say(f"{entrant.module}: preparing the model")
            prepared[entrant.module] = _prepared(entrant.module, python, material, kitchen.work, variables)
        given = prepared[entrant.module]
        if isinstance(given, str):
            left_out.append(LeftOut(entrant.name, f"the model cannot be prepared for it: {given}"))
            continue
        variants.append(
            Variant(
                name=entrant.name,
                target=f"{_TARGETS}.{entrant.module}:open_target",
                options={"material": asdict(given), "threads": kitchen.threads, **entrant.options},
                engine=entrant.environment,
                precision=entrant.precision,
                path=entrant.path,
                threads=kitchen.threads,
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


def _is(entrant: Entrant, name: str) -> bool:
    return entrant.name.lower().startswith(name.lower())


def _python(name: str, kitchen: Kitchen) -> Path | str:
    """An environment's Python, or why there is none."""
    kitchen.say(f"{name}: its environment")
    try:
        return environment(name, pins(name), kitchen.environments)
    except BenchError as error:
        return str(error)


def _prepared(
    module: str, python: Path, material: Material, work: Path, variables: Mapping[str, str]
) -> Material | str:
    """The model as a module needs it, or why it cannot be made."""
    given = replace(material, work=str(work / module))
    Path(given.work).mkdir()
    failed = prepare(python, f"{_TARGETS}.{module}", asdict(given), variables)
    return failed or given
