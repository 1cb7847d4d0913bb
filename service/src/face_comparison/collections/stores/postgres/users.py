"""The users of collections, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import UNCHANGED, ErasureRequest, RequestToken, Unchanged
from face_comparison.collections.stores.postgres import rows
from face_comparison.collections.stores.postgres.base import PostgresBase
from face_comparison.collections.values import Erasure, User


class PostgresUsers(PostgresBase):
    """See `Store`."""

    def create_user(self, collection: str, user: User, *, token: RequestToken | None = None) -> bool:
        with self._transaction() as connection:
            key, _ = rows.find(connection, collection)
            if rows.is_repeated(connection, token):
                return False
            count = connection.execute(
                "INSERT INTO person (collection_id, user_id, metadata, expires, created) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (key, user.user_id, Jsonb(user.metadata), user.expires, user.created),
            ).rowcount
            if not count:
                raise columns.user_exists(user.user_id)
        return True

    def get_user(self, collection: str, user_id: str) -> User:
        with self._connection() as connection:
            key, _ = rows.find(connection, collection)
            return rows.user(connection, rows.person(connection, key, user_id), user_id)

    def list_users(self, collection: str, after: str, limit: int) -> list[User]:
        with self._connection() as connection:
            key, _ = rows.find(connection, collection)
            found = connection.execute(
                f"SELECT {columns.USER} FROM person WHERE collection_id = %s AND user_id > %s"
                " ORDER BY user_id LIMIT %s",
                (key, after, limit),
            )
            return [User(*row) for row in found]

    def update_user(
        self,
        collection: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        with self._transaction() as connection:
            key, _ = rows.find(connection, collection)
            person = rows.person(connection, key, user_id)
            if not isinstance(metadata, Unchanged):
                connection.execute("UPDATE person SET metadata = %s WHERE id = %s", (Jsonb(metadata), person))
            if not isinstance(expires, Unchanged):
                connection.execute("UPDATE person SET expires = %s WHERE id = %s", (expires, person))
            return rows.user(connection, person, user_id)

    def delete_user(
        self,
        collection: str,
        user_id: str,
        request: ErasureRequest,
        *,
        keep_faces: bool,
        token: RequestToken | None = None,
    ) -> Erasure:
        with self._transaction() as connection:
            key, _ = rows.find(connection, collection, lock=True)
            if rows.is_repeated(connection, token):
                return columns.new_erasure(collection, 0, request)
            person = rows.person(connection, key, user_id)
            count = 0
            if keep_faces:
                connection.execute("UPDATE face SET person_id = NULL WHERE person_id = %s", (person,))
            else:
                count = rows.delete_faces(connection, key, "person_id = %s", (person,))
            connection.execute("DELETE FROM person WHERE id = %s", (person,))
            return rows.record(connection, collection, count, request)
