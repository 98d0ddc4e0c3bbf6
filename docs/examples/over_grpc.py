"""Ask over gRPC: start a server on a free port, ask it, stop it.

python docs/examples/over_grpc.py quickstart/bundle
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from emberline.engine import AsyncClient, User, by_id
from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import serving


async def main(bundle: Path) -> None:
    """Recommend, explain and score for a user who likes two items."""
    with TemporaryDirectory() as folder:
        engine = EngineConfig(bundle=bundle, catalogue=Path(folder) / "catalogue.sqlite")
        # Port 0 takes a free one. `emberline serve` does the same in a process of its own.
        async with (
            serving(ServerConfig(engine=engine, listen="127.0.0.1:0")) as address,
            AsyncClient(address, timeout=10.0) as client,
        ):
            print("serving", (await client.info()).model_id, "on", address)

            # Without a profile and likes, the items that anyone may like come first. This user likes the first two.
            popular = (await client.recommend(User(), k=2)).items
            user = User(history=tuple(by_id(item.id) for item in popular))

            answer = await client.recommend(user, k=3, reasons=True)
            for item in answer.items:
                print(item.id, item.attributes["title"], f"because of {item.reason.because_of}", sep="\t")

            scored = await client.score(user, [by_id(item.id) for item in answer.items], outputs=["probability"])
            print("probability of a like:", *(f"{value:.3f}" for value in scored.outputs["probability"]))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
