"""The faces of collections, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection as Container
from collections.abc import Sequence

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import ErasureRequest, RequestToken
from face_comparison.collections.stores.sqlite import rows
from face_comparison.collections.stores.sqlite.base import SqliteBase
from face_comparison.collections.stores.sqlite.gallery_copies import forget_old_changes
from face_comparison.collections.values import AddedFace, Erasure, Neighbor, StoredFace
from face_comparison.errors import CollectionFull
from face_comparison.plurals import count_noun


class SqliteFaces(SqliteBase):
    """See `Store`."""

    def add_faces(
        self, collection: str, faces: Sequence[StoredFace], *, reject_within: float | None = None
    ) -> list[AddedFace]:
        with self._write() as connection:
            key, found = rows.find(connection, collection)

            def find_rival(face: StoredFace) -> Neighbor | None:
                return self._rival(connection, key, found.width, face, reject_within)

            # Choose the new faces before writing: the search for rivals updates the copy in memory from the database,
            # and the copy must contain only committed rows.
            known = columns.by_key(rows.known_faces(connection, key, faces))
            added, new = columns.choose_new(faces, known, find_rival)
            count = found.faces + len(new)
            if new and count > self._max_faces:
                raise CollectionFull(
                    f"the collection has {count_noun(found.faces, 'face')}, and the embedded store keeps at most "
                    f"{self._max_faces} per collection (--collections-max-faces): export it and import it into "
                    "PostgreSQL"
                )
            if new:
                rows.insert_faces(connection, key, new)
                connection.execute("UPDATE collection SET face_count = ? WHERE id = ?", (count, key))
                forget_old_changes(connection)
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
        with self._read() as connection:
            key, found = rows.find(connection, collection)
            where, values = "collection_id = ? AND face_id > ?", [key, after]
            if user_id is not None:
                where += " AND person_id = ?"
                values.append(rows.person(connection, key, user_id))
            if face_ids is not None:
                where += f" AND face_id IN {rows.IN_LIST}"
                values.append(json.dumps(list(face_ids)))
            selected = f"{rows.FACE}, embedding" if vectors else rows.FACE
            stored = connection.execute(
                f"SELECT {selected} FROM face WHERE {where} ORDER BY face_id LIMIT ?",
                (*values, limit),
            )
            return [rows.read_face(row, found.width) for row in stored]

    def delete_faces(
        self, collection: str, face_ids: Sequence[str], request: ErasureRequest
    ) -> tuple[Erasure, list[str]]:
        chosen = json.dumps(list(face_ids))
        with self._write() as connection:
            key, _ = rows.find(connection, collection)
            where, values = f"collection_id = ? AND face_id IN {rows.IN_LIST}", (key, chosen)
            found = connection.execute(f"SELECT face_id FROM face WHERE {where}", values)
            deleted = columns.select_ids(face_ids, found)
            count = rows.delete_faces(connection, key, where, values)
            erasure = rows.record(connection, collection, count, request)
        return self._mark_scrubbed(erasure, request.now), deleted

    def assign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        with self._write() as connection:
            key, _ = rows.find(connection, collection)
            person = rows.person(connection, key, user_id)
            if rows.is_repeated(connection, token):
                return rows.with_person(connection, key, face_ids, person)
            return rows.set_person(connection, key, face_ids, "person_id IS NULL", (), person)

    def unassign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        with self._write() as connection:
            key, _ = rows.find(connection, collection)
            person = rows.person(connection, key, user_id)
            if rows.is_repeated(connection, token):
                return rows.with_person(connection, key, face_ids, None)
            return rows.set_person(connection, key, face_ids, "person_id = ?", (person,), None)

    def _rival(
        self, connection: sqlite3.Connection, key: int, width: int, face: StoredFace, within: float | None
    ) -> Neighbor | None:
        """Returns the nearest face of another user within this distance, if any."""
        if within is None or face.vector is None:
            return None
        with self._galleries.sync(connection, key, width) as gallery:
            ranked = gallery.nearest(face.vector[None], 2, None, "users")[0]
        faces = rows.faces_by_row(connection, {row for row, _ in ranked}, width)
        neighbors = [Neighbor(faces[row], distance) for row, distance in ranked if row in faces]
        return columns.nearest_rival(face, neighbors, within)
