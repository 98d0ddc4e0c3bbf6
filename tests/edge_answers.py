"""Ask a packed bundle, and write what it answers: `python tests/edge_answers.py FILE OUT.json`.

Two machines that answer the same files can be compared; `tests/edge_compare.py` does it.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from emberline.engine import Emberline, User, by_id

TEXTS = 48
USERS = 24
K = 10


def answers(model: Emberline) -> dict[str, object]:
    """Vectors of the first items' texts, each encoded alone, and the best items of users who liked some of them."""
    items = [stored.item for stored in model.list_items(TEXTS).items]
    vectors = [model.encode([item]).outputs["sentence_embedding"][0].tolist() for item in items]
    users = [
        User(profile=f"age: {20 + 2 * number}; gender: {'MF'[number % 2]}", history=(by_id(items[number].id),))
        for number in range(min(USERS, len(items)))
    ]
    rankings = [[item.id for item in model.recommend(user, K).items] for user in users]
    return {"machine": platform.machine(), "vectors": vectors, "rankings": rankings}


if __name__ == "__main__":
    with Emberline(sys.argv[1]) as opened:
        Path(sys.argv[2]).write_text(json.dumps(answers(opened)), encoding="utf-8")
