"""PostgreSQL with pgvector: searched in the database, so that pods keep no state and see each other's changes at once.

Searches are exact unless `--collections-index hnsw` asks for an approximate index. Every change of a collection's faces
locks the collection's row first, which makes counts right and deadlocks impossible. The connections are a pool's; the
schema is migrated on the first connection, under an advisory lock.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import threading
import time
from collections.abc import Collection as Container
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from face_comparison.collections.stores import migrations
from face_comparison.collections.stores.base import UNCHANGED, ErasureRequest, Unchanged
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
    CollectionNotFound,
    StoreUnavailable,
    UserExists,
    UserNotFound,
)

Connection = psycopg.Connection[tuple[Any, ...]]

SCHEMA = "face_comparison"
MIGRATION_LOCK, SCRUB_LOCK = 7_014_312_091, 7_014_312_092  # any numbers that other programs do not use
SAFE_HNSW = (0, 8, 4)
"""pgvector before 0.8.4 could leave an HNSW index corrupt after vacuuming (its changelog, 0.8.3 and 0.8.4)."""

LARGE_TABLE_BYTES = 2**30
LARGE_TABLE_SCRUB_DELAY = timedelta(days=1)
"""Rewriting a table locks it: a small one for less than a few seconds at once, a large one at most once a day."""

_CONNECT_SECONDS = 5
_RETRY_SECONDS = 1.0
_EF_SEARCH = 200
_UNAVAILABLE = "the store of collections cannot be reached now: send the request again later"
_NOT_REMOVABLE = re.compile(r"([1-9]\d*) dead row versions? cannot be removed")

_COLLECTION = "id, name, model_version, width, max_false_positive_rate, retention_days, metadata, created, face_count"
_USERS = "(SELECT count(*) FROM person WHERE collection_id = collection.id)"
"""Takes longer the more users there are, so searches do without."""
_USER = "user_id, metadata, expires, created, (SELECT count(*) FROM face WHERE face.person_id = person.id)"
_FACE = "face_id, {user}, external_image_id, image_id, box, confidence, created, source_key"
_STORED = _FACE.format(user="(SELECT user_id FROM person WHERE person.id = person_id)")

_log = logging.getLogger(__name__)


class PostgresStore:
    """See `Store`."""

    kind = "postgresql"

    def __init__(self, url: str, *, timeout: float, connections: int, index: str = "exact") -> None:
        self._url = url
        self._timeout = timeout
        self._connections = connections
        self._approximate = index == "hnsw"
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None
        self._indexed: set[int] = set()
        self._schema = 0
        self._retry_at = 0.0

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
                raise CollectionExists(f"the collection {collection.name} exists already")
        self._build_indexes()

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        with self._connection() as connection:
            return _find(connection, name, count_users=count_users)[1]

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        with self._connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLLECTION}, {_USERS} FROM collection WHERE name > %s ORDER BY name LIMIT %s",
                (after, limit),
            )
            return [_collection(row) for row in rows]

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        with self._transaction() as connection:
            key, _ = _find(connection, name, lock=True)
            count = connection.execute("DELETE FROM face WHERE collection_id = %s", (key,)).rowcount
            connection.execute("DELETE FROM person WHERE collection_id = %s", (key,))
            connection.execute("DELETE FROM collection WHERE id = %s", (key,))
            connection.execute(f"DROP INDEX IF EXISTS {_index_name(key)}")
            return _record(connection, name, count, request)

    # --- users ---

    def create_user(self, collection: str, user: User) -> None:
        with self._transaction() as connection:
            key, _ = _find(connection, collection)
            count = connection.execute(
                "INSERT INTO person (collection_id, user_id, metadata, expires, created) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (key, user.user_id, Jsonb(user.metadata), user.expires, user.created),
            ).rowcount
            if not count:
                raise UserExists(f"the collection has a user {user.user_id} already")

    def get_user(self, collection: str, user_id: str) -> User:
        with self._connection() as connection:
            key, _ = _find(connection, collection)
            return _user_row(connection, _person(connection, key, user_id))

    def list_users(self, collection: str, after: str, limit: int) -> list[User]:
        with self._connection() as connection:
            key, _ = _find(connection, collection)
            rows = connection.execute(
                f"SELECT {_USER} FROM person WHERE collection_id = %s AND user_id > %s ORDER BY user_id LIMIT %s",
                (key, after, limit),
            )
            return [User(*row) for row in rows]

    def update_user(
        self,
        collection: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        with self._transaction() as connection:
            key, _ = _find(connection, collection)
            person = _person(connection, key, user_id)
            if not isinstance(metadata, Unchanged):
                connection.execute("UPDATE person SET metadata = %s WHERE id = %s", (Jsonb(metadata), person))
            if not isinstance(expires, Unchanged):
                connection.execute("UPDATE person SET expires = %s WHERE id = %s", (expires, person))
            return _user_row(connection, person)

    def delete_user(self, collection: str, user_id: str, request: ErasureRequest, *, keep_faces: bool) -> Erasure:
        with self._transaction() as connection:
            key, _ = _find(connection, collection, lock=True)
            person = _person(connection, key, user_id)
            count = 0
            if keep_faces:
                connection.execute("UPDATE face SET person_id = NULL WHERE person_id = %s", (person,))
            else:
                count = _delete_faces(connection, key, "person_id = %s", (person,))
            connection.execute("DELETE FROM person WHERE id = %s", (person,))
            return _record(connection, collection, count, request)

    # --- faces ---

    def add_faces(
        self, collection: str, faces: Sequence[StoredFace], *, reject_within: float | None = None
    ) -> list[AddedFace]:
        with self._transaction() as connection:
            key, _ = _find(connection, collection, lock=True)
            known = _known_faces(connection, key, faces)
            added: list[AddedFace] = []
            new: list[StoredFace] = []
            for face in faces:
                stored = known.get(face.source_key) or known.get(face.face_id)
                rival = None if stored is not None else self._rival(connection, key, face, reject_within)
                if stored is not None:
                    added.append(AddedFace(stored, created=False))
                elif rival is not None:
                    added.append(AddedFace(None, created=False, duplicate_of=rival))
                else:
                    new.append(face)
                    stored = replace(face, vector=None)
                    known[face.source_key] = known[face.face_id] = stored  # a face given twice is enrolled once
                    added.append(AddedFace(stored, created=True))
            if new:
                _insert_faces(connection, key, new)
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
            key, _ = _find(connection, collection)
            where = "collection_id = %s"
            values: list[Any] = [key]
            if after:
                where += " AND face_id > %s::uuid"
                values.append(after)
            if user_id is not None:
                where += " AND person_id = %s"
                values.append(_person(connection, key, user_id))
            if face_ids is not None:
                where += " AND face_id = ANY(%s::uuid[])"
                values.append(list(face_ids))
            columns = f"{_STORED}, embedding" if vectors else _STORED
            rows = connection.execute(
                f"SELECT {columns} FROM face WHERE {where} ORDER BY face_id LIMIT %s",
                (*values, limit),
                binary=vectors,
            )
            return [_face(row) for row in rows]

    def delete_faces(
        self, collection: str, face_ids: Sequence[str], request: ErasureRequest
    ) -> tuple[Erasure, list[str]]:
        with self._transaction() as connection:
            key, _ = _find(connection, collection, lock=True)
            where = "collection_id = %s AND face_id = ANY(%s::uuid[])"
            rows = connection.execute(
                f"SELECT face_id::text FROM face WHERE {where}",
                (key, list(face_ids)),
            )
            there = {row[0] for row in rows}
            count = _delete_faces(connection, key, where, (key, list(face_ids)))
            return _record(connection, collection, count, request), [each for each in face_ids if each in there]

    def assign_faces(self, collection: str, face_ids: Sequence[str], user_id: str) -> list[str]:
        with self._transaction() as connection:
            key, _ = _find(connection, collection, lock=True)
            person = _person(connection, key, user_id)
            rows = connection.execute(
                "UPDATE face SET person_id = %s WHERE collection_id = %s AND face_id = ANY(%s::uuid[])"
                " AND person_id IS NULL RETURNING face_id::text",
                (person, key, list(face_ids)),
            )
            changed = {row[0] for row in rows}
            return [each for each in face_ids if each in changed]

    def unassign_faces(self, collection: str, face_ids: Sequence[str], user_id: str) -> list[str]:
        with self._transaction() as connection:
            key, _ = _find(connection, collection, lock=True)
            person = _person(connection, key, user_id)
            rows = connection.execute(
                "UPDATE face SET person_id = NULL WHERE collection_id = %s AND face_id = ANY(%s::uuid[])"
                " AND person_id = %s RETURNING face_id::text",
                (key, list(face_ids), person),
            )
            changed = {row[0] for row in rows}
            return [each for each in face_ids if each in changed]

    # --- searching ---

    def count_faces(
        self, collection: str, *, users: Container[str] | None = None, grouping: Grouping = "people"
    ) -> int:
        with self._connection() as connection:
            key, found = _find(connection, collection)
            return _count(connection, key, found.faces, users, grouping)

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
            key, found = _find(connection, collection)
            exact = users is not None or key not in self._indexed
            neighbors = tuple(
                tuple(_nearest(connection, key, vector, limit, users, grouping))
                if exact
                else tuple(_approximately_nearest(connection, key, vector, limit, grouping))
                for vector in vectors
            )
            return Nearest(neighbors, _count(connection, key, found.faces, users, grouping), exact)

    # --- erasure, retention, operation ---

    def get_erasure(self, erasure_id: str) -> Erasure | None:
        with self._connection() as connection:
            row = connection.execute(
                "SELECT erasure_id::text, collection, subject, faces, deleted, scrubbed, backups_until FROM erasure"
                " WHERE erasure_id = %s",
                (erasure_id,),
            ).fetchone()
            return None if row is None else Erasure(*row)

    def purge(self, now: datetime) -> list[Purge]:
        with self._connection() as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM collection ORDER BY name")]
        purged = [each for name in names if (each := self._purge(name, now)) is not None]
        self._build_indexes()
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
        with self._mapped_errors(), self._connect() as connection:
            if not _scalar(connection, "SELECT pg_try_advisory_lock(%s)", SCRUB_LOCK):
                return 0
            try:
                return _rewrite_faces(connection, now)
            except psycopg.errors.LockNotAvailable:
                return 0  # searches are running all the time: the next call tries again

    def subject_key(self) -> bytes:
        with self._connection() as connection:
            return bytes(_scalar(connection, "SELECT value FROM secret WHERE name = 'subject'"))

    def health(self) -> dict[str, Any]:
        with self._connection() as connection:
            return {
                "store": self.kind,
                "schema": self._schema,
                "postgresql": str(_scalar(connection, "SHOW server_version")),
                "pgvector": str(_scalar(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")),
            }

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    # --- connections ---

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if time.monotonic() < self._retry_at:
            raise StoreUnavailable(_UNAVAILABLE)
        with self._mapped_errors(), ExitStack() as stack:
            try:
                connection = stack.enter_context(self._opened().connection())
            except (psycopg.OperationalError, StoreUnavailable):
                # Others need not wait for the same: they hold threads that detection and comparison need.
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                raise
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            # Not the message: it may quote values.
            state = getattr(error, "sqlstate", None)
            _log.warning("the store of collections failed: %s %s", type(error).__name__, state or "")
            raise StoreUnavailable(_UNAVAILABLE) from error

    def _opened(self) -> ConnectionPool[Connection]:
        """The pool; the first call migrates the schema."""
        with self._lock:
            if self._pool is None:
                self._migrate()
                pool = ConnectionPool(
                    self._url,
                    connection_class=Connection,
                    min_size=1,
                    max_size=self._connections,
                    open=False,
                    timeout=min(self._timeout, _CONNECT_SECONDS),
                    configure=self._configure,
                    check=ConnectionPool.check_connection,
                    kwargs=self._arguments,
                    name="collections",
                )
                pool.open()
                self._pool = pool
            return self._pool

    @property
    def _arguments(self) -> dict[str, Any]:
        return {"autocommit": True, "connect_timeout": _CONNECT_SECONDS, "target_session_attrs": "read-write"}

    def _connect(self) -> Connection:
        return _with_search_path(psycopg.connect(self._url, **self._arguments))

    def _configure(self, connection: Connection) -> None:
        _with_search_path(connection)
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (str(int(1000 * self._timeout)),))
        register_vector(connection)

    def _migrate(self) -> None:
        with psycopg.connect(self._url, **self._arguments) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            if not _scalar(connection, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'"):
                try:
                    connection.execute("CREATE EXTENSION vector")
                except psycopg.Error as error:
                    raise StoreUnavailable(
                        "the database of collections has no pgvector: let an administrator run CREATE EXTENSION vector"
                    ) from error
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            _with_search_path(connection)
            try:
                self._schema = _migrate_schema(connection)
            except migrations.SchemaTooNew as error:
                raise StoreUnavailable(str(error)) from error
            self._check_index_support(connection)

    def _check_index_support(self, connection: Connection) -> None:
        version = str(_scalar(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'"))
        if self._approximate and not is_hnsw_safe(version):
            _log.warning(
                "pgvector %s has known faults in its HNSW index (fixed in %s): searching exactly",
                version,
                ".".join(map(str, SAFE_HNSW)),
            )
            self._approximate = False

    # --- parts of the above ---

    def _rival(self, connection: Connection, key: int, face: StoredFace, within: float | None) -> Neighbor | None:
        """The nearest face of another user, if it is at most `within` away."""
        if within is None or face.vector is None:
            return None
        others = _nearest(connection, key, face.vector, 2, None, "users")
        return next((each for each in others if each.face.user_id != face.user_id and each.distance <= within), None)

    def _purge(self, name: str, now: datetime) -> Purge | None:
        with self._transaction() as connection:
            try:
                key, collection = _find(connection, name, lock=True)
            except CollectionNotFound:
                return None
            expired = "SELECT id FROM person WHERE collection_id = %s AND expires <= %s"
            faces = _delete_faces(connection, key, f"person_id IN ({expired})", (key, now))
            users = connection.execute(f"DELETE FROM person WHERE id IN ({expired})", (key, now)).rowcount
            if collection.retention_days is not None:
                oldest = now - timedelta(days=collection.retention_days)
                faces += _delete_faces(connection, key, "collection_id = %s AND created <= %s", (key, oldest))
                users += connection.execute(
                    "DELETE FROM person WHERE collection_id = %s AND created <= %s"
                    " AND NOT EXISTS (SELECT 1 FROM face WHERE face.person_id = person.id)",
                    (key, oldest),
                ).rowcount
            if not faces and not users:
                return None
            request = ErasureRequest(migrations.new_id(), "", now, None)
            _record(connection, name, faces, request)
            return Purge(name, faces, users, request.erasure_id)

    def _build_indexes(self) -> None:
        """Make the approximate index of every collection that has none yet; nothing unless it was asked for."""
        if not self._approximate:
            return
        with self._connection() as connection:
            for key, width in connection.execute("SELECT id, width FROM collection").fetchall():
                if key in self._indexed:
                    continue
                connection.execute(
                    f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_index_name(key)} ON face USING hnsw"
                    f" ((embedding::vector({width})) vector_l2_ops) WHERE collection_id = {key}"
                )
                valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass"
                if _scalar(connection, valid, _index_name(key)):
                    self._indexed.add(key)


def is_hnsw_safe(version: str) -> bool:
    """Whether this version of pgvector has no known corruption of its HNSW index."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3]) >= SAFE_HNSW


