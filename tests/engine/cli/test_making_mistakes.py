"""The walk through the commands that train, export and measure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Emberline = Callable[..., Any]

#: Command line, exit code, and what the last line on standard error has to say; see `test_mistakes`.
WALK = r"""
train                                              | 2 | Missing argument 'RUN'; see `emberline train --help`
train run extra                                    | 2 | unexpected extra argument
train run --description nowhere                    | 1 | no built-in data set 'nowhere'; there is ml-100k, or .* .toml
train run --description nowhere.toml               | 1 | nowhere.toml: .*No such file
train run --description bad.toml                   | 1 | bad.toml: not a TOML file: .*line 1
train run --description shop.toml                  | 1 | no.csv: there is no such file; the folder has .*shop.toml
train run --data nowhere                           | 1 | nowhere: there is no such data folder
train run --steps -1                               | 2 | --steps is -1; it must be at least 0
train run --steps x                                | 2 | --steps is 'x'; write a whole number
train run --seed 1.5                               | 2 | --seed is '1.5'; write a whole number
train run --setting nonsense=1                     | 2 | there is no such setting; did you mean
train run --step 5                                 | 2 | No such option: --step .*--steps

export                                             | 2 | Missing argument 'RUN.BUNDLE'; see `emberline export --help`
export bundle                                      | 2 | the folder to write is missing: emberline export RUN BUNDLE
export nowhere out                                 | 1 | nowhere is not a run folder: .* train one with `emberline
export bundle out                                  | 1 | bundle is not a run folder
export nowhere out extra                           | 2 | unexpected extra argument
export nowhere out --precision int4                | 2 | --precision int4: choose from fp32, fp16
export nowhere out --objective x                   | 2 | --objective x: write MEASURE=VALUE
export nowhere out --search-minutes 5              | 2 | is for a search; add its --objective
export nowhere out --gpu sm86                      | 2 | --gpu is for engines: emberline export BUNDLE --tensorrt fp16
export nowhere out --profiles 1x2                  | 2 | --profiles is for engines: emberline export BUNDLE
export nowhere out --library tensorrt              | 2 | --library is for engines: emberline export BUNDLE
export nowhere out --allow-failed-gate             | 2 | No such option: --allow-failed-gate
export bundle out --tensorrt fp16                  | 2 | take only a bundle: emberline export BUNDLE --tensorrt fp16
export bundle --tensorrt int4                      | 2 | --tensorrt 'int4': choose from fp32
export bundle --tensorrt fp16 --force              | 2 | --force is for the export of a run
export bundle --triton t --precision fp16          | 1 | has no encoder in fp16; it has fp32, int8

bench nonsense                                     | 2 | No such command 'nonsense'; see `emberline bench --help`
bench latency                                      | 2 | Missing argument 'BUNDLE'; see `emberline bench latency --help`
bench latency nowhere                              | 1 | nowhere is not a bundle: .* make one with `emberline export`
bench latency bundle --scenario Serial             | 2 | no scenario 'Serial'; choose from SingleStream
bench latency bundle --texts nowhere.txt           | 1 | nowhere.txt cannot be read as texts .*pass `items`, `mixed` or
bench latency bundle --precision int4              | 2 | 'int4' is not one of 'fp32', 'fp16', 'int8'
bench latency bundle --precision fp16              | 1 | has no encoder in fp16; it has fp32, int8
bench latency bundle --threads -1                  | 2 | '--threads': Input should be greater than or equal to 0
bench latency bundle --repetitions 0               | 2 | '--repetitions': Input should be greater than or equal to 1
bench latency bundle --bound 0                     | 2 | bound_ms is 0.0; it must be at least 0.01
bench latency bundle --device gpu                  | 2 | 'gpu' is not one of 'cpu', 'openvino'

bench recall                                       | 2 | Missing argument 'BUNDLE'; see `emberline bench recall --help`
bench recall bundle                                | 2 | Missing option '--run'; see `emberline bench recall --help`
bench recall nowhere --run nowhere                 | 1 | nowhere is not a bundle
bench recall bundle --run nowhere                  | 1 | nowhere is not a run folder: .* train one with
bench recall bundle --run bundle                   | 1 | bundle is not a run folder
bench recall bundle --run nowhere --precision int4 | 2 | 'int4' is not one of
bench recall bundle --run nowhere --seed -1        | 2 | '--seed': Input should be greater than or equal to 0
bench recall bundle --run nowhere --device gpu     | 2 | 'gpu' is not one of
bench recall bundle --run nowhere extra            | 2 | unexpected extra argument
bench recall bundle --run nowhere --dta x          | 2 | No such option: --dta .*--data

bench coldstart --description nowhere              | 1 | no built-in data set 'nowhere'
bench coldstart --description nowhere.toml         | 1 | nowhere.toml: .*No such file
bench coldstart --seeds x                          | 2 | --seeds must be whole numbers with commas between them
bench coldstart --known x                          | 2 | --known must be whole numbers with commas between them
bench coldstart --run nowhere                      | 1 | nowhere is not a run folder
bench coldstart --bundle bundle                    | 2 | 1 bundles and 0 runs; give one --bundle for each --run
bench coldstart --ablate nonsense                  | 2 | no ablation 'nonsense'; choose from
bench coldstart --precision int4                   | 2 | 'int4' is not one of
bench coldstart --setting nonsense=1 --train       | 2 | there is no such setting; did you mean
bench coldstart --budget x                         | 2 | Invalid value for '--budget'

bench peers                                        | 2 | Missing argument 'BUNDLE'; see `emberline bench peers --help`
bench peers bundle                                 | 2 | Missing option '--run'
bench peers bundle --run nowhere --repetitions 0   | 2 | '--repetitions': Input should be greater than or equal to 1
bench peers bundle --run nowhere --threads -1      | 2 | '--threads': Input should be greater than or equal to 0
bench peers bundle --run nowhere --seed x          | 2 | Invalid value for '--seed'
bench peers bundle extra --run nowhere             | 2 | unexpected extra argument
bench peers bundle --run nowhere --per x           | 2 | No such option: --per

bench gpu                                          | 2 | Missing argument 'BUNDLE'; see `emberline bench gpu --help`
bench gpu bundle                                   | 2 | Missing option '--run'
bench gpu bundle --run nowhere --quik              | 2 | No such option: --quik .*--quick

bench report nowhere                               | 1 | nowhere
bench report empty                                 | 1 | run `emberline bench latency
bench report empty --out                           | 2 | Option '--out' requires an argument
bench report empty extra                           | 2 | unexpected extra argument
bench report empty --format pdf                    | 2 | No such option: --format

