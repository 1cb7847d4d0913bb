"""Receipts of erasures, retention, scrubbing, and the state of the store."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Any

from face_comparison.collections.stores import columns, migrations
from face_comparison.collections.stores.base import TOKEN_LIFETIME, ErasureRequest
from face_comparison.collections.stores.sqlite import rows
from face_comparison.collections.stores.sqlite.base import SqliteBase
from face_comparison.collections.values import Collection, Erasure, Purge


class SqliteMaintenance(SqliteBase):
    """See `Store`."""

    def get_erasure(self, erasure_id: str) -> Erasure | None:
        with self._read() as connection:
            row = connection.execute(
                f"SELECT {columns.ERASURE} FROM erasure WHERE erasure_id = ?", (erasure_id,)
            ).fetchone()
            return None if row is None else rows.read_erasure(row)

    def purge(self, now: datetime) -> list[Purge]:
        with self._write() as connection:
            found = connection.execute(f"SELECT {columns.COLLECTION}, 0 FROM collection").fetchall()
            purged = [each for row in found if (each := _purge(connection, row[0], rows.read_collection(row), now))]
            oldest = (now - TOKEN_LIFETIME).timestamp()
            connection.execute("DELETE FROM request_token WHERE created <= ?", (oldest,))
        self._galleries.keep_only({row[0] for row in found})
        if purged:
            self._scrub_at_once(now)
        return purged

    def subject_key(self) -> bytes:
        with self._read() as connection:
            key: bytes = connection.execute("SELECT value FROM secret WHERE name = 'subject'").fetchone()[0]
            return key

    def health(self) -> dict[str, Any]:
        with self._read() as connection:
            connection.execute("SELECT 1 FROM collection LIMIT 1").fetchone()
        return {"store": self.kind, "schema": self._schema, "sqlite": sqlite3.sqlite_version}


def _purge(connection: sqlite3.Connection, key: int, collection: Collection, now: datetime) -> Purge | None:
    expired = "SELECT id FROM person WHERE collection_id = ? AND expires <= ?"
    values: list[Any] = [key, now.timestamp()]
    faces = rows.delete_faces(connection, key, f"person_id IN ({expired})", values)
    users = connection.execute(f"DELETE FROM person WHERE id IN ({expired})", values).rowcount
    if collection.retention_days is not None:
        values = [key, (now - timedelta(days=collection.retention_days)).timestamp()]
        faces += rows.delete_faces(connection, key, "collection_id = ? AND created <= ?", values)
        users += connection.execute(
            "DELETE FROM person WHERE collection_id = ? AND created <= ?"
            " AND NOT EXISTS (SELECT 1 FROM face WHERE face.person_id = person.id)",
            values,
        ).rowcount
    if not faces and not users:
        return None
    request = ErasureRequest(migrations.new_id(), "", now, None)
    rows.record(connection, collection.name, faces, request)
    return Purge(collection.name, faces, users, request.erasure_id)
