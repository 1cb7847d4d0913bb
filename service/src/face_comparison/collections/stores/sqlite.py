"""The embedded store: SQLite for what must last, a copy of the vectors in the memory of each worker for searching.

Durable (WAL, synchronous FULL) and exact. Several workers of one machine may share the directory: before each search a
worker reads which faces changed since it last looked, in the same snapshot in which it then reads the results. Deleted
content is overwritten (secure_delete) and the write-ahead log is emptied within the call that deletes.
"""

from __future__ import annotations

import contextlib
import json
import queue
import secrets
import sqlite3
import threading
from collections.abc import Collection as Container
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections.stores import migrations
from face_comparison.collections.stores.base import UNCHANGED, ErasureRequest, Unchanged
from face_comparison.collections.stores.gallery import Gallery
from face_comparison.collections.values import (
    AddedFace,
    Collection,
    Erasure,
    Grouping,
    Nearest,
    Neighbor,
    Purge,
    RelativeBox,
    StoredFace,
    User,
)
from face_comparison.errors import (
    CollectionExists,
    CollectionFull,
    CollectionNotFound,
    InvalidSettings,
    StoreUnavailable,
    UserExists,
    UserNotFound,
)

FILE = "collections.db"

_PRAGMAS = ("synchronous = FULL", "secure_delete = ON", "foreign_keys = ON", "temp_store = MEMORY")
_READ_ROWS = 1024  # at once, into the copy in memory
_KEPT_CHANGES = 100_000
"""Changes that are remembered; a worker that has missed more reads its copy anew."""

_COLLECTION = "id, name, model_version, width, max_false_positive_rate, retention_days, metadata, created, face_count"
_USERS = "(SELECT count(*) FROM person WHERE collection_id = collection.id)"
"""Takes longer the more users there are, so searches do without."""
_USER = "user_id, metadata, expires, created, (SELECT count(*) FROM face WHERE face.person_id = person.id)"
_FACE = (
    "face.id, face_id, (SELECT user_id FROM person WHERE person.id = person_id), external_image_id, image_id, box,"
    " confidence, created, source_key"
)


@dataclass
class _Copy:
    """A gallery, and the last change that it contains."""

    gallery: Gallery
    seq: int


