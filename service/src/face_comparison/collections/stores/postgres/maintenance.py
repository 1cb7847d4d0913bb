"""Receipts of erasures, retention, scrubbing, and the state of the store."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta
from typing import Any

import psycopg

from face_comparison.collections.stores import columns, migrations
from face_comparison.collections.stores.base import TOKEN_LIFETIME, ErasureRequest
from face_comparison.collections.stores.postgres import rows
from face_comparison.collections.stores.postgres.base import PostgresBase
from face_comparison.collections.stores.postgres.neighbors import build_index, has_valid_index
from face_comparison.collections.stores.postgres.queries import Connection, scalar
from face_comparison.collections.stores.postgres.schema import pgvector_version
from face_comparison.collections.values import Erasure, Purge
from face_comparison.errors import CollectionNotFound, StoreUnavailable

SCRUB_LOCK, INDEX_LOCK = 7_014_312_092, 7_014_312_093  # arbitrary numbers that other programs do not use
LARGE_TABLE_BYTES = 2**30
LARGE_TABLE_SCRUB_DELAY = timedelta(days=1)
"""How long scrubbing a large table is delayed. Rewriting a table locks it: small tables are rewritten immediately, in a
few seconds, and large ones at most once a day."""

_NOT_REMOVABLE = re.compile(r"([1-9]\d*) dead row versions? cannot be removed")


class PostgresMaintenance(PostgresBase):
    """See `Store`."""

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
    details: list[str] = []
    connection.add_notice_handler(lambda notice: details.append(notice.message_detail or ""))
    before = str(scalar(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())"))
    connection.execute("SET lock_timeout = '3s'")
    connection.execute("VACUUM (FULL, VERBOSE) face")
    if any(_NOT_REMOVABLE.search(detail) for detail in details):
        return 0  # another transaction, such as a dump, still sees the deleted rows
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT pg_switch_wal()")  # so that the WAL with the deleted rows is soon recycled
    return connection.execute(
        "UPDATE erasure SET scrubbed = %s WHERE scrubbed IS NULL AND xid < %s::xid8", (now, before)
    ).rowcount
