"""Recommend in process: the engine without a server.

python docs/examples/in_process.py quickstart/bundle
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.records import Item, RecommendRequest, RequestOptions, User


async def main(bundle: Path) -> None:
    """Add an item, and recommend to a user whom nobody knows."""
    with TemporaryDirectory() as folder:
        # Items are kept in a copy of the bundle's catalogue. Here it is thrown away at the end.
        catalogue = Path(folder) / "catalogue.sqlite"
        engine = await Engine.start(EngineConfig(bundle=bundle, catalogue=catalogue))
        try:
            film = Item("new-1", {"title": "Gattaca Returns", "year": 1999.0, "genres": ["Drama", "Sci-Fi"]})
            await engine.upsert((film,), RequestOptions())

            newcomer = User(profile="age: 29; gender: F; occupation: scientist")
            answer = await engine.recommend(RecommendRequest(newcomer, k=5), RequestOptions())
            for place, item in enumerate(answer.items, 1):
                print(place, item.id, item.attributes["title"], f"{item.score:.3f}", sep="\t")
        finally:
            await engine.drain()  # what was asked is answered, and the catalogue is closed


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
