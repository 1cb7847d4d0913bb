"""Connections to PostgreSQL: a pool that is opened, and the schema migrated, on first use."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool

from face_comparison.collections.stores.postgres import schema
from face_comparison.collections.stores.postgres.failures import UNAVAILABLE, mapped_errors
from face_comparison.collections.stores.postgres.queries import Connection, scalar
from face_comparison.errors import StoreUnavailable

_CONNECT_SECONDS = 5
_CHECK_SECONDS = 3.0
_GRACE_SECONDS = 2.0
"""How much later than the statement timeout a connection is abandoned: a responsive server enforces the timeout
itself."""

_RETRY_SECONDS = 1.0

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
            raise StoreUnavailable(UNAVAILABLE)
        with mapped_errors(), ExitStack() as stack:
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
        with mapped_errors(), psycopg.connect(self._url or self._read_url(), **_ARGUMENTS) as connection:
            yield schema.with_search_path(connection)

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
        schema.with_search_path(connection)
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (str(int(1000 * self._timeout)),))
        # JIT compilation takes longer than a search of most collections.
        connection.execute("SET jit = off")
        register_vector(connection)

    def _migrate(self) -> None:
        with psycopg.connect(self._url, **_ARGUMENTS) as connection, connection.transaction():
            self.schema, pgvector = schema.migrate(connection, create=self._create)
        if self.approximate and not schema.is_hnsw_safe(pgvector):
            _log.warning(
                "pgvector %s has known faults in its HNSW index (fixed in %s): searching exactly",
                pgvector,
                schema.version_text(schema.SAFE_HNSW),
            )
            self.approximate = False


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


_ARGUMENTS: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": _CONNECT_SECONDS,
    "target_session_attrs": "read-write",
    # Keepalives are for operations without a timeout: a failed node does not close its connections.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
