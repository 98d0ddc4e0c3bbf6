"""Puts small faults into modules, one at a time, and says which of them no test notices.

    python tests/mutants.py engine/batching/planner.py export/gate/verdict.py --most 150

The faults are cosmic-ray's: other operators, bounds and constants, conditions that are negated, loops that do not run.
Each is put into a copy of the working tree, in build/mutants, and the tests of its module run there. docs/testing.md
says how to read what it prints.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import TestOutcome

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "mutants"
#: Of the operators that could stand in place of another, the one or two that a slip of the pen would write.
SLIPS = {
    "BinaryOperator": {
        **{"Add": ["Sub"], "Sub": ["Add"], "Mul": ["Div"], "Div": ["Mul"], "FloorDiv": ["Mul"], "Mod": ["Mul"]},
        **{"Pow": ["Mul"], "LShift": ["RShift"], "RShift": ["LShift"], "BitAnd": ["BitOr"], "BitOr": ["BitAnd"]},
    },
    "ComparisonOperator": {
        **{"Lt": ["LtE", "Gt"], "LtE": ["Lt", "GtE"], "Gt": ["GtE", "Lt"], "GtE": ["Gt", "LtE"]},
        **{"Eq": ["NotEq"], "NotEq": ["Eq"], "Is": ["IsNot"], "IsNot": ["Is"]},
    },
    "UnaryOperator": {"USub": ["UAdd"], "Invert": ["UAdd"], "Delete": ["Not"]},
}
OPERATORS = (
    *(
        f"core/Replace{kind}_{one}_{other}"
        for kind, of in SLIPS.items()
        for one, others in of.items()
        for other in others
    ),
    *("core/AddNot", "core/NumberReplacer", "core/ExceptionReplacer", "core/ZeroIterationForLoop"),
    *("core/ReplaceAndWithOr", "core/ReplaceOrWithAnd", "core/ReplaceTrueWithFalse", "core/ReplaceFalseWithTrue"),
    *("core/ReplaceBreakWithContinue", "core/ReplaceContinueWithBreak"),
)


@dataclass(frozen=True)
class Mutant:
    """A fault: the module with it, and the line that differs."""

    code: str
    line: int
    before: str
    after: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every fault that an operator can put into a module, but for those that sound code cannot show."""
    meaning = _meaning(source)
    tree = get_ast(source)
    for name in OPERATORS:
        operator = get_operator(name)()
        count = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(tree))
        for occurrence in range(count):
            code = mutate_code(source, operator, occurrence)
            with suppress(SyntaxError):  # the star of keyword arguments is taken for a product
                if code is not None and _meaning(code) != meaning:
                    yield _mutant(source, code)


def _mutant(source: str, code: str) -> Mutant:
    pairs = zip(source.splitlines(), code.splitlines(), strict=False)
    line, before, after = next((line, one, other) for line, (one, other) in enumerate(pairs, 1) if one != other)
    return Mutant(code, line, before.strip(), after.strip())


def _meaning(source: str) -> str:
    """A module without positions, annotations, and what only forbids: `zip` of unlike lengths, changes of a record."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [one for one in node.keywords if one.arg not in ("strict", "frozen", "slots")]
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return ast.dump(tree)


def tests_of(module: str) -> list[str]:
    """The tests of a module: those that pyproject.toml names, or the file of its name, or its folder."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutants"]["tests"]
    if module in named:
        return list(named[module])
    folder, name = Path("tests", module).parent, Path(module).name
    return [str(folder / f"test_{name}") if (ROOT / folder / f"test_{name}").exists() else str(folder)]


def passes(tests: list[str], seconds: float) -> bool:
    """Whether the tests pass in the copy; tests that take longer do not."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests]
    outcome, _ = run_tests(shlex.join(command), seconds)
    return outcome is TestOutcome.SURVIVED


def examine(module: str, most: int) -> tuple[int, int, int]:
    """Try the faults of a module, and print those that survive; gives how many there are, were tried, were noticed."""
    path, tests = COPY / module, tests_of(module)
    source = path.read_text(encoding="utf-8")
    begin = time.monotonic()
    if not passes(tests, 600.0):
        sys.exit(f"{module}: {' '.join(tests)} fail without any fault; mend them first")
    seconds = 10.0 + 5 * (time.monotonic() - begin)
    found = list(mutants(source))
    tried = random.Random(0).sample(found, min(most, len(found)))
    killed = 0
    for mutant in sorted(tried, key=lambda one: one.line):
        path.write_text(mutant.code, encoding="utf-8")
        try:
            if passes(tests, seconds):
                print(f"  survived  {module}:{mutant.line}: {mutant.before}  →  {mutant.after}", flush=True)
            else:
                killed += 1
        finally:
            path.write_text(source, encoding="utf-8")
    share = f"{100 * killed / len(tried):.0f} %" if tried else "–"
    print(f"{module}: {len(found)} mutants, {len(tried)} tried, {killed} killed ({share})", flush=True)
    return len(found), len(tried), killed


def copy_tree() -> None:
    """Copy what git knows of into build/mutants, with the import names as links."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    shutil.copytree(ROOT / "build" / "ns", COPY / "build" / "ns", symlinks=True)


def main() -> None:
    """Try the faults of the modules that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+", help="paths from the repository's root")
    parser.add_argument("--most", type=int, default=150, help="faults a module; of more, a sample is drawn")
    arguments = parser.parse_args()
    for module in arguments.modules:
        if not (ROOT / module).is_file():
            parser.error(f"there is no module {module}; name it by its path, for instance engine/batching/planner.py")
    copy_tree()
    os.chdir(COPY)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(COPY / "build" / "ns"), os.environ.get("PYTHONPATH", "")])
    found, tried, killed = map(sum, zip(*(examine(one, arguments.most) for one in arguments.modules), strict=True))
    print(f"in all: {found} mutants, {tried} tried, {killed} killed ({100 * killed / max(tried, 1):.0f} %)")


if __name__ == "__main__":
    main()
