"""The faces of collections, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Sequence
from typing import Any

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import ErasureRequest, RequestToken
from face_comparison.collections.stores.postgres import rows
from face_comparison.collections.stores.postgres.base import PostgresBase
from face_comparison.collections.stores.postgres.neighbors import nearest
from face_comparison.collections.stores.postgres.queries import Connection
from face_comparison.collections.values import AddedFace, Erasure, Neighbor, StoredFace


class PostgresFaces(PostgresBase):
    """See `Store`."""

    def add_faces(
        self, collection: str, faces: Sequence[StoredFace], *, reject_within: float | None = None
    ) -> list[AddedFace]:
        with self._transaction() as connection:
            key, _ = rows.find(connection, collection, lock=True)
            known = columns.by_key(rows.known_faces(connection, key, faces))
            added, new = columns.choose_new(faces, known, lambda face: _rival(connection, key, face, reject_within))
            if new:
                rows.insert_faces(connection, key, new)
            return added

    def list_faces(
        self,
        collection: str,
        *,
        user_id: str | None = None,
        face_ids: Container[str] | None = None,
        after: str = "",
        limit: int,
        vectors: bool = False,
    ) -> list[StoredFace]:
        with self._connection() as connection:
            key, _ = rows.find(connection, collection)
            where = "collection_id = %s"
            values: list[Any] = [key]
            if after:
                where += " AND face_id > %s::uuid"
                values.append(after)
            if user_id is not None:
                where += " AND person_id = %s"
                values.append(rows.person(connection, key, user_id))
            if face_ids is not None:
                where += " AND face_id = ANY(%s::uuid[])"
                values.append(list(face_ids))
            selected = f"{rows.FACE}, embedding" if vectors else rows.FACE
            stored = connection.execute(
                f"SELECT {selected} FROM face WHERE {where} ORDER BY face_id LIMIT %s",
                (*values, limit),
                binary=vectors,
            )
            return [rows.read_face(row) for row in stored]

    def delete_faces(
        self, collection: str, face_ids: Sequence[str], request: ErasureRequest
    ) -> tuple[Erasure, list[str]]:
        with self._transaction() as connection:
            key, _ = rows.find(connection, collection, lock=True)
            where = "collection_id = %s AND face_id = ANY(%s::uuid[])"
            changed = connection.execute(
                f"SELECT face_id::text FROM face WHERE {where}",
                (key, list(face_ids)),
            )
            deleted = columns.select_ids(face_ids, changed)
            count = rows.delete_faces(connection, key, where, (key, list(face_ids)))
            return rows.record(connection, collection, count, request), deleted

    def assign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        with self._transaction() as connection:
            key, _ = rows.find(connection, collection, lock=True)
            person = rows.person(connection, key, user_id)
            if rows.is_repeated(connection, token):
                return rows.with_person(connection, key, face_ids, person)
            changed = connection.execute(
                "UPDATE face SET person_id = %s WHERE collection_id = %s AND face_id = ANY(%s::uuid[])"
                " AND person_id IS NULL RETURNING face_id::text",
                (person, key, list(face_ids)),
            )
            return columns.select_ids(face_ids, changed)

    def unassign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        with self._transaction() as connection:
            key, _ = rows.find(connection, collection, lock=True)
            person = rows.person(connection, key, user_id)
            if rows.is_repeated(connection, token):
                return rows.with_person(connection, key, face_ids, None)
            changed = connection.execute(
                "UPDATE face SET person_id = NULL WHERE collection_id = %s AND face_id = ANY(%s::uuid[])"
                " AND person_id = %s RETURNING face_id::text",
                (key, list(face_ids), person),
            )
            return columns.select_ids(face_ids, changed)


def _rival(connection: Connection, key: int, face: StoredFace, within: float | None) -> Neighbor | None:
    """Returns the nearest face of another user within this distance, if any."""
    if within is None or face.vector is None:
        return None
    return columns.nearest_rival(face, nearest(connection, key, face.vector, 2, None, "users"), within)
