"""The command `emberline bench peers`.

What it needs is imported where it runs: `emberline --help` has to be quick.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from .environments import default_folder
from .settings import PeersSettings

SETTINGS: Final = PeersSettings()

Run = Annotated[Path, typer.Option(metavar="DIR", help="The training run of the bundle: all peers get its weights.")]
Environments = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where peers' virtual environments are made and kept, some gigabytes.",
        show_default=str(default_folder()).replace(str(Path.home()), "~"),
    ),
]
Names = Annotated[
    list[str],
    typer.Option(
        "--peer", metavar="NAME", help="Only peers whose names begin so; may be repeated.", show_default="all"
    ),
]
Repetitions = Annotated[
    int | None, typer.Option(min=1, help="Of each measurement.", show_default=str(SETTINGS.repetitions))
]
Quick = Annotated[
    bool, typer.Option("--quick", help="A first impression: fewer texts, repetitions and items; not for publishing.")
]


def settings_of(quick: bool, repetitions: int | None, seed: int) -> PeersSettings:
    """The settings, out of the command line's arguments."""
    settings = PeersSettings.quick() if quick else SETTINGS
    return replace(settings, repetitions=repetitions or settings.repetitions, seed=seed)
