"""What is said of a run that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


@contextmanager
def resumable(root: Path) -> Iterator[None]:
    """Say how a run is gone on with, if it is interrupted within the block once it has begun."""
    from emberline.export.training.run import RunFolder

    try:
        yield
    except KeyboardInterrupt:
        if RunFolder(root).begun:
            typer.echo(f"{root} is not finished; go on with --resume, or begin again with --again", err=True)
        raise
