"""The command line of the bench: `emberline bench latency`, `recall`, `coldstart`, `peers`, `gpu` and `report`.

Matplotlib, torch and the engine are imported where a command needs them: `emberline --help` has to be quick, and the
other commands have to work without the bench's packages.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from emberline.engine.cli.extras import need
from emberline.engine.cli.options import AsJson, Bundle
from emberline.engine.cli.output import print_json
from emberline.engine.devices import Device
from emberline.engine.errors import ConfigError, DeviceUnavailable, MissingExtra

from .coldstart.command import coldstart
from .harness.settings import BENCH, EXPORT, RESULTS, CpuPrecision, Out, option, switch
from .latency.settings import SCENARIOS, LatencySettings, Scenario
from .peers.environments import default_folder
from .peers.settings import PeersSettings
from .recall.settings import RecallSettings

bench: Final = typer.Typer(help="Measure latency, load and recall against PyTorch.", no_args_is_help=True)
_LATENCY: Final = LatencySettings()
_RECALL: Final = RecallSettings()
_PEERS: Final = PeersSettings()
_ENVIRONMENTS: Final = str(default_folder()).replace(str(Path.home()), "~")
#: Defaults that are lists: typer reads them and shares none.
_TEXTS: Final = list(_LATENCY.texts)
_SCENARIOS: Final[list[str]] = list(_LATENCY.scenarios)
_NONE: Final[list[Any]] = []

_Precisions = Annotated[
    list[CpuPrecision],
    typer.Option("--precision", help="Measure these alone; may be repeated.", show_default="all that the bundle has"),
]
_Device = Annotated[
    Device,
    option("Runs Emberline's encoder, alone: there is no fallback. PyTorch is timed on the same GPU."),
]
_Threads = Annotated[int, option("That each variant computes with; 0: one a core.", least=0)]
_Repetitions = Annotated[int | None, option("Of each measurement.", shown=str(_LATENCY.repetitions), least=1)]
#: The exit code where there is no GPU, told apart from a failure.
_NO_GPU: Final = 3

bench.command()(coldstart)


@bench.command()
def latency(
    bundle: Bundle,
    run: Annotated[
        Path | None,
        option("The training run of the bundle: PyTorch, the reference, runs its model.", "DIR"),
    ] = None,
    out: Out = RESULTS,
    texts: Annotated[
        list[str],
        option(
            "`mixed`: 10 to 128 tokens, many short and some long; `items`: the bundle's item texts; or a file "
            "with one text a line. May be repeated.",
            "SET",
        ),
    ] = _TEXTS,
    scenario: Annotated[
        list[str], option(f"One of {', '.join(SCENARIOS)}; may be repeated.", shown="all")
    ] = _SCENARIOS,
    precision: _Precisions = _NONE,
    device: _Device = _LATENCY.device,
    threads: _Threads = 0,
    repetitions: _Repetitions = None,
    bound: Annotated[
        float, option("Under which p99 has to stay in the search for the highest rate.", "MS")
    ] = _LATENCY.bound_ms,
    seed: Annotated[int, option("Of the texts and the arrivals.", least=0)] = _LATENCY.seed,
    quick: Annotated[
        bool,
        switch(
            "--quick",
            "A first impression within about a minute: fewer texts and repetitions, gRPC and load for the "
            "cheapest precision only, no search for the highest rate.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Time Emberline beside PyTorch: one request, many texts, requests that arrive by themselves."""
    settings = LatencySettings.quick() if quick else _LATENCY
    settings = replace(
        settings,
        texts=tuple(texts),
        scenarios=tuple(map(_scenario, scenario)),
        repetitions=repetitions or settings.repetitions,
        bound_ms=bound,
        seed=seed,
        device=device,
    )
    need("emberline bench", "bench", *BENCH)
    from .latency.latency import bench_latency
    from .report.report import finish

    finish(bench_latency(bundle, run, settings, precisions=precision, threads=threads), out, as_json)


@bench.command()
def recall(
    bundle: Bundle,
    run: Annotated[Path, option("The training run of the bundle: its model is the reference.", "DIR")],
    out: Out = RESULTS,
    data: Annotated[
        Path | None,
        option("The data set's folder, if it has moved.", "DIR", shown="as in training"),
    ] = None,
    precision: _Precisions = _NONE,
    device: _Device = _RECALL.device,
    seed: Annotated[int, option("Of the bootstrap and the random baseline.", least=0)] = _RECALL.seed,
    as_json: AsJson = False,
) -> None:
    """Measure what each precision keeps of PyTorch's vectors, rankings and scores."""
    need("emberline bench", "bench", *BENCH)
    need("emberline bench", "export", *EXPORT)
    from .recall.recall import bench_recall
    from .report.report import finish

    settings = replace(_RECALL, seed=seed, device=device)
    finish(bench_recall(bundle, run, settings, precisions=precision, data=data), out, as_json)


