"""What is refused when a shared catalogue is opened, and how it changes to another encoder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from catalogues import DIMENSIONS, FINGERPRINT, HIDDEN, contents, stored
from shared_catalogues import OpenView, eventually

from emberline.engine.catalogue.meta import Meta
from emberline.engine.catalogue.opening import CatalogueLocation
from emberline.engine.errors import CatalogueError, CatalogueUnavailable, ConfigError

NEW = "b" * 64
SIZES = {"hidden": HIDDEN, "dimensions": DIMENSIONS, "kind": "fp32"}


def test_another_encoders_catalogue_is_refused(open_view: OpenView) -> None:
    """The error names both fingerprints and the ways out."""
    open_view()
    with pytest.raises(CatalogueError, match=f"{FINGERPRINT}.*{NEW}.*--reencode.*--catalogue-name"):
        open_view(fingerprint=NEW)


def test_other_sizes_are_refused(postgres, open_view: OpenView, url: str) -> None:
    """Vectors of another width cannot be compared."""
    open_view()
    with postgres.connect(url) as connection:
        connection.execute("UPDATE emberline_catalogues SET dimensions = 5")
    with pytest.raises(CatalogueError, match="has dimensions 5, the bundle has 3"):
        open_view()


def test_a_newer_schema_is_refused_and_an_older_one_brought_up(postgres, open_view: OpenView, url: str) -> None:
    """Migrations run once; a database of a newer Emberline is left alone."""
    from emberline.engine.catalogue.postgres.schema import MIGRATIONS

    open_view()
    open_view()
    with postgres.connect(url) as connection:
        assert connection.execute("SELECT version FROM emberline_schema").fetchall() == [(len(MIGRATIONS),)]
        connection.execute("UPDATE emberline_schema SET version = version + 1")
    with pytest.raises(CatalogueError, match=f"has schema {len(MIGRATIONS) + 1}"):
        open_view()


def test_what_cannot_be_reached_is_named_without_its_password(seed: Path) -> None:
    """The message has the host and the user."""
    location = CatalogueLocation("postgresql://anna:secret@127.0.0.1:1/films", "default")
    with pytest.raises(CatalogueUnavailable, match=r"postgresql://anna@127\.0\.0\.1/films is not available") as refused:
        location.open(seed, Meta(FINGERPRINT, **SIZES))
    assert "secret" not in str(refused.value)
    with pytest.raises(ConfigError, match="not a valid PostgreSQL URL"):
        CatalogueLocation("postgresql://host/db?nonsense=1", "default").open(seed, Meta(FINGERPRINT, **SIZES))


def test_pgvector_is_set_up_in_a_new_database(postgres, seed: Path) -> None:
    """A database that nobody has prepared will do, if the server has pgvector."""
    with CatalogueLocation(postgres.database(), "default").open(seed, Meta(FINGERPRINT, **SIZES)) as catalogue:
        assert contents(catalogue) == {"1": 1.0, "2": 2.0}


def test_a_user_without_special_rights_will_do(postgres, url: str, seed: Path) -> None:
    """Who may create tables in a schema can keep a catalogue there."""
    schema = url.rpartition("%3D")[2].partition(",")[0]
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE clerk LOGIN")
        connection.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO clerk")
    location = CatalogueLocation(url.replace("//postgres:@", "//clerk@"), "default")
    with location.open(seed, Meta(FINGERPRINT, **SIZES)) as catalogue:
        assert catalogue.upsert([stored("3", 3.0)]) == (1, 0)


def test_a_successor_takes_the_place_for_all_servers(open_view: OpenView, url: str) -> None:
    """The old catalogue can be read by servers that still have the old bundle, and no longer changed."""
    old, elsewhere = open_view(), open_view()
    new = old.successor(fingerprint=NEW, **SIZES)
    assert not new.ready
    with pytest.raises(CatalogueError, match="is being encoded for this bundle"):
        open_view(fingerprint=NEW)
    new.upsert([stored("1", 11.0)])
    old.freeze()
    refused = []

    def change() -> None:
        with pytest.raises(CatalogueUnavailable) as error:
            elsewhere.upsert([stored("9")])
        refused.append(error)

    blocked = threading.Thread(target=change)
    blocked.start()
    new.upsert([stored("2", 12.0)])
    new.take_place_of(old)
    old.thaw()
    blocked.join()
    assert refused
    new.close()
    assert contents(elsewhere) == {"1": 1.0, "2": 2.0}
    with pytest.raises(CatalogueUnavailable, match="has taken this one's place"):
        elsewhere.upsert([stored("9")])
    assert contents(open_view(fingerprint=NEW)) == {"1": 11.0, "2": 12.0}
    with pytest.raises(CatalogueError, match="belongs to a newer bundle"):
        open_view()


def test_freezing_brings_the_view_up_to_date_and_ends(open_view: OpenView) -> None:
    """What another server has changed before is in the view; after the thaw it goes on."""
    here, there = open_view(), open_view()
    there.upsert([stored("3", 3.0)])
    here.freeze()
    assert list(contents(here)) == ["1", "2", "3"]
    here.thaw()
    there.upsert([stored("4", 4.0)])
    here.upsert([stored("5", 5.0)])
    assert list(contents(here)) == ["1", "2", "3", "4", "5"]


def test_one_server_makes_the_successor_and_others_wait(open_view: OpenView) -> None:
    """Who comes second gets what the first one has made, and encodes nothing."""
    first, second = open_view(), open_view()
    new = first.successor(fingerprint=NEW, **SIZES)
    made = []
    waiting = threading.Thread(target=lambda: made.append(second.successor(fingerprint=NEW, **SIZES)))
    waiting.start()
    new.upsert([stored("1", 11.0)])
    first.freeze()
    new.take_place_of(first)
    first.thaw()
    waiting.join()
    with new, made[0] as same:
        assert same.ready
        eventually(lambda: contents(same) == {"1": 11.0})


def test_a_successor_that_was_given_up_is_made_again(open_view: OpenView) -> None:
    """Neither a discarded one nor what a killed server left is in the way."""
    old = open_view()
    old.successor(fingerprint=NEW, **SIZES).discard()
    killed = old.successor(fingerprint=NEW, **SIZES)
    killed.upsert([stored("1", 99.0)])
    killed.close()  # as the operating system does
    with old.successor(fingerprint=NEW, **SIZES) as new:
        assert contents(new) == {}


def test_the_outdated_catalogue_is_found(open_view: OpenView, url: str) -> None:
    """With --reencode, a server reads the catalogue of the encoder before; there is none if it is current or new."""
    location = CatalogueLocation(url, "default")
    assert location.open_outdated(Meta(NEW, **SIZES)) is None
    open_view()
    assert location.open_outdated(Meta(FINGERPRINT, **SIZES)) is None
    with location.open_outdated(Meta(NEW, **SIZES)) as outdated:
        assert contents(outdated) == {"1": 1.0, "2": 2.0}
