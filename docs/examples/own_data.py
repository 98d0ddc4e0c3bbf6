"""Use your own data: write three tables and their description, train, export, recommend.

python docs/examples/own_data.py shop

The shop is made up, and the training is cut to a minute. Without the settings in STEPS it takes as long as it needs.
Further arguments go to `emberline train`: `--encoder FOLDER` trains another encoder.
"""

import asyncio
import csv
import random
import subprocess
import sys
from pathlib import Path

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.records import RecommendRequest, RequestOptions, User

STEPS = ("--steps", 20, "--setting", "tower_steps=200", "--setting", "final_steps=50")

DESCRIPTION = """\
name = "shop"

[data]

[item]
file = "products.csv"
id = "sku"
labels = ["category"]

[item.fields]
title = { kind = "text" }
category = { kind = "text" }

[user]
file = "customers.csv"
id = "customer"

[user.fields]
hobby = { kind = "text" }

[interaction]
file = "orders.csv"
user = "customer"
item = "sku"
timestamp = "day"
positive = "any"
"""

HOBBIES = {
    "cycling": ("helmet", "bicycle pump", "cycling gloves", "bicycle lamp", "saddle bag"),
    "cooking": ("frying pan", "chef's knife", "cutting board", "whisk", "saucepan"),
    "gardening": ("watering can", "rake", "flower pot", "garden shears", "trowel"),
}
KINDS = ("small", "large", "red", "blue", "light", "sturdy")


def write_data(folder: Path) -> None:
    """Write 90 products, 60 customers with a hobby each, and 12 orders a customer."""
    rng = random.Random(0)
    products = [
        (f"p{place}", f"{kind} {thing}", hobby)
        for place, (hobby, thing, kind) in enumerate(
            (hobby, thing, kind) for hobby, things in HOBBIES.items() for thing in things for kind in KINDS
        )
    ]
    customers = [(f"c{place}", list(HOBBIES)[place % len(HOBBIES)]) for place in range(60)]
    orders = []
    for customer, hobby in customers:
        fitting = [sku for sku, _, category in products if category == hobby]
        other = [sku for sku, _, category in products if category != hobby]
        bought = rng.sample(fitting, 10) + rng.sample(other, 2)
        orders += [(customer, sku, day) for day, sku in enumerate(bought)]
    for name, header, rows in (
        ("products", ("sku", "title", "category"), products),
        ("customers", ("customer", "hobby"), customers),
        ("orders", ("customer", "sku", "day"), orders),
    ):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
    (folder / "shop.toml").write_text(DESCRIPTION, encoding="utf-8")


def emberline(*command: object) -> None:
    """Run a command of the program, as one would type it; if it fails, its message is the last word."""
    print("$ emberline", *command, flush=True)
    code = subprocess.run(["emberline", *map(str, command)], check=False).returncode
    if code:
        sys.exit(code)


async def recommend(bundle: Path, profile: str) -> None:
    """Print what a new customer is shown, of whom only the profile is known."""
    engine = await Engine.start(EngineConfig(bundle=bundle))
    try:
        answer = await engine.recommend(RecommendRequest(User(profile=profile), k=5), RequestOptions())
        for item in answer.items:
            print(item.id, item.attributes["title"], f"{item.score:.3f}", sep="\t")
    finally:
        await engine.drain()


def main(folder: Path, *options: str) -> None:
    """The whole way, in one folder."""
    folder.mkdir(parents=True)
    write_data(folder)
    emberline("train", folder / "run", "--description", folder / "shop.toml", *STEPS, *options)
    emberline("export", folder / "run", folder / "bundle", "--precision", "fp16")
    asyncio.run(recommend(folder / "bundle", "hobby: cooking"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