quickstart a b                                     | 2 | unexpected extra argument\(s\) \(b\)
quickstart --precision int4                        | 2 | 'int4' is not one of 'fp32', 'fp16', 'int8'
quickstart --agin                                  | 2 | No such option: --agin .*--again
"""

CASES = [tuple(map(str.strip, line.split("|", 2))) for line in WALK.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def shop(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, and with descriptions that cannot be read."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / "bundle").symlink_to(tiny_bundle)
    (folder / "empty").mkdir()
    (folder / "bad.toml").write_text("name = = 1\n")
    item = '[item]\nfile = "no.csv"\nid = "id"\n[item.fields]\ntitle = {}\n'
    (folder / "shop.toml").write_text(f'name = "shop"\n{item}')
    return folder


@pytest.mark.parametrize(("line", "code", "expected"), CASES, ids=[line for line, _, _ in CASES])
def test_a_mistake_leads_to_the_next_step(
    emberline: Emberline, monkeypatch: pytest.MonkeyPatch, shop: Path, line: str, code: str, expected: str
) -> None:
    """The last line on standard error names the thing, the reason and the next step, and nothing is left behind."""
    monkeypatch.chdir(shop)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    before = sorted(shop.iterdir())
    result = emberline(*shlex.split(line))
    message = result.err.splitlines()[-1]
    assert message.startswith("emberline: ")
    assert re.search(expected, message), message
    assert (result.code, result.out) == (int(code), "")
    assert sorted(shop.iterdir()) == before
