from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emberline.engine.errors import DataError
from emberline.export.training.checkpoint import Checkpoint


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    """Position, tensors and curves survive; nothing else is left in the folder."""
    path = tmp_path / "checkpoint.pt"
    written = Checkpoint(1, 7, 3.5, True, {"model": {"w": torch.arange(3.0)}}, [{"stage": "joint", "loss": 0.1}])
    written.write(path)
    read = Checkpoint.read(path)
    assert (read.stage, read.step, read.seconds, read.cut, read.curves) == (1, 7, 3.5, True, written.curves)
    assert torch.equal(read.tensors["model"]["w"], torch.arange(3.0))
    assert list(tmp_path.iterdir()) == [path]


def test_a_torn_checkpoint_is_named(tmp_path: Path) -> None:
    """A file that is no checkpoint is refused with its path and what to do."""
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"torn")
    with pytest.raises(DataError, match=r"checkpoint\.pt cannot be resumed from .* train again"):
        Checkpoint.read(path)


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    """What an older version wrote lacks what this one needs; it is said at once, not met halfway."""
    path = tmp_path / "checkpoint.pt"
    Checkpoint(1, 7, 3.5, True, {}, []).write(path)
    torch.save(torch.load(path) | {"format": 1}, path)
    with pytest.raises(DataError, match=r"another version wrote it\); train again"):
        Checkpoint.read(path)