def _migrate_schema(connection: Connection) -> int:
    known = migrations.scripts("postgres")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL, oldest_reader integer)")
    row = connection.execute("SELECT version, oldest_reader FROM schema_version").fetchone()
    found = 0 if row is None else int(row[0])
    if row is not None:
        migrations.check_version(found, row[1], len(known))
    if found >= len(known):
        return found
    for script in known[found:]:
        connection.execute(script)
    connection.execute("DELETE FROM schema_version")
    connection.execute("INSERT INTO schema_version VALUES (%s, %s)", (len(known), migrations.OLDEST_READER))
    connection.execute("INSERT INTO secret VALUES ('subject', %s) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),))
    return len(known)


def _with_search_path(connection: Connection) -> Connection:
    """Names mean ours, and the operators of pgvector are found wherever an administrator has installed it."""
    connection.execute(
        "SELECT set_config('search_path', concat_ws(', ', %s::text, (SELECT quote_ident(nspname) FROM pg_extension"
        " JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector')), false)",
        (SCHEMA,),
    )
    return connection


def _scalar(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values or None).fetchone()
    return None if row is None else row[0]


def _find(
    connection: Connection, name: str, *, lock: bool = False, count_users: bool = False
) -> tuple[int, Collection]:
    if lock:
        connection.execute("SELECT 1 FROM collection WHERE name = %s FOR UPDATE", (name,))
    users = _USERS if count_users else "0"
    row = connection.execute(f"SELECT {_COLLECTION}, {users} FROM collection WHERE name = %s", (name,)).fetchone()
    if row is None:
        raise CollectionNotFound(f"there is no collection {name}")
    return row[0], _collection(row)


def _person(connection: Connection, key: int, user_id: str) -> int:
    person = _scalar(connection, "SELECT id FROM person WHERE collection_id = %s AND user_id = %s", key, user_id)
    if person is None:
        raise UserNotFound(f"the collection has no user {user_id}")
    return int(person)


def _user_row(connection: Connection, person: int) -> User:
    row = connection.execute(f"SELECT {_USER} FROM person WHERE id = %s", (person,)).fetchone()
    if row is None:
        raise UserNotFound("the user was deleted meanwhile")
    return User(*row)


def _known_faces(connection: Connection, key: int, faces: Sequence[StoredFace]) -> dict[bytes | str, StoredFace]:
    """Stored faces with the source_key or face_id of one of these, by both."""
    rows = connection.execute(
        f"SELECT {_STORED} FROM face WHERE collection_id = %s AND source_key = ANY(%s)"
        f" UNION ALL SELECT {_STORED} FROM face WHERE collection_id = %s AND face_id = ANY(%s::uuid[])",
        (key, [face.source_key for face in faces], key, [face.face_id for face in faces]),
    )
    known: dict[bytes | str, StoredFace] = {}
    for row in rows:
        face = _face(row)
        known[face.source_key] = known[face.face_id] = face
    return known


def _insert_faces(connection: Connection, key: int, faces: Sequence[StoredFace]) -> None:
    created = {face.user_id: face.created for face in faces if face.user_id is not None}
    people: dict[str | None, int | None] = {None: None}
    if created:
        connection.execute(
            "INSERT INTO person (collection_id, user_id, metadata, created)"
            " SELECT %s, user_id, '{}', created FROM unnest(%s::text[], %s::timestamptz[]) AS new (user_id, created)"
            " ON CONFLICT DO NOTHING",
            (key, list(created), list(created.values())),
        )
        rows = connection.execute(
            "SELECT user_id, id FROM person WHERE collection_id = %s AND user_id = ANY(%s)", (key, list(created))
        )
        people.update(rows.fetchall())
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO face VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    key,
                    face.face_id,
                    people[face.user_id],
                    face.source_key,
                    face.external_image_id,
                    face.image_id,
                    None if face.box is None else Jsonb([face.box.left, face.box.top, face.box.width, face.box.height]),
                    face.confidence,
                    face.created,
                    np.asarray(face.vector, np.float32),
                )
                for face in faces
            ],
        )
    connection.execute("UPDATE collection SET face_count = face_count + %s WHERE id = %s", (len(faces), key))


