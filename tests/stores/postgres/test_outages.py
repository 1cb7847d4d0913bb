"""PostgreSQL: servers that are away, hung, slow, or on standby, and connections that are lost."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psycopg
import pytest

from devtools.postgres import PostgresServer
from face_comparison.collections.stores import Store, open_store
from face_comparison.collections.stores.postgres import PostgresStore
from face_comparison.collections.stores.postgres.connections import Connections
from face_comparison.errors import StoreUnavailable
from support.stores import wait_until_available
from support.vectors import collection, face


def test_unreachable_database_is_unavailable(opened: Callable[..., Store]) -> None:
    store = open_store("postgresql://user:secret@127.0.0.1:1/db", max_faces=1, timeout=1)
    with pytest.raises(StoreUnavailable) as failure:
        store.get_collection("staff")
    assert "127.0.0.1" not in failure.value.message and "secret" not in failure.value.message
    store.close()


def test_unreachable_database_delays_one_call_only(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("postgresql://user@127.0.0.1:1/db", max_faces=1, timeout=1)
    tries = []

    def migrate(_: object) -> None:
        tries.append(1)
        raise psycopg.OperationalError

    monkeypatch.setattr(Connections, "_migrate", migrate)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            store.get_collection("staff")
    assert len(tries) == 1
    store.close()


def test_standby_is_left_for_primary(store: Store, url: str) -> None:
    """Its connections are not used for another change: a pool that kept them would fail until they end."""
    store.create_collection(collection())
    with psycopg.connect(url, autocommit=True) as administrator:
        # What every session of a standby says, too.
        administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        administrator.execute("SELECT pg_reload_conf()")
        try:
            with pytest.raises(StoreUnavailable):
                for _ in range(1000):
                    store.get_collection("staff")
        finally:
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")
    wait_until_available(store)
    store.add_faces("staff", [face("a")])


@pytest.mark.parametrize(("old", "new"), [("postgres@", "nobody@"), ("/test", "/no-test")])
def test_configuration_errors_differ_from_unavailability(url: str, old: str, new: str) -> None:
    store = open_store(url.replace(old, new), max_faces=1, timeout=5)
    with pytest.raises(StoreUnavailable, match="correct role, password and database"):
        store.get_collection("staff")
    store.close()


def test_changed_password_is_reloaded(url: str) -> None:
    """As a Secret that is mounted is replaced while the service runs."""
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute("DROP ROLE IF EXISTS rotated")
        administrator.execute("CREATE ROLE rotated LOGIN SUPERUSER")
        urls = [url.replace("postgres@", "rotated@")]
        store = open_store(urls[0], max_faces=1, timeout=5, reread_url=lambda: urls[0])
        store.create_collection(collection())
        administrator.execute("ALTER ROLE rotated NOLOGIN")
        administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated'")
        with pytest.raises(StoreUnavailable):
            store.get_collection("staff")
        urls[0] = url
        wait_until_available(store)
        assert store.add_faces("staff", [face("a")])[0].created
        store.close()


def test_lost_connection_rolls_back(store: Store, url: str) -> None:
    store.create_collection(collection())
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$"
        )
        administrator.execute(
            "CREATE TRIGGER lose AFTER INSERT ON face_comparison.face FOR EACH ROW EXECUTE FUNCTION lose()"
        )
        with pytest.raises(StoreUnavailable):
            store.add_faces("staff", [face("a", user="anna")])
        administrator.execute("DROP TRIGGER lose ON face_comparison.face")
    wait_until_available(store)
    assert store.list_users("staff", "", 9) == []
    assert store.get_collection("staff").faces == 0
    [added] = store.add_faces("staff", [face("a", user="anna")])
    assert added.created


def test_exhausted_pool_is_unavailable(url: str) -> None:
    store = open_store(url, max_faces=1, timeout=1, connections=1)
    store.create_collection(collection())
    assert isinstance(store, PostgresStore)
    with store._connection(), pytest.raises(StoreUnavailable):
        store.get_collection("staff")
    wait_until_available(store)
    store.close()


def test_hung_server_is_abandoned_and_reused(url: str, postgres: PostgresServer) -> None:
    """As one whose node or disk is lost: nobody says that it is gone."""
    store = open_store(url, max_faces=1, timeout=0.5)
    store.create_collection(collection())
    postgres.signal(signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            store.get_collection("staff")
    finally:
        postgres.signal(signal.SIGCONT)
    wait_until_available(store)
    assert store.add_faces("staff", [face("a")])[0].created
    store.close()


def test_hung_statement_is_abandoned(url: str, postgres: PostgresServer) -> None:
    store = open_store(url, max_faces=1, timeout=0.5)
    store.create_collection(collection())
    assert isinstance(store, PostgresStore)
    try:
        with pytest.raises(StoreUnavailable), store._connection() as connection:
            postgres.signal(signal.SIGSTOP)
            connection.execute("SELECT 1")
    finally:
        postgres.signal(signal.SIGCONT)
    wait_until_available(store)
    store.close()


def test_slow_statement_is_unavailable(url: str) -> None:
    store = open_store(url, max_faces=1, timeout=0.5)
    store.create_collection(collection())
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM face_comparison.collection FOR UPDATE")
        with pytest.raises(StoreUnavailable):
            store.add_faces("staff", [face("a")])
    wait_until_available(store)
    assert store.add_faces("staff", [face("a")])[0].created
    store.close()
