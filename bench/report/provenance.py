"""Whether results are of one model, so that they may stand on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from emberline.bench.harness.result import Result
from emberline.engine.errors import BenchError


@dataclass(frozen=True, slots=True)
class Origin:
    """What a result was measured on."""

    command: str  # the command that made it.
    bundles: Sequence[Mapping[str, Any]]  # records of bundles; see `BundleRecord`.
    runs: Sequence[Mapping[str, Any]]  # records of training runs; see `RunRecord`.

    @classmethod
    def of(cls, result: Result) -> Origin:
        """Of a result: most are of one bundle, `coldstart` is of several bundles and runs, or of none."""
        if "bundle" in result:
            run = result.get("run")
            return cls(result["command"], (result["bundle"],), (run,) if run else ())
        return cls(result["command"], result.get("bundles", ()), result.get("runs", ()))

    def __str__(self) -> str:
        """For an error."""
        named = [f"{one['model_id']} in {one['path']}" for one in self.bundles]
        named += [f"the run {one['path']}" for one in self.runs]
        return f"{self.command} of {' and '.join(named)}"


def require_one_model(results: Sequence[Result], where: str) -> None:
    """Make sure that results are of the same bundle, or, where one of them is of several, have one in common.

    A measurement of baselines alone, or one that does not say what it measured, belongs to any.

    Raises:
        BenchError: two are of different bundles or runs, or it cannot be told.
    """
    origins = [origin for origin in map(Origin.of, results) if origin.bundles or origin.runs]
    for one, other in combinations(origins, 2):
        bundles = _shared(one.bundles, other.bundles)
        runs = _shared(one.runs, other.runs)
        known = next((shared for shared in (bundles, runs) if shared is not None), None)
        if known is None:
            raise BenchError(
                f"whether the results in {where} are of one model cannot be told ({one}; {other}); measure cold start "
                "with --bundle, or the other with --run, or keep them in folders of their own"
            )
        if not known:
            raise BenchError(
                f"the results in {where} are of different bundles ({one}; {other}), or of one that was exported again "
                "meanwhile; measure them again, or keep each bundle's results in a folder of its own"
            )


def _shared(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether they have one in common; None if there is nothing to compare."""
    if not ours or not theirs:
        return None
    return not {one["sha256"] for one in ours}.isdisjoint(one["sha256"] for one in theirs)
