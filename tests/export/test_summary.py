"""What `emberline train` ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emberline.export.cli.training import summary
from emberline.export.training.run import RunFolder
from emberline.export.training.verdict import NEW_ITEMS, NEW_USERS, VERDICT

TRAINING = {
    "dislikes": True,
    "cut": False,
    "joint_steps": 900,
    "seconds": 210.0,
    "rare_labels": 0,
    "long_texts": 0,
}


def _metrics(**training: Any) -> dict[str, Any]:
    measures = {"item cold": {f"measure {number}": 0.1 for number in range(60)}}
    compared = {f"{VERDICT}{what}": {"in words": f"{what} are better"} for what in (NEW_ITEMS, NEW_USERS)}
    return {**measures, **compared, "training": {**TRAINING, **training}}


def test_training_ends_in_a_verdict_and_the_next_step() -> None:
    """Five lines at most: sixty measures stay in their file, which is named."""
    lines = summary(Path("run"), _metrics(dislikes=False, cut=True, rare_labels=3, long_texts=7))
    assert len(lines) == 5
    assert lines[:2] == ["new items are better", "new users are better"]
    assert lines[2].startswith("3 labels of too few items are left out. 7 texts are longer than max_length;")
    assert "probabilities cannot be calibrated" in lines[2]
    assert lines[3] == (
        "900 joint steps in 3.5 minutes, cut short by --max-minutes; all measures: run/metrics.json, "
        "curves: run/curves.png"
    )
    assert lines[4] == "run is trained; next: emberline export run BUNDLE"
    assert not any("measure 7" in line for line in lines)


def test_what_does_not_apply_is_left_out() -> None:
    """A model that nothing can be compared with says so, and ends in two more lines."""
    first, *lines = summary(Path("run"), {"training": TRAINING})
    assert first == "The data is too small to compare the model with simple baselines."
    assert [line.split(";")[0] for line in lines] == ["900 joint steps in 3.5 minutes", "run is trained"]


def test_it_says_which_word_pieces_are_kept(tmp_path: Path) -> None:
    """A smaller vocabulary is said, with what the reserve is worth."""
    kept = {"pieces": 250_002, "needed": 2_900, "kept": 20_000, "alike": 0.985}
    RunFolder(tmp_path).vocabulary.write_text(json.dumps(kept))
    assert any(
        "keeps 20,000 of its 250,002 word pieces, 2,900 of which the data needs; 17,100 are a reserve" in line
        and "98.5% are read as before" in line
        for line in summary(tmp_path, {"training": TRAINING})
    )
