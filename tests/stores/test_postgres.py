"""PostgreSQL: what its files hold, migrations by several processes, and the approximate index."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from devtools.k8s.controlplane import attempts
from devtools.postgres import PostgresServer
from face_comparison.collections.stores import Store, migrations, open_store
from face_comparison.collections.stores.base import ErasureRequest
from face_comparison.collections.stores.migrations import scripts
from face_comparison.collections.stores.postgres import PostgresStore, schema
from face_comparison.collections.stores.postgres.connections import Connections
from face_comparison.collections.stores.postgres.schema import is_hnsw_safe
from face_comparison.collections.values import Purge
from face_comparison.errors import StoreUnavailable
from support.served import until
from support.vectors import NOW, collection, face, random_vectors, vector_of


@pytest.fixture
def kind() -> str:
    return "postgresql"


def request() -> ErasureRequest:
    return ErasureRequest(str(uuid4()), "", NOW, None)


def tables_hold(server: PostgresServer, url: str, fragment: bytes) -> bool:
    """Whether a file of the database (not the write-ahead log) holds these bytes."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        [[oid]] = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchall()
    return any(fragment in path.read_bytes() for path in (server.data / "base" / str(oid)).iterdir())


def test_scrubbed_data_is_in_no_table(store: Store, url: str, postgres: PostgresServer) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face(str(number), user=str(number)) for number in range(60)])
    erased, kept = vector_of("7").tobytes(), vector_of("8").tobytes()
    assert tables_hold(postgres, url, erased)
    receipt = store.delete_user("staff", "7", request(), keep_faces=False)
    assert receipt.scrubbed is None
    assert store.scrub(NOW) == 1
    assert not tables_hold(postgres, url, erased[:64])
    assert tables_hold(postgres, url, kept)
    stored = store.get_erasure(receipt.erasure_id)
    assert stored is not None and stored.scrubbed == NOW


def test_open_transaction_delays_scrubbing(store: Store, url: str) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face("a", user="anna"), face("b")])
    with psycopg.connect(url) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT 1 FROM pg_class")
        receipt = store.delete_user("staff", "anna", request(), keep_faces=False)
        assert store.scrub(NOW) == 0
        stored = store.get_erasure(receipt.erasure_id)
        assert stored is not None and stored.scrubbed is None
    assert store.scrub(NOW) == 1


def test_scrubbing_yields_to_searches(store: Store, url: str) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face("a", user="anna")])
    store.delete_user("staff", "anna", request(), keep_faces=False)
    with psycopg.connect(url) as search:
        search.execute("SELECT count(*) FROM face_comparison.face")
        assert store.scrub(NOW) == 0
    # The server drops the lock of the first call a moment after its connection has ended.
    until(lambda: store.scrub(NOW) == 1, "the store is scrubbed")


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


def test_approximate_index_is_opt_in(opened: Callable[..., Store], url: str) -> None:
    exact, approximate = opened(), opened(index="hnsw")
    exact.create_collection(collection("before"))
    approximate.create_collection(collection())
    vectors = random_vectors(300)
    approximate.add_faces("staff", [face(str(number), vector=vector) for number, vector in enumerate(vectors)])
    assert approximate.nearest("staff", vectors[:5], limit=3).exact
    approximate.purge(NOW)
    found = approximate.nearest("staff", vectors[:5], limit=3)
    assert not found.exact and found.gallery_size == 300
    for number, neighbors in enumerate(found.neighbors):
        assert neighbors[0].face.face_id == face(str(number)).face_id
    assert exact.nearest("staff", vectors[:1], limit=3).exact
    assert approximate.nearest("staff", vectors[:1], limit=3, users=["anna"]).exact
    assert not approximate.nearest("before", vectors[:1], limit=3).exact
    approximate.delete_collection("staff", request())
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'face_hnsw%'").fetchall()
    assert rows == [(1,)]


def test_index_of_interrupted_build_is_recreated(opened: Callable[..., Store], url: str) -> None:
    """It takes longer than a request may: the limit of a statement is not that of a build."""
    exact = opened()
    exact.create_collection(collection())
    exact.add_faces("staff", [face(str(number), vector=each) for number, each in enumerate(random_vectors(50))])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO face_comparison, public")
        connection.execute("CREATE INDEX face_hnsw_1 ON face (confidence)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'face_hnsw_1'::regclass")
        approximate = opened(index="hnsw")
        assert approximate.nearest("staff", random_vectors(1), limit=3).exact
        approximate.purge(NOW)
        assert not approximate.nearest("staff", random_vectors(1), limit=3).exact
        [[definition]] = connection.execute("SELECT pg_get_indexdef('face_hnsw_1'::regclass)").fetchall()
    assert "hnsw" in definition


@pytest.mark.parametrize(
    ("version", "safe"), [("0.8.0", False), ("0.8.3", False), ("0.8.4", True), ("0.10.0", True), ("1.0", True)]
)
def test_versions_of_pgvector_with_known_corruption_are_not_indexed(version: str, safe: bool) -> None:
    assert is_hnsw_safe(version) is safe


def test_old_pgvector_is_explained(opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "OLDEST_PGVECTOR", (99, 1, 0))
    with pytest.raises(StoreUnavailable, match=r"pgvector \d+\.\d+\.\d+, and at least 99\.1\.0 is needed"):
        opened().get_collection("staff")


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
        store.delete_user("staff", "anna", request(), keep_faces=False)
        assert store.scrub(NOW) == 1
        administrator.execute("ALTER TABLE face_comparison.face OWNER TO postgres")
        with pytest.raises(StoreUnavailable, match="must own the schema"):
            store.add_faces("staff", [face("b")])
        store.close()
        administrator.execute("DROP OWNED BY restricted CASCADE")
        administrator.execute("DROP ROLE restricted")


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


def wait_until_available(store: Store, call: Callable[[], object] | None = None) -> None:
    for _ in attempts(30, pause=0.1):
        with suppress(StoreUnavailable):
            call() if call else store.get_collection("staff")
            return
    pytest.fail("the store did not become available")
