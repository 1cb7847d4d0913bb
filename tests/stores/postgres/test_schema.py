"""PostgreSQL: migrations by several processes, and the privileges and the version of pgvector that they need."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from devtools.postgres import PostgresServer
from face_comparison.collections.stores import Store, migrations, open_store
from face_comparison.collections.stores.migrations import scripts
from face_comparison.collections.stores.postgres import schema
from face_comparison.errors import StoreUnavailable
from support.stores import erasure_without_backups, wait_until_available
from support.vectors import NOW, collection, face, vector_of


def test_schema_is_migrated_once_by_many_processes(opened: Callable[..., Store], url: str) -> None:
    stores = [opened() for _ in range(6)]
    ready = threading.Barrier(len(stores))

    def first_call(store: Store) -> int:
        ready.wait()
        return int(store.health()["schema"])

    with ThreadPoolExecutor(len(stores)) as pool:
        assert set(pool.map(first_call, stores)) == {len(scripts("postgres"))}
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT version FROM face_comparison.schema_version").fetchall()
    assert rows == [(len(scripts("postgres")),)]


def test_newer_schema_is_used_if_compatible(opened: Callable[..., Store], url: str) -> None:
    opened().create_collection(collection())
    newer = len(scripts("postgres")) + 1

    def set_version(oldest_reader: int) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(
                "UPDATE face_comparison.schema_version SET version = %s, oldest_reader = %s", (newer, oldest_reader)
            )

    set_version(oldest_reader=1)
    assert opened().get_collection("staff").name == "staff"
    set_version(oldest_reader=newer)
    with pytest.raises(StoreUnavailable, match="upgrade the service"):
        opened().get_collection("staff")


def test_missing_pgvector_permission_is_explained(
    opened: Callable[..., Store], url: str, postgres: PostgresServer
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS clerk")
        connection.execute("CREATE ROLE clerk LOGIN")
    store = open_store(url.replace("postgres@", "clerk@"), max_faces=1)
    with pytest.raises(StoreUnavailable, match="CREATE EXTENSION vector"):
        store.get_collection("staff")
    store.close()


def test_reading_leaves_database_without_collections_unchanged(postgres: PostgresServer, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS face_comparison CASCADE")
    store = open_store(url, max_faces=1, create=False)
    with pytest.raises(StoreUnavailable, match="there are no collections in this database"):
        store.list_collections("", 10)
    store.close()
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'face_comparison'").fetchall()
    assert found == []


def test_old_pgvector_is_explained(opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "OLDEST_PGVECTOR", (99, 1, 0))
    with pytest.raises(StoreUnavailable, match=r"pgvector \d+\.\d+\.\d+, and at least 99\.1\.0 is needed"):
        opened().get_collection("staff")


def test_schema_owner_needs_no_database_privileges(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as administrator:
        for statement in (
            "DROP ROLE IF EXISTS restricted",
            "CREATE ROLE restricted LOGIN",
            "REVOKE CREATE ON DATABASE " + url.rpartition("/")[2] + " FROM PUBLIC",
            "CREATE EXTENSION vector",
        ):
            administrator.execute(statement)
        store = open_store(url.replace("postgres@", "restricted@"), max_faces=1, timeout=5)
        with pytest.raises(StoreUnavailable, match="CREATE SCHEMA face_comparison AUTHORIZATION"):
            store.get_collection("staff")
        administrator.execute("CREATE SCHEMA face_comparison AUTHORIZATION restricted")
        wait_until_available(store, lambda: store.create_collection(collection()))
        store.add_faces("staff", [face("a", user="anna")])
        store.delete_user("staff", "anna", erasure_without_backups(), keep_faces=False)
        assert store.scrub(NOW) == 1
        administrator.execute("ALTER TABLE face_comparison.face OWNER TO postgres")
        with pytest.raises(StoreUnavailable, match="must own the schema"):
            store.add_faces("staff", [face("b")])
        store.close()
        administrator.execute("DROP OWNED BY restricted CASCADE")
        administrator.execute("DROP ROLE restricted")


def test_migration_does_not_block_searches(
    store: Store, opened: Callable[..., Store], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that waits for a table makes all later ones wait behind it."""
    store.create_collection(collection())
    store.add_faces("staff", [face("a")])
    monkeypatch.setattr(schema, "_MIGRATION_LOCK_SECONDS", 1)
    known = scripts("postgres")
    monkeypatch.setattr(migrations, "scripts", lambda _: (*known, "ALTER TABLE face ADD COLUMN note text"))
    newer = opened()
    with psycopg.connect(url) as dump:
        dump.execute("SELECT count(*) FROM face_comparison.face")
        with pytest.raises(StoreUnavailable):
            newer.get_collection("staff")
        assert len(store.nearest("staff", vector_of("a")[None], limit=1).neighbors[0]) == 1
    wait_until_available(newer)
    assert newer.health()["schema"] == len(known) + 1
