"""Collections as a whole, in SQLite."""

from __future__ import annotations

import json
import sqlite3

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import ErasureRequest
from face_comparison.collections.stores.sqlite import rows
from face_comparison.collections.stores.sqlite.base import SqliteBase
from face_comparison.collections.values import Collection, Erasure


class SqliteCollections(SqliteBase):
    """See `Store`."""

    def create_collection(self, collection: Collection) -> None:
        with self._write() as connection:
            try:
                connection.execute(
                    "INSERT INTO collection (name, model_version, width, max_false_positive_rate, retention_days,"
                    " metadata, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        collection.name,
                        collection.model_version,
                        collection.width,
                        collection.max_false_positive_rate,
                        collection.retention_days,
                        json.dumps(collection.metadata),
                        collection.created.timestamp(),
                    ),
                )
            except sqlite3.IntegrityError as error:
                raise columns.collection_exists(collection.name) from error

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        with self._read() as connection:
            return rows.find(connection, name, count_users=count_users)[1]

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        with self._read() as connection:
            found = connection.execute(
                f"SELECT {columns.COLLECTION}, {columns.COUNT_USERS} FROM collection WHERE name > ?"
                " ORDER BY name LIMIT ?",
                (after, limit),
            )
            return [rows.read_collection(row) for row in found]

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        with self._write() as connection:
            key, _ = rows.find(connection, name)
            count = rows.delete_faces(connection, key, "collection_id = ?", (key,))
            connection.execute("DELETE FROM person WHERE collection_id = ?", (key,))
            connection.execute("DELETE FROM collection WHERE id = ?", (key,))
            erasure = rows.record(connection, name, count, request)
        self._galleries.forget(key)
        return self._mark_scrubbed(erasure, request.now)
