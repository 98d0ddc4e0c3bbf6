from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from emberline.export.training.curves import draw, write_events

RECORDS = [
    {"stage": "towers", "total step": 0, "loss": 2.0},
    {"stage": "towers", "total step": 1, "loss": 1.5},
    {"stage": "joint", "total step": 2, "loss": 1.2, "alignment": 0.4},
]


def test_events_hold_every_value(tmp_path: Path) -> None:
    """TensorBoard reads back each stage's values at their steps."""
    with SummaryWriter(str(tmp_path)) as writer:
        for record in RECORDS:
            write_events(writer, record)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {"towers/loss", "joint/loss", "joint/alignment"}
    assert [(event.step, event.value) for event in events.Scalars("towers/loss")] == [(0, 2.0), (1, 1.5)]


def test_curves_are_drawn(tmp_path: Path) -> None:
    """The picture is a PNG."""
    draw(RECORDS, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
