"""In-memory copies of collections' embeddings, one set per worker, updated before each search."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection as Container
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from face_comparison.collections.stores.sqlite.gallery import Gallery

KEPT_CHANGES = 100_000
"""Number of changes that are kept in the database. A worker that has missed more than that reloads its copy."""

_READ_ROWS = 256  # number of rows read at once


@dataclass
class _Copy:
    """A gallery, and the sequence number of the last change that has been applied to it."""

    gallery: Gallery
    seq: int


class Galleries:
    """The copies of one worker. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._copies: dict[int, _Copy] = {}

    @contextmanager
    def sync(self, connection: sqlite3.Connection, key: int, width: int) -> Iterator[Gallery]:
        """Yields the copy of a collection, updated to the connection's transaction and locked within the block."""
        with self._lock:
            yield self._sync(connection, key, width)

    def forget(self, key: int) -> None:
        """Drops the copy of a deleted collection."""
        with self._lock:
            self._copies.pop(key, None)

    def keep_only(self, keys: Container[int]) -> None:
        """Drops the copies of collections that other workers deleted."""
        with self._lock:
            for key in set(self._copies) - set(keys):
                del self._copies[key]

    def __len__(self) -> int:
        return len(self._copies)

    def _sync(self, connection: sqlite3.Connection, key: int, width: int) -> Gallery:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'change'").fetchone()
        last = 0 if row is None else row[0]
        copy = self._copies.get(key)
        if copy is not None and copy.seq < last:
            oldest = connection.execute("SELECT min(seq) FROM change").fetchone()[0]
            if oldest is None or copy.seq < oldest - 1:
                copy = None
            else:
                _apply_changes(connection, key, copy)
        if copy is None:
            copy = _Copy(Gallery(width), last)
            _append(
                copy.gallery,
                connection.execute(
                    "SELECT id, person_id, embedding FROM face WHERE collection_id = ? ORDER BY id", (key,)
                ),
            )
        if copy.seq > last:
            # This snapshot is older than another thread's. Additional rows in the copy do no harm, because results are
            # read from the database, and missing rows have been deleted by others.
            return copy.gallery
        copy.seq = last
        self._copies[key] = copy
        return copy.gallery


def forget_old_changes(connection: sqlite3.Connection) -> None:
    """Deletes all but the last KEPT_CHANGES changes."""
    connection.execute("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - ?", (KEPT_CHANGES,))


def _apply_changes(connection: sqlite3.Connection, key: int, copy: _Copy) -> None:
    changed = "SELECT face FROM change WHERE seq > ? AND collection_id = ?"
    values = (copy.seq, key)
    changed_rows = {row[0] for row in connection.execute(changed, values)}
    present: list[int] = []
    new = []
    for row, person in connection.execute(
        f"SELECT id, person_id FROM face WHERE id IN ({changed}) ORDER BY id",
        values,
    ):
        present.append(row)
        new.append(person or 0)
    rows, people = np.array(present, np.int64), np.array(new, np.int64)
    copy.gallery.remove(np.array(sorted(changed_rows.difference(present)), np.int64))
    known = copy.gallery.contains(rows)
    copy.gallery.replace_people(rows[known], people[known])
    if not known.all():
        first = int(rows[~known][0])
        _append(
            copy.gallery,
            connection.execute(
                f"SELECT id, person_id, embedding FROM face WHERE id >= ? AND id IN ({changed}) ORDER BY id",
                (first, *values),
            ),
        )


def _append(gallery: Gallery, rows: sqlite3.Cursor) -> None:
    while some := rows.fetchmany(_READ_ROWS):
        vectors = np.frombuffer(b"".join(row[2] for row in some), "<f4").reshape(len(some), -1)
        gallery.append(
            np.array([row[0] for row in some], np.int64), np.array([row[1] or 0 for row in some], np.int64), vectors
        )
