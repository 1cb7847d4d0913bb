"""Connections to PostgreSQL: a pool, schema migration on first use, and translated errors."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool

from face_comparison.collections.stores import columns, migrations
from face_comparison.errors import StoreUnavailable

Connection = psycopg.Connection[tuple[Any, ...]]

SCHEMA = "face_comparison"
MIGRATION_LOCK = 7_014_312_091  # an arbitrary number that other programs do not use
OLDEST_PGVECTOR = (0, 5, 0)
"""Minimum version of pgvector; older ones have had no fixes since 2023 and are not tested."""

SAFE_HNSW = (0, 8, 4)
"""pgvector before 0.8.4 could leave an HNSW index corrupt after vacuuming (its changelog, 0.8.3 and 0.8.4)."""

_CONNECT_SECONDS = 5
_CHECK_SECONDS = 3.0
_GRACE_SECONDS = 2.0
"""How much later than the statement timeout a connection is abandoned: a responsive server enforces the timeout
itself."""

_RETRY_SECONDS = 1.0
_MIGRATION_LOCK_SECONDS = 5
"""How long a migration waits for running statements, while other statements queue behind it. If that is not enough, the
next call tries again."""

_UNAVAILABLE = "the store of collections cannot be reached now: send the request again later"

_log = logging.getLogger(__name__)


class Connections:
    """A pool of connections, which is opened, and the schema migrated, on first use. Thread-safe.

    Every method may raise StoreUnavailable.

    Args:
        read_url: Returns the URL of the database. Called again after a failure, because passwords change.
        timeout: Maximum seconds per statement.
        size: Maximum number of connections.
        approximate: Whether an approximate index is enabled.
        create: Whether to create the tables if there are none.

    Attributes:
        approximate: As above, but False if pgvector's approximate index has known faults.
        schema: Version of the schema, after migration.
    """

    def __init__(
        self, read_url: Callable[[], str], *, timeout: float, size: int, approximate: bool, create: bool = True
    ) -> None:
        self._create = create
        self.approximate = approximate
        self.schema = 0
        self._read_url = read_url
        self._url = ""
        self._timeout = timeout
        self._size = size
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None
        self._retry_at = 0.0

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yields a pooled connection with autocommit."""
        if time.monotonic() < self._retry_at:
            raise StoreUnavailable(_UNAVAILABLE)
        with _mapped_errors(), ExitStack() as stack:
            try:
                connection = stack.enter_context(self._open_pool().connection())
            except (psycopg.OperationalError, StoreUnavailable):
                # Fail other callers immediately for a while: waiting, they would occupy threads that detection and
                # comparison need.
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                self._forget_old_url()
                raise
            with _time_limit(connection, self._timeout + _GRACE_SECONDS):
                yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yields a pooled connection within a transaction."""
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def dedicated(self) -> Iterator[Connection]:
        """Yields a dedicated connection without a statement timeout."""
        with _mapped_errors(), psycopg.connect(self._url or self._read_url(), **_ARGUMENTS) as connection:
            yield _with_search_path(connection)

    def close(self) -> None:
        """Closes the pool."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _open_pool(self) -> ConnectionPool[Connection]:
        with self._lock:
            if self._pool is None:
                self._url = self._read_url()
                self._migrate()
                pool = ConnectionPool(
                    self._url,
                    connection_class=Connection,
                    min_size=1,
                    max_size=self._size,
                    open=False,
                    timeout=min(self._timeout, _CONNECT_SECONDS),
                    # So that the next call reconnects immediately instead of waiting for the pool's growing backoff.
                    reconnect_timeout=_CONNECT_SECONDS,
                    configure=self._configure,
                    check=_check_writable,
                    kwargs=_ARGUMENTS,
                    name="collections",
                )
                pool.open()
                self._pool = pool
            return self._pool

    def _forget_old_url(self) -> None:
        """Closes the pool if the URL has changed; the next call opens a new pool."""
        if self._pool is not None and self._read_url() != self._url:
            self.close()

    def _configure(self, connection: Connection) -> None:
        _with_search_path(connection)
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (str(int(1000 * self._timeout)),))
        # JIT compilation takes longer than a search of most collections.
        connection.execute("SET jit = off")
        register_vector(connection)

    def _migrate(self) -> None:
        with psycopg.connect(self._url, **_ARGUMENTS) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_MIGRATION_LOCK_SECONDS}s",))
            if not self._create and _is_empty(connection):
                raise StoreUnavailable(f"there are no collections in this database: {columns.CREATE_FIRST}")
            self._check_pgvector(connection)
            self._check_schema(connection)
            _with_search_path(connection)
            try:
                self.schema = _migrate_schema(connection)
            except migrations.SchemaTooNew as error:
                raise StoreUnavailable(str(error)) from error

    def _check_schema(self, connection: Connection) -> None:
        """Creates the schema if it is missing.

        IF NOT EXISTS is not used, because it requires the privilege even if the schema exists.
        """
        if not _is_empty(connection):
            return
        try:
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreUnavailable(
                "the role of the database of collections may not create its schema: let an administrator run "
                f"CREATE SCHEMA {SCHEMA} AUTHORIZATION and the role's name"
            ) from error

    def _check_pgvector(self, connection: Connection) -> None:
        version = pgvector_version(connection)
        if version is None:
            try:
                connection.execute("CREATE EXTENSION vector")
            except psycopg.Error as error:
                raise StoreUnavailable(
                    "the database of collections has no pgvector: let an administrator run CREATE EXTENSION vector"
                ) from error
            version = pgvector_version(connection) or ""
        if _parse_version(version) < OLDEST_PGVECTOR:
            raise StoreUnavailable(
                f"the database of collections has pgvector {version}, and at least {_text(OLDEST_PGVECTOR)} is needed: "
                "install it, then let an administrator run ALTER EXTENSION vector UPDATE"
            )
        if self.approximate and not is_hnsw_safe(version):
            _log.warning(
                "pgvector %s has known faults in its HNSW index (fixed in %s): searching exactly",
                version,
                _text(SAFE_HNSW),
            )
            self.approximate = False


