"""The command line of the bench: `emberline bench latency`, `recall`, `coldstart`, `peers` and `report`.

Matplotlib, torch and the engine are imported where a command needs them: `emberline --help` has to be quick, and the
other commands have to work without the bench's packages.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, get_args

import typer
from rich.console import Console

from emberline.engine.cli.extras import need
from emberline.engine.cli.options import AsJson, Bundle
from emberline.engine.cli.output import print_json
from emberline.engine.devices import Device
from emberline.engine.errors import ConfigError, DeviceUnavailable, MissingExtra

from .coldstart import command
from .harness.settings import CpuPrecision
from .latency.settings import SCENARIOS, LatencySettings, Scenario
from .peers import command as contest
from .recall.settings import RecallSettings

if TYPE_CHECKING:
    from .harness.result import Result
    from .report.document import Document

bench: Final = typer.Typer(help="Measure latency, load and recall against PyTorch.", no_args_is_help=True)
_LATENCY: Final = LatencySettings()
_RECALL: Final = RecallSettings()

_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results go.")]
_Precisions = Annotated[
    list[CpuPrecision],
    typer.Option("--precision", help="Measure these alone; may be repeated.", show_default="all that the bundle has"),
]
_Device = Annotated[
    Device,
    typer.Option(help="Runs Emberline's encoder, alone: there is no fallback. PyTorch is timed on the same GPU."),
]
_RESULTS: Final = Path("bench-results")
#: That the bench itself needs.
_PACKAGES: Final = ("matplotlib", "psutil", "msgspec", "jinja2")
#: The exit code where there is no GPU, told apart from a failure.
_NO_GPU: Final = 3


@bench.command()
def latency(
    bundle: Bundle,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The training run of the bundle: PyTorch, the reference, runs its model."),
    ] = None,
    out: _Out = _RESULTS,
    texts: Annotated[
        list[str],
        typer.Option(
            metavar="SET",
            help="`mixed`: 10 to 128 tokens, many short and some long; `items`: the bundle's item texts; or a file "
            "with one text a line. May be repeated.",
        ),
    ] = list(_LATENCY.texts),  # noqa: B006  # typer reads the default and does not share it
    scenario: Annotated[
        list[str], typer.Option(help=f"One of {', '.join(SCENARIOS)}; may be repeated.", show_default="all")
    ] = list(_LATENCY.scenarios),  # noqa: B006  # see above
    precision: _Precisions = [],  # noqa: B006  # see above
    device: _Device = _LATENCY.device,
    threads: Annotated[int, typer.Option(min=0, help="That each variant computes with; 0: one a core.")] = 0,
    repetitions: Annotated[
        int | None, typer.Option(min=1, help="Of each measurement.", show_default=str(_LATENCY.repetitions))
    ] = None,
    bound: Annotated[
        float, typer.Option(metavar="MS", help="Under which p99 has to stay in the search for the highest rate.")
    ] = _LATENCY.bound_ms,
    seed: Annotated[int, typer.Option(min=0, help="Of the texts and the arrivals.")] = _LATENCY.seed,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A first impression within about a minute: fewer texts and repetitions, gRPC and load for the "
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
        scenarios=tuple(_scenario(name) for name in scenario),
        repetitions=repetitions or settings.repetitions,
        bound_ms=bound,
        seed=seed,
        device=device,
    )
    need("emberline bench", "bench", *_PACKAGES)
    from .latency.latency import bench_latency
    from .report.views.latency import view

    result = bench_latency(bundle, run, settings, precisions=[one.value for one in precision], threads=threads)
    _finish(result, view(result), out, as_json)


@bench.command()
def recall(
    bundle: Bundle,
    run: Annotated[
        Path, typer.Option(metavar="DIR", help="The training run of the bundle: its model is the reference.")
    ],
    out: _Out = _RESULTS,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The data set's folder, if it has moved.", show_default="as in training"),
    ] = None,
    precision: _Precisions = [],  # noqa: B006  # typer reads the default and does not share it
    device: _Device = _RECALL.device,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and the random baseline.")] = _RECALL.seed,
    as_json: AsJson = False,
) -> None:
    """Measure what each precision keeps of PyTorch's vectors, rankings and scores."""
    need("emberline bench", "bench", *_PACKAGES)
    need("emberline bench", "export", "torch", "transformers", "polars", "sklearn")
    from .recall.recall import bench_recall
    from .report.views.recall import view

    settings = replace(_RECALL, seed=seed, device=device)
    result = bench_recall(bundle, run, settings, precisions=[one.value for one in precision], data=data)
    _finish(result, view(result), out, as_json)


