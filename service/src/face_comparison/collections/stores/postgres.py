"""The store for PostgreSQL with pgvector. Searches run in the database, so pods are stateless.

Searches are exact unless `--collections-index hnsw` enables an approximate index. Every change of a collection's faces
first locks the collection's row, which keeps counts correct and prevents deadlocks. The schema is migrated on the first
connection, under an advisory lock.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Container
from datetime import datetime, timedelta
from typing import Any

import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from face_comparison.collections.stores import columns, migrations
from face_comparison.collections.stores import postgres_rows as rows
from face_comparison.collections.stores.base import (
    TOKEN_LIFETIME,
    UNCHANGED,
    ErasureRequest,
    RequestToken,
    Unchanged,
)
from face_comparison.collections.stores.postgres_connections import (
    Connection,
    Connections,
    pgvector_version,
    scalar,
)
from face_comparison.collections.stores.postgres_search import (
    approximately_nearest,
    build_index,
    has_valid_index,
    index_name,
    nearest,
)
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
from face_comparison.errors import CollectionNotFound, StoreUnavailable

SCRUB_LOCK, INDEX_LOCK = 7_014_312_092, 7_014_312_093  # arbitrary numbers that other programs do not use
LARGE_TABLE_BYTES = 2**30
LARGE_TABLE_SCRUB_DELAY = timedelta(days=1)
"""How long scrubbing a large table is delayed. Rewriting a table locks it: small tables are rewritten immediately, in a
few seconds, and large ones at most once a day."""

_NOT_REMOVABLE = re.compile(r"([1-9]\d*) dead row versions? cannot be removed")


class PostgresStore:
    """See `Store`."""

    kind = "postgresql"

    def __init__(
        self,
        read_url: Callable[[], str],
        *,
        timeout: float,
        connections: int,
        index: str = "exact",
        create: bool = True,
    ) -> None:
        """See `Connections` for the arguments; `index` is `exact` or `hnsw`."""
        approximate = index == "hnsw"
        self._connections = Connections(
            read_url, timeout=timeout, size=connections, approximate=approximate, create=create
        )
        self._connection, self._transaction = self._connections.connection, self._connections.transaction
        self._indexed: set[int] = set()

    # --- collections ---

    def create_collection(self, collection: Collection) -> None:
        with self._transaction() as connection:
            row = connection.execute(
                "INSERT INTO collection (name, model_version, width, max_false_positive_rate, retention_days, metadata,"
                " created) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
                (
                    collection.name,
                    collection.model_version,
                    collection.width,
                    collection.max_false_positive_rate,
                    collection.retention_days,
                    Jsonb(collection.metadata),
                    collection.created,
                ),
            ).fetchone()
            if row is None:
                raise columns.collection_exists(collection.name)

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        with self._connection() as connection:
            return rows.find(connection, name, count_users=count_users)[1]

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        with self._connection() as connection:
            found = connection.execute(
                f"SELECT {columns.COLLECTION}, {columns.COUNT_USERS} FROM collection WHERE name > %s"
                " ORDER BY name LIMIT %s",
                (after, limit),
            )
            return [rows.read_collection(row) for row in found]

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        with self._transaction() as connection:
            key, _ = rows.find(connection, name, lock=True)
            count = connection.execute("DELETE FROM face WHERE collection_id = %s", (key,)).rowcount
            connection.execute("DELETE FROM person WHERE collection_id = %s", (key,))
            connection.execute("DELETE FROM collection WHERE id = %s", (key,))
            connection.execute(f"DROP INDEX IF EXISTS {index_name(key)}")
            return rows.record(connection, name, count, request)

    # --- users ---

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

    # --- faces ---

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
            there = {row[0] for row in changed}
            count = rows.delete_faces(connection, key, where, (key, list(face_ids)))
            return rows.record(connection, collection, count, request), [each for each in face_ids if each in there]

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
            there = {row[0] for row in changed}
            return [each for each in face_ids if each in there]

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
            there = {row[0] for row in changed}
            return [each for each in face_ids if each in there]

    # --- searching ---

    def count_faces(
        self, collection: str, *, users: Container[str] | None = None, grouping: Grouping = "people"
    ) -> int:
        with self._connection() as connection:
            key, found = rows.find(connection, collection)
            return rows.count(connection, key, found.faces, users, grouping == "users")

    def nearest(
        self,
        collection: str,
        vectors: NDArray[Any],
        *,
        limit: int,
        users: Container[str] | None = None,
        grouping: Grouping = "people",
    ) -> Nearest:
        with self._connection() as connection:
            key, found = rows.find(connection, collection)
            exact = users is not None or key not in self._indexed
            neighbors = tuple(
                tuple(nearest(connection, key, vector, limit, users, grouping))
                if exact
                else tuple(approximately_nearest(connection, key, vector, limit, grouping))
                for vector in vectors
            )
            return Nearest(neighbors, rows.count(connection, key, found.faces, users, grouping == "users"), exact)

    # --- erasure, retention, operation ---

    def get_erasure(self, erasure_id: str) -> Erasure | None:
        with self._connection() as connection:
            row = connection.execute(
                f"SELECT {columns.ERASURE} FROM erasure WHERE erasure_id = %s",
                (erasure_id,),
            ).fetchone()
            return None if row is None else Erasure(str(row[0]), *row[1:])

    def purge(self, now: datetime) -> list[Purge]:
        with self._connection() as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM collection ORDER BY name")]
            connection.execute("DELETE FROM request_token WHERE created <= %s", (now - TOKEN_LIFETIME,))
        purged: list[Purge] = []
        try:
            for name in names:
                if (each := self._purge(name, now)) is not None:
                    purged.append(each)
            self._build_indexes()
        except StoreUnavailable:
            if not purged:
                raise
            # Report what has been committed; the next call continues.
        return purged

    def scrub(self, now: datetime) -> int:
        with self._connection() as connection:
            row = connection.execute(
                "SELECT min(deleted), pg_total_relation_size('face') FROM erasure WHERE scrubbed IS NULL"
            ).fetchone()
        if row is None or row[0] is None:
            return 0
        if row[1] > LARGE_TABLE_BYTES and now - row[0] < LARGE_TABLE_SCRUB_DELAY:
            return 0
        with self._connections.dedicated() as connection:
            if not scalar(connection, "SELECT pg_try_advisory_lock(%s)", SCRUB_LOCK):
                return 0
            try:
                return _rewrite_faces(connection, now)
            except psycopg.errors.LockNotAvailable:
                return 0  # searches hold a lock on the table; the next call tries again

    def subject_key(self) -> bytes:
        with self._connection() as connection:
            return bytes(scalar(connection, "SELECT value FROM secret WHERE name = 'subject'"))

    def health(self) -> dict[str, Any]:
        with self._connection() as connection:
            return {
                "store": self.kind,
                "schema": self._connections.schema,
                "postgresql": str(scalar(connection, "SHOW server_version")),
                "pgvector": str(pgvector_version(connection)),
            }

    def close(self) -> None:
        self._connections.close()

    # --- parts of the above ---

    def _purge(self, name: str, now: datetime) -> Purge | None:
        with self._transaction() as connection:
            try:
                key, collection = rows.find(connection, name, lock=True)
            except CollectionNotFound:
                return None
            expired = "SELECT id FROM person WHERE collection_id = %s AND expires <= %s"
            faces = rows.delete_faces(connection, key, f"person_id IN ({expired})", (key, now))
            users = connection.execute(f"DELETE FROM person WHERE id IN ({expired})", (key, now)).rowcount
            if collection.retention_days is not None:
                oldest = now - timedelta(days=collection.retention_days)
                faces += rows.delete_faces(connection, key, "collection_id = %s AND created <= %s", (key, oldest))
                users += connection.execute(
                    "DELETE FROM person WHERE collection_id = %s AND created <= %s"
                    " AND NOT EXISTS (SELECT 1 FROM face WHERE face.person_id = person.id)",
                    (key, oldest),
                ).rowcount
            if not faces and not users:
                return None
            request = ErasureRequest(migrations.new_id(), "", now, None)
            rows.record(connection, name, faces, request)
            return Purge(name, faces, users, request.erasure_id)

    def _build_indexes(self) -> None:
        """Builds missing approximate indexes, if they are enabled.

        This is part of `purge`, a background task, because it reads all faces and takes hours for a large collection.
        Until an index has been built, searches are exact.
        """
        if not self._connections.approximate:
            return
        with self._connections.dedicated() as connection:
            found = dict(connection.execute("SELECT id, width FROM collection").fetchall())
            self._indexed = {key for key in found if has_valid_index(connection, key)}
            missing = set(found) - self._indexed
            if not missing or not scalar(connection, "SELECT pg_try_advisory_lock(%s)", INDEX_LOCK):
                return
            for key in sorted(missing):
                build_index(connection, key, found[key])
                self._indexed.add(key)


def _rewrite_faces(connection: Connection, now: datetime) -> int:
    """Rewrites the table of faces without deleted rows; returns the number of erasures completed."""
    kept: list[str] = []
    connection.add_notice_handler(lambda notice: kept.append(notice.message_detail or ""))
    before = str(scalar(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())"))
    connection.execute("SET lock_timeout = '3s'")
    connection.execute("VACUUM (FULL, VERBOSE) face")
    if any(_NOT_REMOVABLE.search(detail) for detail in kept):
        return 0  # another transaction, such as a dump, still sees the deleted rows
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT pg_switch_wal()")  # so that the WAL with the deleted rows is soon recycled
    return connection.execute(
        "UPDATE erasure SET scrubbed = %s WHERE scrubbed IS NULL AND xid < %s::xid8", (now, before)
    ).rowcount


def _rival(connection: Connection, key: int, face: StoredFace, within: float | None) -> Neighbor | None:
    """Returns the nearest face of another user within this distance, if any."""
    if within is None or face.vector is None:
        return None
    return columns.nearest_rival(face, nearest(connection, key, face.vector, 2, None, "users"), within)
