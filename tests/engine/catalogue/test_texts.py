from pathlib import Path

from emberline.engine.bundle import Bundle
from emberline.engine.catalogue.texts import text_lengths


def test_lengths_are_those_of_the_catalogues_texts(tiny_bundle: Path) -> None:
    """Each item of the catalogue counts with the tokens of its text, and the bundle stays as it is."""
    before = sorted(tiny_bundle.iterdir())
    lengths = text_lengths(Bundle.open(tiny_bundle))
    assert len(lengths) == 6
    assert (lengths > 2).all()
    assert (lengths <= 32).all()
    assert sorted(tiny_bundle.iterdir()) == before