@bench.command()
def coldstart(
    description: command.DescriptionOf = None,
    data: command.Data = None,
    run: command.Runs = [],  # noqa: B006  # typer reads the default and does not share it
    bundle: command.Bundles = [],  # noqa: B006  # see above
    precision: Annotated[CpuPrecision, typer.Option(help="Of the bundles' encoders.")] = CpuPrecision.INT8,
    train: command.Train = False,
    runs: command.Keep = None,
    graph: command.GraphFile = None,
    ablate: command.Ablate = "",
    budget: command.Budget = 1.0,
    bad_data: command.BadData = True,
    setting: command.Setting = [],  # noqa: B006  # see above
    seeds: command.Seeds = None,
    known: command.Known = command.KNOWN,
    tune: command.Tune = command.SETTINGS.tune,
    out: _Out = _RESULTS,
    as_json: AsJson = False,
) -> None:
    """Measure what the model is worth to new items and new users, beside baselines tuned on what both may know."""
    need("emberline bench", "bench", *_PACKAGES)
    need("emberline bench", "export", "torch", "transformers", "polars", "sklearn")
    plan = command.plan_of(
        description=description,
        data=data,
        graph=graph,
        runs=run,
        bundles=bundle,
        precision=precision.value,
        train=train,
        ablate=ablate,
        budget=budget,
        setting=setting,
        folder=runs or out / "runs",
        bad_data=bad_data,
    )
    settings = command.settings_of(plan, seeds, known, tune)
    from .coldstart.coldstart import bench_coldstart
    from .report.views.coldstart import view

    result = bench_coldstart(plan, settings)
    _finish(result, view(result), out, as_json)


@bench.command()
def gpu(
    bundle: Bundle,
    run: Annotated[Path, typer.Option(metavar="DIR", help="The training run of the bundle.")],
    out: _Out = Path("gpu-check"),
    quick: Annotated[bool, typer.Option("--quick", help="Latency for a first impression only.")] = False,
    probe: Annotated[bool, typer.Option("--probe", help="Only say which GPU there is.")] = False,
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
def peers(
    bundle: Bundle,
    run: contest.Run,
    out: _Out = _RESULTS,
    environments: contest.Environments = None,
    peer: contest.Names = [],  # noqa: B006  # typer reads the default and does not share it
    threads: Annotated[int, typer.Option(min=0, help="That each variant computes with; 0: one a core.")] = 0,
    repetitions: contest.Repetitions = None,
    seed: Annotated[int, typer.Option(min=0, help="Of texts, arrivals and catalogues.")] = contest.SETTINGS.seed,
    quick: contest.Quick = False,
    as_json: AsJson = False,
) -> None:
    """Measure Emberline beside the servers and libraries that one would use instead of it."""
    settings = contest.settings_of(quick, repetitions, seed)
    need("emberline bench", "bench", *_PACKAGES)
    need("emberline bench", "export", "torch", "transformers", "polars", "onnx")
    from .peers.comparison import bench_peers, forget
    from .peers.environments import default_folder
    from .report.views.peers import view

    kept = environments or default_folder()
    result = bench_peers(bundle, run, settings, environments=kept, out=out, names=peer, threads=threads)
    _finish(result, view(result), out, as_json)
    forget(out)


@bench.command()
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The folder with the results of the other commands.")
    ] = _RESULTS,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the report goes.", show_default="into the same folder")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put the results of a folder on one page: report.html, with report.md and report.json beside it."""
    need("emberline bench", "bench", *_PACKAGES)
    from .report.report import gather, save

    found = gather(folder)
    page = save(found, out or folder)
    if as_json:
        print_json(found.result)
    else:
        typer.echo(str(page))


def _finish(result: Result, document: Document, out: Path, as_json: bool) -> None:
    """Write a result and its document, and show them."""
    from .harness.result import write
    from .report.console import show
    from .report.report import save_document

    path = write(result, out)
    save_document(document, out, result["command"])
    if as_json:
        print_json(result)
        return
    show(document.sections[:-1], Console())  # the last one says on which machine; whoever sits at it knows
    typer.echo(f"{path}, {path.with_suffix('.md').name} and {len(list(document.pictures()))} plots beside it")


def _scenario(name: str) -> Scenario:
    for known in get_args(Scenario):
        if name.lower() == known.lower():
            found: Scenario = known
            return found
    raise ConfigError(f"there is no scenario {name!r}; choose from {', '.join(SCENARIOS)}")


def quickstart(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where the run, the bundle, the measurements and the report go.")
    ] = Path("quickstart"),
    again: Annotated[
        bool, typer.Option("--again", help="Train anew although there is a finished run in the folder.")
    ] = False,
    precision: Annotated[CpuPrecision, typer.Option(help="What is served.")] = CpuPrecision.INT8,
) -> None:
    """Train, export, prove, serve, recommend and measure on MovieLens-100K: the whole way in a quarter of an hour."""
    need("emberline quickstart", "bench", *_PACKAGES)
    from .quickstart import quickstart as tour

    typer.echo(str(tour(folder, again=again, precision=precision.value)))