def _is_empty(connection: Connection) -> bool:
    return scalar(connection, "SELECT 1 FROM pg_namespace WHERE nspname = %s", SCHEMA) is None


def _check_writable(connection: Connection) -> None:
    """Checks that the server is a reachable primary; if not, raises OperationalError so that the pool reconnects."""
    with _time_limit(connection, _CHECK_SECONDS):
        if scalar(connection, "SHOW transaction_read_only") != "off":
            raise psycopg.OperationalError("the server accepts no changes")


@contextmanager
def _time_limit(connection: Connection, seconds: float) -> Iterator[None]:
    """Shuts the connection down if the block takes longer than this.

    On its own, the driver waits until the kernel reports the connection as lost, which takes a quarter of an hour after
    a node failure.
    """
    timer = threading.Timer(seconds, _shut_down, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(connection: Connection) -> None:
    """Shuts the socket down. The waiting thread then finds that the connection is lost, and closes it."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def is_hnsw_safe(version: str) -> bool:
    """Returns whether this version of pgvector has no known corruption of its HNSW index."""
    return _parse_version(version) >= SAFE_HNSW


def pgvector_version(connection: Connection) -> str | None:
    """Returns the version of pgvector in the database; None if it is not installed."""
    version = scalar(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    return None if version is None else str(version)


def scalar(connection: Connection, query: str, *values: Any) -> Any:
    """Returns the first column of the first row; None if there is no row."""
    row = connection.execute(query, values or None).fetchone()
    return None if row is None else row[0]


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        # The error's message is not logged, because it may quote values.
        state = getattr(error, "sqlstate", None)
        _log.warning("the store of collections failed: %s %s", type(error).__name__, state or "")
        raise StoreUnavailable(_meaning(error)) from error


def _meaning(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.DiskFull):
        return "the volume of the database of collections is full: make room on it, then send the request again"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"the role of the database of collections lacks a right: it must own the schema {SCHEMA} and its tables"
    if isinstance(error, psycopg.OperationalError) and any(each in str(error) for each in _NOT_LET_IN):
        return "the database of collections does not let the service in: correct role, password and database of its URI"
    return _UNAVAILABLE


_NOT_LET_IN = (
    "authentication failed",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    '" does not exist',
)
"""Messages for a wrong role, password, or database; these errors have no code."""


def _migrate_schema(connection: Connection) -> int:
    known = migrations.scripts("postgres")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL, oldest_reader integer)")
    row = connection.execute("SELECT version, oldest_reader FROM schema_version").fetchone()
    found = 0 if row is None else int(row[0])
    if row is not None:
        migrations.check_version(found, row[1], len(known))
    if found >= len(known):
        return found
    for script in known[found:]:
        connection.execute(script)
    connection.execute("DELETE FROM schema_version")
    connection.execute("INSERT INTO schema_version VALUES (%s, %s)", (len(known), migrations.OLDEST_READER))
    connection.execute("INSERT INTO secret VALUES ('subject', %s) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),))
    return len(known)


def _with_search_path(connection: Connection) -> Connection:
    """Sets the search path to our schema and the one where pgvector is installed."""
    connection.execute(
        "SELECT set_config('search_path', concat_ws(', ', %s::text, (SELECT quote_ident(nspname) FROM pg_extension"
        " JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector')), false)",
        (SCHEMA,),
    )
    return connection


def _parse_version(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


_ARGUMENTS: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": _CONNECT_SECONDS,
    "target_session_attrs": "read-write",
    # Keepalives are for operations without a timeout: a failed node does not close its connections.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