def _delete_faces(connection: Connection, key: int, where: str, values: tuple[Any, ...]) -> int:
    count = connection.execute(f"DELETE FROM face WHERE {where}", values).rowcount
    connection.execute("UPDATE collection SET face_count = face_count - %s WHERE id = %s", (count, key))
    return count


def _record(connection: Connection, collection: str, faces: int, request: ErasureRequest) -> Erasure:
    connection.execute(
        "INSERT INTO erasure (erasure_id, collection, subject, faces, deleted, backups_until)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (request.erasure_id, collection, request.subject, faces, request.now, request.backups_until),
    )
    return Erasure(request.erasure_id, collection, request.subject, faces, request.now, None, request.backups_until)


def _count(connection: Connection, key: int, faces: int, users: Container[str] | None, grouping: Grouping) -> int:
    if users is not None:
        query = (
            "SELECT count(*) FROM face JOIN person ON person.id = person_id"
            " WHERE person.collection_id = %s AND user_id = ANY(%s)"
        )
        return int(_scalar(connection, query, key, list(users)))
    if grouping == "users":
        return int(
            _scalar(connection, "SELECT count(*) FROM face WHERE collection_id = %s AND person_id IS NOT NULL", key)
        )
    return faces


def _nearest(
    connection: Connection,
    key: int,
    vector: NDArray[Any],
    limit: int,
    users: Container[str] | None,
    grouping: Grouping,
) -> list[Neighbor]:
    where = "collection_id = %s"
    values: list[Any] = [key]
    if users is not None:
        where += " AND person_id IN (SELECT id FROM person WHERE collection_id = %s AND user_id = ANY(%s))"
        values += [key, list(users)]
    elif grouping == "users":
        where += " AND person_id IS NOT NULL"
    size = limit if grouping == "faces" else max(32, 4 * limit)
    while True:
        # One expression for distance and order, or it would be computed twice; names only for what is returned.
        rows = connection.execute(
            f"SELECT {_FACE.format(user='user_id')}, distance FROM (SELECT *, embedding <-> %s AS distance FROM face"
            f" WHERE {where} ORDER BY distance, face_id LIMIT %s) AS face"
            " LEFT JOIN (SELECT id, user_id FROM person) AS person ON person.id = person_id"
            " ORDER BY distance, face_id",
            (np.asarray(vector, np.float32), *values, size),
        ).fetchall()
        found = _first_of_each(rows, grouping)
        if len(found) >= limit or len(rows) < size:
            return found[:limit]
        size *= 4


