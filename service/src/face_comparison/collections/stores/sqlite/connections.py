"""Connections to the embedded store's database: kept open, durable, with transactions and translated errors."""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from face_comparison.errors import StoreUnavailable

_PRAGMAS = (
    "synchronous = FULL",
    "secure_delete = ON",
    "foreign_keys = ON",
    "temp_store = MEMORY",
)
_LATER = "the store of collections cannot be used now: send the request again later"
_MEANINGS = {
    sqlite3.SQLITE_FULL: "the volume of the store of collections is full: make room on it, then send the request again",
    sqlite3.SQLITE_READONLY: "the store of collections can only be read: make its volume writable",
    sqlite3.SQLITE_CORRUPT: "the database of collections is damaged: restore it from a backup or an export",
    sqlite3.SQLITE_NOTADB: "the database of collections is damaged: restore it from a backup or an export",
}
_PRIMARY = 0xFF
"""Bits of an extended result code that contain the primary code."""

_log = logging.getLogger(__name__)


def store_error(error: sqlite3.Error) -> StoreUnavailable:
    """Returns the error for callers, which names the kind of failure but no path."""
    return StoreUnavailable(_MEANINGS.get(getattr(error, "sqlite_errorcode", 0) & _PRIMARY, _LATER))


class Connections:
    """A pool of connections to one file. Thread-safe. Every method may raise StoreUnavailable.

    Args:
        path: The database file.
        timeout: Seconds to wait for another writer.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()

    def read(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Begins a read transaction, which sees a snapshot of the database."""
        return self._transaction("BEGIN")

    def write(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Begins a write transaction; other writers wait."""
        return self._transaction("BEGIN IMMEDIATE")

    def empty_log(self) -> bool:
        """Checkpoints and truncates the write-ahead log; returns False if a reader prevents it."""
        with self._connection() as connection:
            return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)

    def close(self) -> None:
        """Closes idle connections."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                connection = self._connect()
            try:
                yield connection
            except sqlite3.Error:
                connection.close()
                raise
            except BaseException:
                self._idle.put(connection)
                raise
            self._idle.put(connection)
        except sqlite3.Error as error:
            # The error's message is not logged, because it may quote values.
            name = getattr(error, "sqlite_errorname", "")
            _log.warning("the store of collections failed: %s %s", type(error).__name__, name)
            raise store_error(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise sqlite3.OperationalError("the file system does not support a write-ahead log: use a local disk")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
