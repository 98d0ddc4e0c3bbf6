"""The files of `deploy/`, as far as they can be checked without docker and systemd."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml

from emberline.engine.cli.program import program
from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig
from emberline.engine.settings import settings_of

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SETTINGS = {**settings_of(EngineConfig), **settings_of(ServerConfig)}


def _instructions() -> list[tuple[str, str]]:
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line and not line.startswith("#")]


def _of(name: str) -> list[str]:
    return [rest for instruction, rest in _instructions() if instruction == name]


def _environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in _of("ENV") for pair in shlex.split(line))


def _check_settings(variables: dict[str, str]) -> None:
    for variable, value in variables.items():
        if variable.startswith("EMBERLINE_"):
            SETTINGS[variable.removeprefix("EMBERLINE_").lower()].parse(value)


def _parse(arguments: list[str]) -> None:
    """Parse a command line with the program's own commands, without running it."""
    command = typer.main.get_command(program(arguments[0])).commands[arguments[0]]
    command.make_context(arguments[0], arguments[1:])


def test_every_file_that_the_image_copies_exists_and_is_not_ignored() -> None:
    """A source that is missing, or that the .dockerignore keeps out, would end the build."""
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    sources = [source for line in _of("COPY") if "--from" not in line for source in line.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in kept, source


def test_the_image_has_what_the_package_is_built_from() -> None:
    """pyproject.toml and setup.py name files; each is copied before pip runs."""
    copied = {source for line in _of("COPY") if "--from" not in line for source in line.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"pyproject.toml", "setup.py", project["readme"], *project.get("license-files", ())} <= copied
    assert {"src", "proto", "engine", "export", "bench"} <= copied


def test_the_extras_that_pip_installs_exist() -> None:
    """An unknown extra would be left out with a warning alone."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (line,) = [line for line in _of("RUN") if "pip install" in line]
    named = re.findall(r"\.\[([\w,-]+)\]", line)
    assert named == ["cpu,http,postgres"]
    assert set(named[0].split(",")) <= extras.keys()
    assert (ROOT / "constraints.txt").exists()


def test_the_images_commands_are_commands_of_the_program() -> None:
    """What the container runs and how its health is checked parse as command lines; each variable is a setting."""
    assert json.loads(_of("ENTRYPOINT")[0]) == ["emberline"]
    _parse(json.loads(_of("CMD")[0]))
    program_name, *health = json.loads(_of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert program_name == "emberline"
    _parse(health)
    _check_settings(_environment())


def test_the_container_does_not_run_as_root() -> None:
    """The user is made, and nothing that follows needs root."""
    names = [name for name, _ in _instructions()]
    (user,) = _of("USER")
    assert any(line.startswith("useradd") and line.endswith(user) for line in _of("RUN"))
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])
    assert _environment()["EMBERLINE_CATALOGUE"].startswith(_of("VOLUME")[0].split()[1])


def test_the_service_starts_a_command_of_the_program() -> None:
    """systemd runs a command line that parses, with settings that exist, and waits for the drain."""
    unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "emberline.service")
    program_path, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program_path).name == "emberline"
    _parse(arguments)
    lines = (DEPLOY / "emberline.service").read_text().splitlines()
    _check_settings(dict(line.split("=", 1)[1].split("=", 1) for line in lines if line.startswith("Environment=")))
    assert int(unit["Service"]["TimeoutStopSec"]) > SETTINGS["drain_seconds"].default


def test_compose_and_prometheus_agree_with_the_image() -> None:
    """Ports and volumes are those of the Dockerfile, files that are mounted exist, and the drain has its time."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    service = compose["services"]["emberline"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in _of("EXPOSE")[0].split()[:2]]
    _check_settings(service["environment"])
    assert {volume.removesuffix(":ro").rpartition(":")[2] for volume in service["volumes"]} == set(
        _of("VOLUME")[0].split()
    )
    assert int(service["stop_grace_period"].removesuffix("s")) > SETTINGS["drain_seconds"].default
    (mounted,) = compose["services"]["prometheus"]["volumes"]
    assert (DEPLOY / mounted.split(":")[0]).is_file()
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"emberline:{_environment()['EMBERLINE_METRICS_PORT']}"]


def test_the_images_command_serves_a_volume_that_it_cannot_write_to(
    make_tiny_bundle: Callable[[], Path], tmp_path: Path
) -> None:
    """With the image's variables and a model that is read only, the server starts, is healthy, and stops with 0."""
    bundle = make_tiny_bundle()
    for path in (*bundle.iterdir(), bundle):
        path.chmod(path.stat().st_mode & ~0o222)
    variables = {name: value for name, value in _environment().items() if name.startswith("EMBERLINE_")}
    variables |= {
        "EMBERLINE_LISTEN": "127.0.0.1:0",
        "EMBERLINE_METRICS_PORT": "0",
        "EMBERLINE_PRECISION": "fp32",  # the tiny bundle's int8 fails its gate
        "EMBERLINE_CATALOGUE": str(tmp_path / "catalogue.sqlite"),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-c", "from emberline.engine.cli import main; main()"]
    arguments = [str(bundle) if word == "/model" else word for word in json.loads(_of("CMD")[0])]
    with subprocess.Popen(
        [*command, *arguments], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            health = [*command, "health", "--server", address]
            assert subprocess.run(health, check=False, timeout=30, stdout=subprocess.DEVNULL).returncode == 0
        finally:
            server.terminate()
        assert server.wait(timeout=30) == 0
    bundle.chmod(0o755)


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "prometheus.yml", "emberline.service"])
def test_the_guide_names_every_file(name: str) -> None:
    """docs/serving.md says what each is for."""
    assert f"deploy/{name}" in (ROOT / "docs" / "serving.md").read_text()