def _approximately_nearest(
    connection: Connection, key: int, vector: NDArray[Any], limit: int, grouping: Grouping
) -> list[Neighbor]:
    where = f"collection_id = {key}" + (" AND person_id IS NOT NULL" if grouping == "users" else "")
    distance = f"embedding::vector({len(vector)}) <-> %s"
    with connection.transaction():
        connection.execute(
            "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true)",
            (str(_EF_SEARCH),),
        )
        value = np.asarray(vector, np.float32)
        rows = connection.execute(
            f"SELECT {_FACE.format(user='user_id')}, distance FROM (SELECT *, {distance} AS distance FROM face"
            f" WHERE {where} ORDER BY {distance} LIMIT %s) AS face"
            " LEFT JOIN (SELECT id, user_id FROM person) AS person ON person.id = person_id"
            " ORDER BY distance, face_id",
            (value, value, max(32, 4 * limit)),
        ).fetchall()
    return _first_of_each(rows, grouping)[:limit]


def _first_of_each(rows: Sequence[tuple[Any, ...]], grouping: Grouping) -> list[Neighbor]:
    found: dict[str, Neighbor] = {}
    for row in rows:
        face = _face(row[:-1])
        person = face.face_id if grouping == "faces" or face.user_id is None else f"user {face.user_id}"
        found.setdefault(person, Neighbor(face, min(2.0, float(row[-1]))))
    return list(found.values())


