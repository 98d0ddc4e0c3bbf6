from __future__ import annotations

from pathlib import Path

from emberline.export import pretrained
from emberline.export.training.bank import Bank, Profiles
from emberline.export.training.examples import Examples


def test_encoding_counts_texts(examples: Examples, tiny_bert: Path) -> None:
    """The progress of the bank rises from batch to batch to the number of its texts."""
    source = pretrained.load(str(tiny_bert), 64)
    profiles = Profiles.among(examples)
    steps: list[tuple[str, int, int]] = []
    Bank.encode(
        examples,
        profiles,
        source.encoder,
        source.tokenizer,
        lambda stage, step, total, _: steps.append((stage, step, total)),
    )
    total = 2 * len(examples.items) + len(profiles.texts)  # items with and without the attributes to be predicted
    assert {(stage, of) for stage, _, of in steps} == {("encoding", total)}
    counts = [step for _, step, _ in steps]
    assert len(counts) >= 3
    assert counts == sorted(set(counts))
    assert counts[-1] == total
