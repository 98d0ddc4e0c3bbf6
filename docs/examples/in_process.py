"""Recommendations in one process, without a server: `python in_process.py BUNDLE`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from emberline.engine import Emberline, EngineConfig, Item, User


def main(bundle: Path) -> None:
    """Upsert an item, then recommend for a user."""
    with tempfile.TemporaryDirectory() as folder:
        # A live catalogue of its own: by default the first change creates one beside the bundle.
        config = EngineConfig(bundle=bundle, catalogue=Path(folder) / "catalogue.sqlite")
        with Emberline(config) as model:
            film = {"title": "Gattaca Returns", "year": 1999, "genres": ["Drama", "Sci-Fi"]}
            model.upsert_items([Item("new-1", film)])
            user = User(profile="age: 29; gender: F; occupation: scientist")
            for rank, item in enumerate(model.recommend(user, k=5).items, start=1):
                print(rank, item.id, item.attributes["title"], f"{item.score:.3f}", sep="\t")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