def _rewrite_faces(connection: Connection, now: datetime) -> int:
    """Rewrite the table of faces without what was deleted, and return how many erasures that completed."""
    kept: list[str] = []
    connection.add_notice_handler(lambda notice: kept.append(notice.message_detail or ""))
    before = str(_scalar(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())"))
    connection.execute("SET lock_timeout = '3s'")
    connection.execute("VACUUM (FULL, VERBOSE) face")
    if any(_NOT_REMOVABLE.search(detail) for detail in kept):
        return 0  # somebody's transaction, such as a dump, still sees the deleted rows
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT pg_switch_wal()")  # so that the log with them is archived and recycled soon
    return connection.execute(
        "UPDATE erasure SET scrubbed = %s WHERE scrubbed IS NULL AND xid < %s::xid8", (now, before)
    ).rowcount


def _index_name(key: int) -> str:
    return f"face_hnsw_{key:d}"


def _collection(row: tuple[Any, ...]) -> Collection:
    return Collection(*row[1:])


def _face(row: tuple[Any, ...]) -> StoredFace:
    face_id, user_id, external, image_id, box, confidence, created, source_key, *vector = row
    return StoredFace(
        face_id=str(face_id),
        user_id=user_id,
        external_image_id=external,
        image_id=None if image_id is None else str(image_id),
        box=None if box is None else RelativeBox(*box),
        confidence=confidence,
        created=created,
        source_key=bytes(source_key),
        vector=None if not vector else _array(vector[0]),
    )


def _array(value: Any) -> NDArray[np.float32]:
    return np.asarray(value if isinstance(value, np.ndarray) else value.to_numpy(), np.float32)
