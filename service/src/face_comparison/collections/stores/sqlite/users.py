"""The users of collections, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import UNCHANGED, ErasureRequest, RequestToken, Unchanged
from face_comparison.collections.stores.sqlite import rows
from face_comparison.collections.stores.sqlite.base import SqliteBase
from face_comparison.collections.values import Erasure, User


class SqliteUsers(SqliteBase):
    """See `Store`."""

    def create_user(self, collection: str, user: User, *, token: RequestToken | None = None) -> bool:
        with self._write() as connection:
            key, _ = rows.find(connection, collection)
            if rows.is_repeated(connection, token):
                return False
            try:
                connection.execute(
                    "INSERT INTO person (collection_id, user_id, metadata, expires, created) VALUES (?, ?, ?, ?, ?)",
                    (
                        key,
                        user.user_id,
                        json.dumps(user.metadata),
                        rows.seconds(user.expires),
                        user.created.timestamp(),
                    ),
                )
            except sqlite3.IntegrityError as error:
                raise columns.user_exists(user.user_id) from error
        return True

    def get_user(self, collection: str, user_id: str) -> User:
        with self._read() as connection:
            key, _ = rows.find(connection, collection)
            return rows.user(connection, rows.person(connection, key, user_id))

    def list_users(self, collection: str, after: str, limit: int) -> list[User]:
        with self._read() as connection:
            key, _ = rows.find(connection, collection)
            found = connection.execute(
                f"SELECT {columns.USER} FROM person WHERE collection_id = ? AND user_id > ? ORDER BY user_id LIMIT ?",
                (key, after, limit),
            )
            return [rows.read_user(row) for row in found]

    def update_user(
        self,
        collection: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        with self._write() as connection:
            key, _ = rows.find(connection, collection)
            person = rows.person(connection, key, user_id)
            if not isinstance(metadata, Unchanged):
                connection.execute("UPDATE person SET metadata = ? WHERE id = ?", (json.dumps(metadata), person))
            if not isinstance(expires, Unchanged):
                connection.execute("UPDATE person SET expires = ? WHERE id = ?", (rows.seconds(expires), person))
            return rows.user(connection, person)

    def delete_user(
        self,
        collection: str,
        user_id: str,
        request: ErasureRequest,
        *,
        keep_faces: bool,
        token: RequestToken | None = None,
    ) -> Erasure:
        with self._write() as connection:
            key, _ = rows.find(connection, collection)
            if rows.is_repeated(connection, token):
                return columns.new_erasure(collection, 0, request)
            person = rows.person(connection, key, user_id)
            count = 0
            if keep_faces:
                rows.note_changes(connection, key, "person_id = ?", (person,))
                connection.execute("UPDATE face SET person_id = NULL WHERE person_id = ?", (person,))
            else:
                count = rows.delete_faces(connection, key, "person_id = ?", (person,))
            connection.execute("DELETE FROM person WHERE id = ?", (person,))
            erasure = rows.record(connection, collection, count, request)
        return self._mark_scrubbed(erasure, request.now)
