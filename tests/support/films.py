"""Made-up data sets of films in files: who rated what, and how the columns are described."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: Describes what `write_films` writes.
DESCRIPTION: Final = """\
name = "films"

[data]
path = "."

[item]
file = "items.csv"
id = "id"
labels = ["genres"]

[item.fields]
title = { kind = "text" }
genres = { kind = "list", separator = "|" }

[user]
file = "users.csv"
id = "id"

[user.fields]
age = { kind = "number" }

[interaction]
file = "ratings.csv"
user = "user"
item = "item"
rating = "rating"
timestamp = "time"
positive = "rating >= 4"
"""


def write_films(folder: Path, items: Sequence[str], users: Sequence[str], ratings: Sequence[str]) -> Path:
    """Write rows ``id,title,genres``, ``id,age`` and ``user,item,rating,time``; gives the description's file."""
    for name, head, rows in (
        ("items", "id,title,genres", items),
        ("users", "id,age", users),
        ("ratings", "user,item,rating,time", ratings),
    ):
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    description = folder / "films.toml"
    description.write_text(DESCRIPTION, encoding="utf-8")
    return description
