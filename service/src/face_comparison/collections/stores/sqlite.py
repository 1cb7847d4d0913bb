"""The embedded store: SQLite for persistence, and a copy of the embeddings in the memory of each worker for searching.

It is durable (WAL, synchronous FULL), and searches are exact. Several workers on one machine may share the directory:
before each search, a worker reads which faces have changed since its previous search, in the same snapshot in which it
reads the results. Deleted data is overwritten (secure_delete), and the write-ahead log is truncated in the same call.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections.stores import columns, migrations
from face_comparison.collections.stores import sqlite_rows as rows
from face_comparison.collections.stores.base import (
    TOKEN_LIFETIME,
    UNCHANGED,
    ErasureRequest,
    RequestToken,
    Unchanged,
)
from face_comparison.collections.stores.sqlite_connections import Connections
from face_comparison.collections.stores.sqlite_gallery import Galleries, forget_old_changes
from face_comparison.collections.values import (
    AddedFace,
    Collection,
    Erasure,
    Grouping,
    Nearest,
    Neighbor,
    Purge,
    StoredFace,
    User,
)
from face_comparison.errors import CollectionFull, InvalidSettings, StoreUnavailable
from face_comparison.plurals import count_noun

FILE = "collections.db"


class SqliteStore:
    """See `Store`."""

    kind = "sqlite"

    def __init__(self, directory: Path, *, max_faces: int, timeout: float = 30.0, create: bool = True) -> None:
        """Opens or creates the database in a directory, and migrates its schema.

        Args:
            directory: The directory.
            max_faces: Maximum number of faces per collection.
            timeout: Seconds to wait for another writer.
            create: Whether to create the database if there is none yet.

        Raises:
            InvalidSettings: The directory cannot be used, or it has no database and `create` is false.
        """
        self._path = directory / FILE
        if not create and not self._path.exists():
            raise InvalidSettings(f"--collections: there are no collections in {directory}: {columns.CREATE_FIRST}")
        self._max_faces = max_faces
        self._connections = Connections(self._path, timeout)
        self._read, self._write = self._connections.read, self._connections.write
        self._galleries = Galleries()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)  # readable only by its owner; SQLite's additional files get the same mode
            with self._write() as connection:
                self._schema = migrations.migrate_sqlite(connection)
                connection.execute("INSERT OR IGNORE INTO secret VALUES ('subject', ?)", (secrets.token_bytes(32),))
        except migrations.SchemaTooNew as error:
            raise InvalidSettings(f"--collections: {error}") from error
        except OSError as error:
            raise InvalidSettings(f"--collections: {directory} cannot be used: {error.strerror}") from error
        except StoreUnavailable as error:
            raise InvalidSettings(f"--collections: {self._path} cannot be opened: {error.__cause__}") from error

    # --- collections ---

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

    # --- users ---

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

    # --- faces ---

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
            there = {row[0] for row in connection.execute(f"SELECT face_id FROM face WHERE {where}", values)}
            count = rows.delete_faces(connection, key, where, values)
            erasure = rows.record(connection, collection, count, request)
        return self._mark_scrubbed(erasure, request.now), [face_id for face_id in face_ids if face_id in there]

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

    # --- searching ---

    def count_faces(
        self, collection: str, *, users: Container[str] | None = None, grouping: Grouping = "people"
    ) -> int:
        with self._read() as connection:
            key, found = rows.find(connection, collection)
            people = rows.people(connection, key, users)
            if people is None and grouping != "users":
                return found.faces
            with self._galleries.sync(connection, key, found.width) as gallery:
                return gallery.count(people, grouping)

    def nearest(
        self,
        collection: str,
        vectors: NDArray[Any],
        *,
        limit: int,
        users: Container[str] | None = None,
        grouping: Grouping = "people",
    ) -> Nearest:
        with self._read() as connection:
            key, found = rows.find(connection, collection)
            people = rows.people(connection, key, users)
            with self._galleries.sync(connection, key, found.width) as gallery:
                ranked = gallery.nearest(np.ascontiguousarray(vectors, np.float32), limit, people, grouping)
                size = gallery.count(people, grouping)
            faces = rows.faces_by_row(connection, {row for one in ranked for row, _ in one}, found.width)
            return Nearest(
                # The copy in memory may be newer than this snapshot and contain rows that are not visible in it.
                tuple(tuple(Neighbor(faces[row], near) for row, near in one if row in faces) for one in ranked),
                size,
                exact=True,
            )

    # --- erasure, retention, operation ---

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

    def scrub(self, now: datetime) -> int:
        with self._read() as connection:
            pending = [row[0] for row in connection.execute("SELECT erasure_id FROM erasure WHERE scrubbed IS NULL")]
        if not pending or not self._connections.empty_log():
            return 0
        with self._write() as connection:
            return connection.execute(
                f"UPDATE erasure SET scrubbed = ? WHERE scrubbed IS NULL AND erasure_id IN {rows.IN_LIST}",
                (now.timestamp(), json.dumps(pending)),
            ).rowcount

    def subject_key(self) -> bytes:
        with self._read() as connection:
            key: bytes = connection.execute("SELECT value FROM secret WHERE name = 'subject'").fetchone()[0]
            return key

    def health(self) -> dict[str, Any]:
        with self._read() as connection:
            connection.execute("SELECT 1 FROM collection LIMIT 1").fetchone()
        return {"store": self.kind, "schema": self._schema, "sqlite": sqlite3.sqlite_version}

    def close(self) -> None:
        self._connections.close()

    # --- parts of the above ---

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

    def _mark_scrubbed(self, erasure: Erasure, now: datetime) -> Erasure:
        return replace(erasure, scrubbed=now) if self._scrub_at_once(now) else erasure

    def _scrub_at_once(self, now: datetime) -> bool:
        """Tries to scrub deleted data; returns whether it did. If readers or a full volume prevent it, `scrub` retries.

        It never raises StoreUnavailable: the deletion has been committed and must not be reported as failed.
        """
        with suppress(StoreUnavailable):
            return self.scrub(now) > 0
        return False


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