class SqliteStore:
    """See `Store`."""

    kind = "sqlite"

    def __init__(self, directory: Path, *, max_faces: int, timeout: float = 30.0) -> None:
        """Raises InvalidSettings when the directory cannot hold the database."""
        self._path = directory / FILE
        self._max_faces = max_faces
        self._timeout = timeout
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._copies: dict[int, _Copy] = {}
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)  # nobody else may read it; the files beside it take its mode
            with self._write() as connection:
                self._schema = migrations.migrate_sqlite(connection)
                connection.execute("INSERT OR IGNORE INTO secret VALUES ('subject', ?)", (secrets.token_bytes(32),))
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
                raise CollectionExists(f"the collection {collection.name} exists already") from error

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        with self._read() as connection:
            return self._find(connection, name, count_users=count_users)[1]

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        with self._read() as connection:
            rows = connection.execute(
                f"SELECT {_COLLECTION}, {_USERS} FROM collection WHERE name > ? ORDER BY name LIMIT ?",
                (after, limit),
            )
            return [_collection(row) for row in rows]

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        with self._write() as connection:
            key, _ = self._find(connection, name)
            count = self._delete_faces(connection, key, "collection_id = ?", (key,))
            connection.execute("DELETE FROM person WHERE collection_id = ?", (key,))
            connection.execute("DELETE FROM collection WHERE id = ?", (key,))
            erasure = _record(connection, name, count, request)
        with self._lock:
            self._copies.pop(key, None)
        return self._scrubbed(erasure, request.now)

    # --- users ---

    def create_user(self, collection: str, user: User) -> None:
        with self._write() as connection:
            key, _ = self._find(connection, collection)
            try:
                connection.execute(
                    "INSERT INTO person (collection_id, user_id, metadata, expires, created) VALUES (?, ?, ?, ?, ?)",
                    (key, user.user_id, json.dumps(user.metadata), _seconds(user.expires), user.created.timestamp()),
                )
            except sqlite3.IntegrityError as error:
                raise UserExists(f"the collection has a user {user.user_id} already") from error

    def get_user(self, collection: str, user_id: str) -> User:
        with self._read() as connection:
            key, _ = self._find(connection, collection)
            return self._user(connection, self._person(connection, key, user_id))

    def list_users(self, collection: str, after: str, limit: int) -> list[User]:
        with self._read() as connection:
            key, _ = self._find(connection, collection)
            rows = connection.execute(
                f"SELECT {_USER} FROM person WHERE collection_id = ? AND user_id > ? ORDER BY user_id LIMIT ?",
                (key, after, limit),
            )
            return [_user(row) for row in rows]

    def update_user(
        self,
        collection: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        with self._write() as connection:
            key, _ = self._find(connection, collection)
            person = self._person(connection, key, user_id)
            if not isinstance(metadata, Unchanged):
                connection.execute("UPDATE person SET metadata = ? WHERE id = ?", (json.dumps(metadata), person))
            if not isinstance(expires, Unchanged):
                connection.execute("UPDATE person SET expires = ? WHERE id = ?", (_seconds(expires), person))
            return self._user(connection, person)

    def delete_user(self, collection: str, user_id: str, request: ErasureRequest, *, keep_faces: bool) -> Erasure:
        with self._write() as connection:
            key, _ = self._find(connection, collection)
            person = self._person(connection, key, user_id)
            count = 0
            if keep_faces:
                self._note_changes(connection, key, "person_id = ?", (person,))
                connection.execute("UPDATE face SET person_id = NULL WHERE person_id = ?", (person,))
            else:
                count = self._delete_faces(connection, key, "person_id = ?", (person,))
            connection.execute("DELETE FROM person WHERE id = ?", (person,))
            erasure = _record(connection, collection, count, request)
        return self._scrubbed(erasure, request.now)

    # --- faces ---

    def add_faces(
        self, collection: str, faces: Sequence[StoredFace], *, reject_within: float | None = None
    ) -> list[AddedFace]:
        with self._write() as connection:
            key, found = self._find(connection, collection)
            # Before anything is written: this reads the database into the copy in memory, which must hold only what
            # is committed.
            rivals = [self._rival(connection, key, found.width, face, reject_within) for face in faces]
            count, people = found.faces, dict[str, int]()
            added = []
            for face, rival in zip(faces, rivals, strict=True):
                known = self._known_face(connection, key, face)
                if known is not None:
                    added.append(AddedFace(known, created=False))
                elif rival is not None:
                    added.append(AddedFace(None, created=False, duplicate_of=rival))
                elif count >= self._max_faces:
                    raise CollectionFull(
                        f"the collection holds {count} faces, the most that the embedded store keeps per collection "
                        f"(--collections-max-faces): export it and import it into PostgreSQL"
                    )
                else:
                    person = None if face.user_id is None else self._ensure_person(connection, key, face, people)
                    self._insert_face(connection, key, person, face)
                    added.append(AddedFace(replace(face, vector=None), created=True))
                    count += 1
            connection.execute("UPDATE collection SET face_count = ? WHERE id = ?", (count, key))
            connection.execute("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - ?", (_KEPT_CHANGES,))
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
            key, found = self._find(connection, collection)
            where, values = "collection_id = ? AND face_id > ?", [key, after]
            if user_id is not None:
                where += " AND person_id = ?"
                values.append(self._person(connection, key, user_id))
            if face_ids is not None:
                where += " AND face_id IN (SELECT value FROM json_each(?))"
                values.append(json.dumps(list(face_ids)))
            columns = f"{_FACE}, embedding" if vectors else _FACE
            rows = connection.execute(
                f"SELECT {columns} FROM face WHERE {where} ORDER BY face_id LIMIT ?",
                (*values, limit),
            )
            return [_face(row, found.width) for row in rows]

    def delete_faces(
        self, collection: str, face_ids: Sequence[str], request: ErasureRequest
    ) -> tuple[Erasure, list[str]]:
        chosen = json.dumps(list(face_ids))
        with self._write() as connection:
            key, _ = self._find(connection, collection)
            where, values = "collection_id = ? AND face_id IN (SELECT value FROM json_each(?))", (key, chosen)
            there = {row[0] for row in connection.execute(f"SELECT face_id FROM face WHERE {where}", values)}
            count = self._delete_faces(connection, key, where, values)
            erasure = _record(connection, collection, count, request)
        return self._scrubbed(erasure, request.now), [face_id for face_id in face_ids if face_id in there]

    def assign_faces(self, collection: str, face_ids: Sequence[str], user_id: str) -> list[str]:
        with self._write() as connection:
            key, _ = self._find(connection, collection)
            person = self._person(connection, key, user_id)
            return self._set_person(connection, key, face_ids, "person_id IS NULL", (), person)

    def unassign_faces(self, collection: str, face_ids: Sequence[str], user_id: str) -> list[str]:
        with self._write() as connection:
            key, _ = self._find(connection, collection)
            person = self._person(connection, key, user_id)
            return self._set_person(connection, key, face_ids, "person_id = ?", (person,), None)

    # --- searching ---

    def count_faces(
        self, collection: str, *, users: Container[str] | None = None, grouping: Grouping = "people"
    ) -> int:
        with self._read() as connection:
            key, found = self._find(connection, collection)
            people = _people(connection, key, users)
            if people is None and grouping != "users":
                return found.faces
            with self._lock:
                return self._synced(connection, key, found.width).count(people, grouping)

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
            key, found = self._find(connection, collection)
            people = _people(connection, key, users)
            with self._lock:
                gallery = self._synced(connection, key, found.width)
                ranked = gallery.nearest(np.ascontiguousarray(vectors, np.float32), limit, people, grouping)
                size = gallery.count(people, grouping)
            faces = _faces_by_key(connection, {row for one in ranked for row, _ in one}, found.width)
            return Nearest(
                # The copy may be newer than this snapshot: then a row of it is not here, as if it came a moment later.
                tuple(tuple(Neighbor(faces[row], near) for row, near in one if row in faces) for one in ranked),
                size,
                exact=True,
            )

    # --- erasure, retention, operation ---

    def get_erasure(self, erasure_id: str) -> Erasure | None:
        with self._read() as connection:
            row = connection.execute("SELECT * FROM erasure WHERE erasure_id = ?", (erasure_id,)).fetchone()
            return None if row is None else _erasure(row)

    def purge(self, now: datetime) -> list[Purge]:
        with self._write() as connection:
            rows = connection.execute(f"SELECT {_COLLECTION}, 0 FROM collection").fetchall()
            purged = [each for row in rows if (each := self._purge(connection, row[0], _collection(row), now))]
        with self._lock:  # of a collection that another worker deleted, nothing stays in this one's memory
            for key in set(self._copies) - {row[0] for row in rows}:
                del self._copies[key]
        if purged:
            self.scrub(now)
        return purged

    def scrub(self, now: datetime) -> int:
        with self._read() as connection:
            pending = [row[0] for row in connection.execute("SELECT erasure_id FROM erasure WHERE scrubbed IS NULL")]
        if not pending or not self._empty_log():
            return 0
        with self._write() as connection:
            return connection.execute(
                "UPDATE erasure SET scrubbed = ? WHERE scrubbed IS NULL"
                " AND erasure_id IN (SELECT value FROM json_each(?))",
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
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    # --- connections and transactions ---

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
            raise StoreUnavailable(
                "the store of collections cannot be used now: send the request again later"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            connection.close()
            raise sqlite3.OperationalError("the file system does not support a write-ahead log: use a local disk")
        return connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute(begin)
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _read(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        return self._transaction("BEGIN")

    def _write(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        return self._transaction("BEGIN IMMEDIATE")

    # --- rows ---

    def _find(self, connection: sqlite3.Connection, name: str, *, count_users: bool = False) -> tuple[int, Collection]:
        users = _USERS if count_users else "0"
        row = connection.execute(f"SELECT {_COLLECTION}, {users} FROM collection WHERE name = ?", (name,)).fetchone()
        if row is None:
            _no_collection(name)
        return row[0], _collection(row)

    def _person(self, connection: sqlite3.Connection, key: int, user_id: str) -> int:
        row = connection.execute(
            "SELECT id FROM person WHERE collection_id = ? AND user_id = ?", (key, user_id)
        ).fetchone()
        if row is None:
            raise UserNotFound(f"the collection has no user {user_id}")
        return int(row[0])

    def _user(self, connection: sqlite3.Connection, person: int) -> User:
        return _user(connection.execute(f"SELECT {_USER} FROM person WHERE id = ?", (person,)).fetchone())

    def _ensure_person(self, connection: sqlite3.Connection, key: int, face: StoredFace, people: dict[str, int]) -> int:
        user_id = str(face.user_id)
        if user_id not in people:
            connection.execute(
                "INSERT INTO person (collection_id, user_id, metadata, created) VALUES (?, ?, '{}', ?)"
                " ON CONFLICT DO NOTHING",
                (key, user_id, face.created.timestamp()),
            )
            people[user_id] = self._person(connection, key, user_id)
        return people[user_id]

    def _known_face(self, connection: sqlite3.Connection, key: int, face: StoredFace) -> StoredFace | None:
        row = connection.execute(
            f"SELECT {_FACE} FROM face WHERE collection_id = ?1 AND source_key = ?2"
            f" UNION SELECT {_FACE} FROM face WHERE collection_id = ?1 AND face_id = ?3 LIMIT 1",
            (key, face.source_key, face.face_id),
        ).fetchone()
        return None if row is None else _face(row, 0)

    def _insert_face(self, connection: sqlite3.Connection, key: int, person: int | None, face: StoredFace) -> None:
        vector = np.ascontiguousarray(face.vector, "<f4").tobytes()
        row = connection.execute(
            "INSERT INTO face (collection_id, face_id, person_id, source_key, external_image_id, image_id, box,"
            " confidence, created, embedding) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                face.face_id,
                person,
                face.source_key,
                face.external_image_id,
                face.image_id,
                None
                if face.box is None
                else json.dumps([face.box.left, face.box.top, face.box.width, face.box.height]),
                face.confidence,
                face.created.timestamp(),
                vector,
            ),
        ).lastrowid
        connection.execute("INSERT INTO change (collection_id, face) VALUES (?, ?)", (key, row))

    def _note_changes(self, connection: sqlite3.Connection, key: int, where: str, values: Iterable[Any]) -> None:
        connection.execute(
            f"INSERT INTO change (collection_id, face) SELECT {key}, id FROM face WHERE {where}",
            tuple(values),
        )

    def _delete_faces(self, connection: sqlite3.Connection, key: int, where: str, values: Iterable[Any]) -> int:
        values = tuple(values)
        self._note_changes(connection, key, where, values)
        count = connection.execute(f"DELETE FROM face WHERE {where}", values).rowcount
        connection.execute("UPDATE collection SET face_count = face_count - ? WHERE id = ?", (count, key))
        return count

    def _set_person(
        self,
        connection: sqlite3.Connection,
        key: int,
        face_ids: Sequence[str],
        where: str,
        values: tuple[Any, ...],
        person: int | None,
    ) -> list[str]:
        where = f"collection_id = ? AND face_id IN (SELECT value FROM json_each(?)) AND {where}"
        values = (key, json.dumps(list(face_ids)), *values)
        changed = {row[0] for row in connection.execute(f"SELECT face_id FROM face WHERE {where}", values)}
        self._note_changes(connection, key, where, values)
        connection.execute(f"UPDATE face SET person_id = ? WHERE {where}", (person, *values))
        return [face_id for face_id in face_ids if face_id in changed]

    def _purge(self, connection: sqlite3.Connection, key: int, collection: Collection, now: datetime) -> Purge | None:
        request = ErasureRequest(migrations.new_id(), "", now, None)
        expired = "SELECT id FROM person WHERE collection_id = ? AND expires <= ?"
        values: list[Any] = [key, now.timestamp()]
        faces = self._delete_faces(connection, key, f"person_id IN ({expired})", values)
        users = connection.execute(f"DELETE FROM person WHERE id IN ({expired})", values).rowcount
        if collection.retention_days is not None:
            values = [key, (now - timedelta(days=collection.retention_days)).timestamp()]
            faces += self._delete_faces(connection, key, "collection_id = ? AND created <= ?", values)
            users += connection.execute(
                "DELETE FROM person WHERE collection_id = ? AND created <= ?"
                " AND NOT EXISTS (SELECT 1 FROM face WHERE face.person_id = person.id)",
                values,
            ).rowcount
        if not faces and not users:
            return None
        _record(connection, collection.name, faces, request)
        return Purge(collection.name, faces, users, request.erasure_id)

    # --- the copy in memory ---

    def _rival(
        self, connection: sqlite3.Connection, key: int, width: int, face: StoredFace, within: float | None
    ) -> Neighbor | None:
        """The nearest face of another user, if it is at most `within` away."""
        if within is None or face.vector is None:
            return None
        with self._lock:
            ranked = self._synced(connection, key, width).nearest(face.vector[None], 2, None, "users")[0]
        faces = _faces_by_key(connection, {row for row, _ in ranked}, width)
        for row, distance in ranked:
            if row in faces and faces[row].user_id != face.user_id and distance <= within:
                return Neighbor(faces[row], distance)
        return None

    def _synced(self, connection: sqlite3.Connection, key: int, width: int) -> Gallery:
        """The copy of a collection, as of the connection's transaction. The caller holds the lock."""
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
            # A connection whose snapshot is older than another thread's: what it does not see yet does no harm, because
            # results are read from the database, and what it misses was deleted by others.
            return copy.gallery
        copy.seq = last
        self._copies[key] = copy
        return copy.gallery

    # --- scrubbing ---

    def _scrubbed(self, erasure: Erasure, now: datetime) -> Erasure:
        """The erasure after an attempt to scrub at once; where readers are in the way, `scrub` does it later."""
        return replace(erasure, scrubbed=now) if self.scrub(now) else erasure

    def _empty_log(self) -> bool:
        """Write the whole log into the database and cut it to nothing; False while somebody reads from it."""
        with self._connection() as connection:
            return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


def _apply_changes(connection: sqlite3.Connection, key: int, copy: _Copy) -> None:
    changed = "SELECT face FROM change WHERE seq > ? AND collection_id = ?"
    values = (copy.seq, key)
    noted = np.unique(np.array([row[0] for row in connection.execute(changed, values)], np.int64))
    present: list[int] = []
    new = []
    for row, person in connection.execute(
        f"SELECT id, person_id FROM face WHERE id IN ({changed}) ORDER BY id",
        values,
    ):
        present.append(row)
        new.append(person or 0)
    rows, people = np.array(present, np.int64), np.array(new, np.int64)
    copy.gallery.remove(np.setdiff1d(noted, rows))
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


def _people(connection: sqlite3.Connection, key: int, users: Container[str] | None) -> NDArray[np.int64] | None:
    if users is None:
        return None
    rows = connection.execute(
        "SELECT id FROM person WHERE collection_id = ? AND user_id IN (SELECT value FROM json_each(?))",
        (key, json.dumps(list(users))),
    )
    return np.array([row[0] for row in rows], np.int64)


def _faces_by_key(connection: sqlite3.Connection, keys: Iterable[int], width: int) -> dict[int, StoredFace]:
    rows = connection.execute(
        f"SELECT {_FACE} FROM face WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    )
    return {row[0]: _face(row, width) for row in rows}


def _record(connection: sqlite3.Connection, collection: str, faces: int, request: ErasureRequest) -> Erasure:
    erasure = Erasure(request.erasure_id, collection, request.subject, faces, request.now, None, request.backups_until)
    connection.execute(
        "INSERT INTO erasure VALUES (?, ?, ?, ?, ?, NULL, ?)",
        (
            erasure.erasure_id,
            collection,
            erasure.subject,
            faces,
            request.now.timestamp(),
            _seconds(request.backups_until),
        ),
    )
    return erasure


def _collection(row: tuple[Any, ...]) -> Collection:
    _, name, version, width, rate, retention, metadata, created, faces, users = row
    return Collection(name, version, width, rate, retention, json.loads(metadata), _time(created), faces, users)


def _user(row: tuple[Any, ...]) -> User:
    user_id, metadata, expires, created, faces = row
    return User(user_id, json.loads(metadata), None if expires is None else _time(expires), _time(created), faces)


def _face(row: tuple[Any, ...], width: int) -> StoredFace:
    """width: of the vector, where the row has one."""
    _, face_id, user_id, external, image_id, box, confidence, created, source_key, *vector = row
    return StoredFace(
        face_id=face_id,
        user_id=user_id,
        external_image_id=external,
        image_id=image_id,
        box=None if box is None else RelativeBox(*json.loads(box)),
        confidence=confidence,
        created=_time(created),
        source_key=source_key,
        vector=np.frombuffer(vector[0], "<f4", width) if vector else None,
    )


def _erasure(row: tuple[Any, ...]) -> Erasure:
    erasure_id, collection, subject, faces, deleted, scrubbed, until = row
    return Erasure(
        erasure_id,
        collection,
        subject,
        faces,
        _time(deleted),
        None if scrubbed is None else _time(scrubbed),
        None if until is None else _time(until),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _no_collection(name: str) -> NoReturn:
    raise CollectionNotFound(f"there is no collection {name}")
