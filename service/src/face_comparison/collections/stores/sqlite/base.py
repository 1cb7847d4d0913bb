"""The connections that all parts of the store share."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from face_comparison.collections.stores import columns, migrations
from face_comparison.collections.stores.sqlite import rows
from face_comparison.collections.stores.sqlite.connections import Connections
from face_comparison.collections.stores.sqlite.gallery_copies import Galleries
from face_comparison.collections.values import Erasure
from face_comparison.errors import InvalidSettings, StoreUnavailable

FILE = "collections.db"


class SqliteBase:
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

    def _mark_scrubbed(self, erasure: Erasure, now: datetime) -> Erasure:
        return replace(erasure, scrubbed=now) if self._scrub_at_once(now) else erasure

    def _scrub_at_once(self, now: datetime) -> bool:
        """Tries to scrub deleted data; returns whether it did. If readers or a full volume prevent it, `scrub` retries.

        It never raises StoreUnavailable: the deletion has been committed and must not be reported as failed.
        """
        with suppress(StoreUnavailable):
            return self.scrub(now) > 0
        return False

    def close(self) -> None:
        self._connections.close()
