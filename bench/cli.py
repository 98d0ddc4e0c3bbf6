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
    typer.Option("--precision", help="Precision to measure. May be repeated.", show_default="all that the bundle has"),
]
_Device = Annotated[
    Device, option("Device that runs Emberline's encoder, without a fallback. PyTorch is timed on the same GPU.")
]
_Threads = Annotated[int, option("Number of threads of each variant; 0 means one for each core.", least=0)]
_Repetitions = Annotated[
    int | None, option("Number of repetitions of each measurement.", shown=str(_LATENCY.repetitions), least=1)
]
#: The exit code where there is no GPU, told apart from a failure.
_NO_GPU: Final = 3


@bench.command()
def latency(
    bundle: Bundle,
    run: Annotated[
        Path | None, option("Training run of the bundle. Its model in PyTorch is the reference.", "DIR")
    ] = None,
    out: Out = RESULTS,
    texts: Annotated[
        list[str],
        option(
            "Texts to encode: `mixed` (10 to 128 tokens, many short and some long), `items` (the bundle's item texts), "
            "or a file with one text on each line. May be repeated.",
            "SET",
        ),
    ] = _TEXTS,
    scenario: Annotated[
        list[str], option(f"Scenario to measure: {', '.join(SCENARIOS)}. May be repeated.", shown="all")
    ] = _SCENARIOS,
    precision: _Precisions = _NONE,
    device: _Device = _LATENCY.device,
    threads: _Threads = 0,
    repetitions: _Repetitions = None,
    bound: Annotated[float, option("Limit of p99 in the search for the highest rate.", "MS")] = _LATENCY.bound_ms,
    seed: Annotated[int, option("Seed of the texts and the arrivals.", least=0)] = _LATENCY.seed,
    quick: Annotated[
        bool,
        switch(
            "--quick",
            "Give a first impression in about a minute: fewer texts and repetitions, gRPC and load for the "
            "cheapest precision only, no search for the highest rate.",
        ),
    ] = False,
    contracts: Annotated[
        bool,
        switch("--contracts", "Ask the cheapest precision by OpenAI's, TEI's and KServe's protocols and by JSON, too."),
    ] = _LATENCY.contracts,
    as_json: AsJson = False,
) -> None:
    """Compare the latency and throughput of Emberline with PyTorch: single requests, many texts, and load."""
    settings = LatencySettings.quick() if quick else _LATENCY
    settings = replace(
        settings,
        texts=tuple(texts),
        scenarios=tuple(map(_scenario, scenario)),
        repetitions=repetitions or settings.repetitions,
        bound_ms=bound,
        seed=seed,
        device=device,
        contracts=contracts,
    )
    need("emberline bench", "bench", *BENCH)
    from .latency.latency import bench_latency
    from .report.report import finish

    finish(bench_latency(bundle, run, settings, precisions=precision, threads=threads), out, as_json)


@bench.command()
def recall(
    bundle: Bundle,
    run: Annotated[Path, option("Training run of the bundle. Its model is the reference.", "DIR")],
    out: Out = RESULTS,
    data: Annotated[
        Path | None, option("Folder of the data set, if it has moved.", "DIR", shown="as in training")
    ] = None,
    precision: _Precisions = _NONE,
    device: _Device = _RECALL.device,
    seed: Annotated[int, option("Seed of the bootstrap and of the random baseline.", least=0)] = _RECALL.seed,
    as_json: AsJson = False,
) -> None:
    """Measure what each precision keeps of PyTorch's vectors, rankings and scores."""
    need("emberline bench", "bench", *BENCH)
    need("emberline bench", "export", *EXPORT)
    from .recall.recall import bench_recall
    from .report.report import finish

    settings = replace(_RECALL, seed=seed, device=device)
    finish(bench_recall(bundle, run, settings, precisions=precision, data=data), out, as_json)


bench.command()(coldstart)


@bench.command()
def peers(
    bundle: Bundle,
    run: Annotated[Path, option("Training run of the bundle. All peers get its weights.", "DIR")],
    out: Out = RESULTS,
    environments: Annotated[
        Path | None, option("Folder for the peers' virtual environments, some gigabytes.", "DIR", shown=_ENVIRONMENTS)
    ] = None,
    peer: Annotated[
        list[str], option("Beginning of the names of the peers to measure. May be repeated.", "NAME", shown="all")
    ] = _NONE,
    threads: _Threads = 0,
    repetitions: _Repetitions = None,
    seed: Annotated[int, option("Seed of texts, arrivals and catalogues.", least=0)] = _PEERS.seed,
    quick: Annotated[
        bool, switch("--quick", "Give a first impression, not for publishing: fewer texts, repetitions and items.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare Emberline with the servers and libraries that could take its place."""
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
    run: Annotated[Path, option("Training run of the bundle.", "DIR")],
    out: Out = Path("gpu-check"),
    quick: Annotated[bool, switch("--quick", "Measure latency for a first impression only.")] = False,
    probe: Annotated[bool, switch("--probe", "Only say which GPU there is.")] = False,
) -> None:
    """On a machine with an NVIDIA GPU: build engines, run the GPU tests, measure, and write a summary to send back.

    Exit codes: 0 if everything was done, 1 if something failed (the summary says what), 3 if there is no GPU.
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
        Path, typer.Argument(metavar="[DIR]", help="Folder with the results of the other commands.")
    ] = RESULTS,
    out: Annotated[Path | None, option("Folder for the report.", "DIR", shown="into the same folder")] = None,
    as_json: AsJson = False,
) -> None:
    """Put the results in a folder on one page: report.html, with report.md and report.json beside it."""
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
        Path, typer.Argument(metavar="[DIR]", help="Folder for the run, the bundle, the measurements and the report.")
    ] = Path("quickstart"),
    again: Annotated[bool, switch("--again", "Train again although the folder has a finished run.")] = False,
    precision: Annotated[CpuPrecision, option("Precision to serve.")] = CpuPrecision.INT8,
) -> None:
    """Train, export, verify, serve, recommend and measure on MovieLens-100K, in a quarter of an hour."""
    need("emberline quickstart", "bench", *BENCH)
    from .quickstart import quickstart as tour

    typer.echo(str(tour(folder, again=again, precision=precision.value)))