@bench.command()
def peers(
    bundle: Bundle,
    run: Annotated[Path, option("The training run of the bundle: all peers get its weights.", "DIR")],
    out: Out = RESULTS,
    environments: Annotated[
        Path | None,
        option(
            "Where peers' virtual environments are made and kept, some gigabytes.",
            "DIR",
            shown=str(default_folder()).replace(str(Path.home()), "~"),
        ),
    ] = None,
    peer: Annotated[
        list[str],
        option("Only peers whose names begin so; may be repeated.", "NAME", shown="all"),
    ] = _NONE,
    threads: _Threads = 0,
    repetitions: _Repetitions = None,
    seed: Annotated[int, option("Of texts, arrivals and catalogues.", least=0)] = _PEERS.seed,
    quick: Annotated[
        bool,
        switch("--quick", "A first impression: fewer texts, repetitions and items; not for publishing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure Emberline beside the servers and libraries that one would use instead of it."""
    settings = PeersSettings.quick() if quick else _PEERS
    settings = replace(settings, repetitions=repetitions or settings.repetitions, seed=seed)
    need("emberline bench", "bench", *BENCH)
    need("emberline bench", "export", *EXPORT, "onnx")
    from .peers.comparison import bench_peers, forget
    from .report.report import finish

    kept = environments or default_folder()
    finish(bench_peers(bundle, run, settings, environments=kept, out=out, names=peer, threads=threads), out, as_json)
    forget(out)


@bench.command()
def gpu(
    bundle: Bundle,
    run: Annotated[Path, option("The training run of the bundle.", "DIR")],
    out: Out = Path("gpu-check"),
    quick: Annotated[bool, switch("--quick", "Latency for a first impression only.")] = False,
    probe: Annotated[bool, switch("--probe", "Only say which GPU there is.")] = False,
) -> None:
    """On a machine with an NVIDIA GPU: build engines, run the tests for it, measure, and write a summary to send back.

    Exit codes: 0: all was done; 1: something was not, and the summary says what; 3: there is no GPU.
    """
    from emberline.engine.bundle import Bundle as Opened
    from emberline.engine.runtime.gpu import find_gpu

    from .gpu import check, plan, summarise

    try:
        found = find_gpu()
    except (DeviceUnavailable, MissingExtra) as error:
        typer.echo(f"no GPU to check: {error}", err=True)
        raise typer.Exit(_NO_GPU) from error
    typer.echo(f"{found.name}, {found.architecture}, {found.memory / 1e9:.0f} GB", err=True)
    if probe:
        return
    opened = Opened.open(bundle)
    tests = Path("tests") if Path("tests/engine").is_dir() else None
    steps = plan(opened, run, out, found, tests, quick=quick)
    outcomes = check(steps, lambda line: typer.echo(line, err=True))
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.md").write_text(summarise(outcomes, found, opened), encoding="utf-8")
    failed = sum(one.code != 0 for one in outcomes)
    typer.echo(f"{len(outcomes) - failed} of {len(outcomes)} steps are done; see {out / 'summary.md'}")
    raise typer.Exit(1 if failed else 0)


@bench.command()
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The folder with the results of the other commands.")
    ] = RESULTS,
    out: Annotated[Path | None, option("Where the report goes.", "DIR", shown="into the same folder")] = None,
    as_json: AsJson = False,
) -> None:
    """Put the results of a folder on one page: report.html, with report.md and report.json beside it."""
    need("emberline bench", "bench", *BENCH)
    from .report.report import gather, save

    found = gather(folder)
    page = save(found, out or folder)
    if as_json:
        print_json(found.result)
    else:
        typer.echo(str(page))


def _scenario(name: str) -> Scenario:
    for known in SCENARIOS:
        if name.lower() == known.lower():
            return known
    raise ConfigError(f"there is no scenario {name!r}; choose from {', '.join(SCENARIOS)}")


def quickstart(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where the run, the bundle, the measurements and the report go.")
    ] = Path("quickstart"),
    again: Annotated[bool, switch("--again", "Train anew although there is a finished run in the folder.")] = False,
    precision: Annotated[CpuPrecision, option("What is served.")] = CpuPrecision.INT8,
) -> None:
    """Train, export, prove, serve, recommend and measure on MovieLens-100K: the whole way in a quarter of an hour."""
    need("emberline quickstart", "bench", *BENCH)
    from .quickstart import quickstart as tour

    typer.echo(str(tour(folder, again=again, precision=precision.value)))
