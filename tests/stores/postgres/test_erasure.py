"""PostgreSQL: what its files hold after an erasure, and what delays or interrupts one."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest

from devtools.postgres import PostgresServer
from face_comparison.collections.stores import Store
from face_comparison.collections.stores.postgres import PostgresStore
from face_comparison.collections.values import Purge
from face_comparison.errors import StoreUnavailable
from support.served import until
from support.stores import erasure_without_backups
from support.vectors import NOW, collection, face, vector_of


def tables_hold(server: PostgresServer, url: str, fragment: bytes) -> bool:
    """Whether a file of the database (not the write-ahead log) holds these bytes."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        [[oid]] = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchall()
    return any(fragment in path.read_bytes() for path in (server.data / "base" / str(oid)).iterdir())


def test_scrubbed_data_is_in_no_table(store: Store, url: str, postgres: PostgresServer) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face(str(number), user=str(number)) for number in range(60)])
    erased, remaining = vector_of("7").tobytes(), vector_of("8").tobytes()
    assert tables_hold(postgres, url, erased)
    receipt = store.delete_user("staff", "7", erasure_without_backups(), keep_faces=False)
    assert receipt.scrubbed is None
    assert store.scrub(NOW) == 1
    assert not tables_hold(postgres, url, erased[:64])
    assert tables_hold(postgres, url, remaining)
    stored = store.get_erasure(receipt.erasure_id)
    assert stored is not None and stored.scrubbed == NOW


def test_open_transaction_delays_scrubbing(store: Store, url: str) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face("a", user="anna"), face("b")])
    with psycopg.connect(url) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT 1 FROM pg_class")
        receipt = store.delete_user("staff", "anna", erasure_without_backups(), keep_faces=False)
        assert store.scrub(NOW) == 0
        stored = store.get_erasure(receipt.erasure_id)
        assert stored is not None and stored.scrubbed is None
    assert store.scrub(NOW) == 1


def test_scrubbing_yields_to_searches(store: Store, url: str) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face("a", user="anna")])
    store.delete_user("staff", "anna", erasure_without_backups(), keep_faces=False)
    with psycopg.connect(url) as search:
        search.execute("SELECT count(*) FROM face_comparison.face")
        assert store.scrub(NOW) == 0
    # The server drops the lock of the first call a moment after its connection has ended.
    until(lambda: store.scrub(NOW) == 1, "the store is scrubbed")


def test_interrupted_purge_reports_progress(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        store.create_collection(collection(name, retention_days=1))
        store.add_faces(name, [face(name)])
    assert isinstance(store, PostgresStore)
    purge = store._purge

    def lost(name: str, now: datetime) -> Purge | None:
        if name == "b":
            raise StoreUnavailable("away")
        return purge(name, now)

    later = NOW + timedelta(days=2)
    with monkeypatch.context() as patched:
        patched.setattr(store, "_purge", lost)
        assert [each.collection for each in store.purge(later)] == ["a"]
        with pytest.raises(StoreUnavailable):
            store.purge(later)
    assert [each.collection for each in store.purge(later)] == ["b", "c"]
