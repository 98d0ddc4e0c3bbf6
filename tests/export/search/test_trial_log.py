from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emberline.engine.errors import ExportError
from emberline.export.precision.recipe import Recipe
from emberline.export.search.costs import RelativeTimes
from emberline.export.search.trial import Trial
from emberline.export.search.trial_log import TrialLog

KEY = {"encoder": "a"}
ALL_16BIT = Recipe(
    "uint8", activations_16bit=frozenset({"layer.0.ffn_up"}), method="entropy", alpha=0.5, embeddings=False
)


@pytest.fixture
def written(tmp_path: Path, make_trial: Callable[..., Trial]) -> Path:
    """A file with two trials."""
    trial_log = TrialLog(tmp_path / "made" / "trials.jsonl", KEY)
    trial_log.log_times(RelativeTimes(1.7, 2.6))
    trial_log.log_trial(make_trial(Recipe("uint8"), 0.9))
    trial_log.log_trial(make_trial(ALL_16BIT, 0.95))
    return trial_log.path


def test_trials_are_found_again(written: Path, make_trial: Callable[..., Trial]) -> None:
    """Trials are read back with all fields of their recipes."""
    again = TrialLog(written, KEY)
    assert again.times == RelativeTimes(1.7, 2.6)
    assert again.trials == {Recipe("uint8"): make_trial(Recipe("uint8"), 0.9), ALL_16BIT: make_trial(ALL_16BIT, 0.95)}


def test_trials_of_another_encoder_are_dropped(written: Path) -> None:
    """Trials of another encoder are dropped, as they say nothing about this one."""
    other = TrialLog(written, {"encoder": "b"})
    assert other.times is None
    assert not other.trials
    assert not TrialLog(written, KEY).trials


def test_a_line_that_was_cut_off_is_dropped(written: Path, make_trial: Callable[..., Trial]) -> None:
    """An incomplete last line is dropped, and the next trial is appended correctly."""
    written.write_text(written.read_text()[:-20])
    trial_log = TrialLog(written, KEY)
    assert set(trial_log.trials) == {Recipe("uint8")}
    trial_log.log_trial(make_trial(ALL_16BIT, 0.96))
    assert TrialLog(written, KEY).trials[ALL_16BIT].figures.agreement == 0.96


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    """A file that cannot be written is an error before the first trial."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"the trials cannot be kept in .*; write the bundle elsewhere"):
        TrialLog(tmp_path / "file" / "trials.jsonl", KEY)
