from __future__ import annotations

import ast
import errno
import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer

from emberline.engine.cli import program as program_module
from emberline.engine.cli.program import program
from emberline.engine.config import EngineConfig
from emberline.engine.errors import EmberlineError, MissingExtra
from emberline.engine.server import process
from emberline.engine.server.config import ServerConfig

Emberline = Callable[..., Any]


def _commands(command: Any, path: str = "emberline") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")


COMMANDS = dict(_commands(typer.main.get_command(program(""))))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_every_option_is_explained(path: str) -> None:
    """No command and no option is without a help text."""
    command = COMMANDS[path]
    assert command.help
    for parameter in command.params:
        assert parameter.help, f"{path} {parameter.name}"


def test_the_commands_are_there() -> None:
    """The program's own, and those of the packages that it does not know."""
    own = {"serve", "encode", "score", "recommend", "items", "catalogue", "models", "info", "health"}
    own |= {"verify", "sign", "pack", "unpack", "diff", "apply"}
    others = {"train", "distill", "export", "quickstart", "bench"}
    assert own | others == {path.split()[1] for path in COMMANDS if " " in path}
    assert {"emberline items upsert", "emberline items delete", "emberline items get"} < COMMANDS.keys()


def test_only_what_is_asked_for_is_built() -> None:
    """The help lists all commands with their first lines and builds no options; a command's name builds it alone."""
    whole = typer.main.get_command(program("")).commands
    listed = typer.main.get_command(program("--help")).commands
    assert {name: command.help for name, command in listed.items()} == {n: c.help for n, c in whole.items()}
    assert not any(parameter.name != "help" for command in listed.values() for parameter in command.params)
    for name in ("recommend", "items", "train"):
        (alone,) = typer.main.get_command(program(name)).commands.items()
        assert alone[0] == name
        assert [one.name for one in alone[1].params] == [one.name for one in whole[name].params]


def test_every_setting_is_an_option_of_serve_with_its_default(
    monkeypatch: pytest.MonkeyPatch, emberline: Emberline, tmp_path: Path
) -> None:
    """Without options the settings are those of the classes; each can be set."""
    served: list[ServerConfig] = []
    monkeypatch.setattr(process, "serve", lambda config: served.append(config) or 3)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert emberline("serve", tmp_path).code == 3
    assert served.pop() == ServerConfig(engine=EngineConfig(bundle=tmp_path))
    settings = [*fields(EngineConfig), *fields(ServerConfig)]
    values = {
        "precision": "int8",
        "device": "cuda",
        "mode": "latency",
        "catalogue_vectors": "int8",
        "log_level": "debug",
        "log_format": "json",
        "catalogue": str(tmp_path / "x"),
        "listen": "127.0.0.1:7",
        "protocols": "emberline,tei",
        "http": "127.0.0.1:9",
        "metrics_port": "8",
        "drain_seconds": "1.5",
        "otlp_endpoint": "http://127.0.0.1:7",
        "trace_ratio": "0.5",
        "client_share": "0.5",
        "allow_failed_gate": None,
        "read_only": None,
        "reencode": None,
        "no_reflection": None,
        "ignore_priorities": None,
    }
    arguments: list[str] = []
    for setting in settings:
        if setting.name not in ("bundle", "engine"):
            value = values.get(setting.name, "7")
            arguments += [f"--{setting.name.replace('_', '-')}", *([value] if value else [])]
    emberline("serve", tmp_path, *arguments)
    (config,) = served
    default = ServerConfig(engine=EngineConfig(bundle=tmp_path))
    for part, usual in ((config, default), (config.engine, default.engine)):
        for setting in fields(part):
            if setting.name not in ("bundle", "engine"):
                assert getattr(part, setting.name) != getattr(usual, setting.name), setting.name


def test_a_setting_out_of_its_range_is_one_line(emberline: Emberline, tmp_path: Path) -> None:
    """The settings' own check speaks, before anything is loaded."""
    result = emberline("serve", tmp_path, "--max-batch", 0)
    assert (result.code, result.err) == (2, "emberline: --max-batch is 0; it must be at least 1\n")


def test_an_unknown_option_is_a_usage_error(emberline: Emberline) -> None:
    """With exit code 2 and a word on how to get help."""
    result = emberline("info", "--nonsense")
    assert result.code == 2
    assert "--help" in result.err


def test_the_version_is_the_packages(emberline: Emberline) -> None:
    """Alone on a line."""
    assert emberline("--version").out == f"{importlib.metadata.version('emberline')}\n"


def test_the_help_loads_neither_a_model_runtime_nor_numpy() -> None:
    """It has to be there at once, and on a machine with the base installation only."""
    script = """
import sys
from emberline.engine.cli import main
try:
    main()
finally:
    print(*({"torch", "transformers", "onnxruntime", "polars", "sklearn", "grpc", "numpy"} & sys.modules.keys()))
"""
    environment = {**os.environ, "COLUMNS": "200"}
    for arguments in (["--help"], ["encode", "--help"], ["items", "upsert", "--help"]):
        command = [sys.executable, "-c", script, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
        assert result.stdout.splitlines()[-1] == "", arguments


def _add(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load(_: EntryPoint) -> None:
        raise error

    entry = EntryPoint("train", "emberline.export.cli:train", program_module.GROUP)
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [entry] if group == program_module.GROUP else []
    )
    monkeypatch.setattr(EntryPoint, "load", load)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("no", name="polars.io"), "needs the package 'polars', .*pip install 'emberline.export.'"),
        (MissingExtra("`emberline train`", "export", "torch"), "needs the package 'torch'"),
        (ModuleNotFoundError("no emberline.export.cli", name="emberline.export.cli"), "install Emberline again"),
        (AttributeError("no train"), "install Emberline again"),
    ],
)
def test_a_command_whose_packages_are_missing_is_listed_and_says_so(
    monkeypatch: pytest.MonkeyPatch, emberline: Emberline, error: Exception, message: str
) -> None:
    """The help has it; whoever calls it, with whatever arguments, learns which extra to install."""
    _add(monkeypatch, error)
    listed = emberline("--help")
    assert listed.code == 0
    assert "train" in listed.out
    result = emberline("train", "--whatever", "x")
    assert result.code == 1
    assert re.search(f"emberline: `emberline train` .*{message}", result.err)


def test_own_commands_do_not_load_others(monkeypatch: pytest.MonkeyPatch, emberline: Emberline) -> None:
    """What cannot be loaded costs those nothing who do not ask for it."""
    _add(monkeypatch, EmberlineError("must not be loaded"))
    assert emberline("items", "--help").code == 0


#: Options of other programs that texts of ours name.
_FOREIGN = {"--help", "--no-deps", "--force-reinstall", "--model-repository"}


def _texts(folder: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((Path(__file__).parents[3] / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


@pytest.mark.parametrize("folder", ["engine", "export", "bench/report"])
def test_every_option_that_a_text_names_exists(folder: str) -> None:
    """No message advises an option that no command has."""
    parameters = [parameter for command in COMMANDS.values() for parameter in command.params]
    known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    for path, text in _texts(folder):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]", text):
            assert option in known | _FOREIGN, f"{path}: {option}"


def _wrapped() -> None:
    """What libraries make of a full disk: an error of their own, with the system's behind it."""
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError:
        raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904


def _denied() -> None:
    raise PermissionError(errno.EACCES, "Permission denied", "/runs/config.json")


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (_wrapped, "emberline: no space is left on the disk; free some, then give the command again\n"),
        (
            _denied,
            "emberline: /runs/config.json: Permission denied; change its permissions, or name another place\n",
        ),
    ],
)
def test_the_machine_s_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, emberline: Emberline, fault: Callable[[], None], line: str
) -> None:
    """A full disk and a missing permission are nobody's bug, whatever library comes upon them."""
    monkeypatch.setattr(program_module, "_OWN", {"info": (fault, "")})
    result = emberline("info")
    assert (result.code, result.err) == (1, line)


def test_a_bug_is_shown_as_one(monkeypatch: pytest.MonkeyPatch, emberline: Emberline) -> None:
    """Errors of the program keep their traceback."""

    def broken() -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(program_module, "_OWN", {"info": (broken, "")})
    with pytest.raises(OSError, match="Invalid argument"):
        emberline("info")


def test_what_a_terminal_cannot_show_is_escaped() -> None:
    """Under an encoding without a title's letters the table is there all the same."""
    show = (
        "from emberline.engine.cli import program; program._OWN['info'] = (lambda: print('蓝 · é'), ''); program.main()"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", show, "info"], capture_output=True, env=environment, check=True)
    assert done.stdout == b"\\u84dd \xb7 \xe9\n"
