"""Stores the faces of an album in a SQLite file, so that the next run analyzes only new images.

It is a database because a run may end at any moment (Ctrl-C, a dead battery) and must leave complete records. It is in
the album's folder because it contains biometric data, and deleting the folder must delete all of it. Records are keyed
by the image's content and the FaceModelVersion: a renamed image is recognized, and another model starts from scratch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from face_comparison.album.faces import Analyzed, FaceKey, Rejected
from face_comparison.api.responses import BoundingBox, Quality
from face_comparison.client.detection import DetectedFace
from face_comparison.errors import AlbumUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "album.sqlite"

_LAYOUT = 2
_TABLES = """
CREATE TABLE images (
    digest TEXT, version TEXT, code TEXT, reason TEXT,
    PRIMARY KEY (digest, version)
) WITHOUT ROWID;
CREATE TABLE faces (
    digest TEXT, version TEXT, number INTEGER, left REAL, top REAL, width REAL, height REAL, confidence REAL,
    sharpness REAL, brightness REAL, face_size REAL, hash BLOB, person INTEGER,
    PRIMARY KEY (digest, version, number)
) WITHOUT ROWID;
"""


def version_of(folder: Path, name: str = NAME) -> str | None:
    """Returns the FaceModelVersion of an album's faces; None if the folder is not an album or has no faces.

    Raises:
        AlbumUnusable: Another run is using the album.
    """
    if not (folder / name).is_file():
        return None
    try:
        with closing(
            sqlite3.connect(f"{(folder / name).resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)
        ) as database:
            found = database.execute("SELECT version FROM faces LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        raise AlbumUnusable(f"{folder} is in use by another run; wait until it ends") from error
    except sqlite3.DatabaseError:
        return None
    return None if found is None else str(found[0])


class AlbumDatabase:
    """The records of one FaceModelVersion. Only one run at a time can open the database.

    Records of other versions are not read; only `delete_others` deletes them.
    """

    def __init__(self, folder: Path, version: str, name: str = NAME) -> None:
        """Opens or creates the database.

        Args:
            folder: The album.
            version: FaceModelVersion of the records.
            name: Name of the file.

        Raises:
            AlbumUnusable: Another run has it open, or the file is not the database of an album.
        """
        self._path, self._version = folder / name, version
        with self._explain_errors():
            self._database = sqlite3.connect(self._path, timeout=1.0)
            # The lock is held until the database is closed; deleted data is overwritten.
            for setting in ("locking_mode = EXCLUSIVE", "secure_delete = ON", "synchronous = NORMAL"):
                self._database.execute(f"PRAGMA {setting}")
            self._database.execute("BEGIN EXCLUSIVE")
            (layout,) = self._database.execute("PRAGMA user_version").fetchone()
            if layout == 0:
                for table in filter(str.strip, _TABLES.split(";")):
                    self._database.execute(table)
                self._database.execute(f"PRAGMA user_version = {_LAYOUT}")
            elif layout != _LAYOUT:
                raise AlbumUnusable(f"{self._path} was created by another version of this program; use another folder")
            self._database.commit()

    def analyzed_digests(self) -> set[str]:
        """Returns the digests of the images that have been analyzed or rejected."""
        rows = self._database.execute("SELECT digest FROM images WHERE version = ?", (self._version,))
        return {digest for (digest,) in rows}

    def save_analyses(self, found: Iterable[Analyzed | Rejected]) -> None:
        """Writes and commits records; they are on disk when this returns."""
        with self._explain_errors(), self._database:
            for each in found:
                self._database.execute(
                    "DELETE FROM faces WHERE digest = ? AND version = ?", (each.digest, self._version)
                )
                code, reason = (each.code, each.reason) if isinstance(each, Rejected) else (None, None)
                self._database.execute(
                    "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", (each.digest, self._version, code, reason)
                )
                if isinstance(each, Analyzed):
                    rows = [
                        _row(each.digest, self._version, number, face)
                        for number, face in enumerate(each.detection.faces)
                    ]
                    self._database.executemany(f"INSERT INTO faces VALUES ({','.join('?' * 13)})", rows)  # noqa: S608

    def rejected(self) -> dict[str, Rejected]:
        """Returns the images that were rejected, by digest."""
        rows = self._database.execute(
            "SELECT digest, code, reason FROM images WHERE version = ? AND code IS NOT NULL", (self._version,)
        )
        return {row[0]: Rejected(*row) for row in rows}

    def faces(self) -> dict[FaceKey, DetectedFace]:
        """Returns every face, sorted by the digest of its image and its number."""
        rows = self._database.execute(
            "SELECT digest, number, left, top, width, height, confidence, sharpness, brightness, face_size, hash "
            "FROM faces WHERE version = ? ORDER BY digest, number",
            (self._version,),
        )
        return {
            (digest, number): DetectedFace(
                bounding_box=BoundingBox(left, top, width, height),
                confidence=confidence,
                landmarks=(),
                # The album stores neither the pose nor why a hash is unreliable.
                quality=Quality(sharpness, brightness, face_size, roll=0.0, yaw=0.0, reliable=True, reasons=()),
                face_hash=np.frombuffer(vector, "<f4").astype(np.float32),
                face_model_version=self._version,
            )
            for (digest, number, left, top, width, height, confidence, sharpness, brightness, face_size, vector) in rows
        }

    def people(self) -> dict[FaceKey, int]:
        """Returns the number of each face's person as of the previous run."""
        rows = self._database.execute(
            "SELECT digest, number, person FROM faces WHERE version = ? AND person IS NOT NULL", (self._version,)
        )
        return {(digest, number): person for digest, number, person in rows}

    def save_people(self, people: Mapping[FaceKey, int | None]) -> None:
        """Saves the number of each face's person."""
        with self._explain_errors(), self._database:
            self._database.executemany(
                "UPDATE faces SET person = ? WHERE digest = ? AND version = ? AND number = ?",
                [(person, digest, self._version, number) for (digest, number), person in people.items()],
            )

    def delete_others(self, digests: Iterable[str]) -> None:
        """Deletes the records of all images but the given ones, and the records of other models."""
        with self._explain_errors(), self._database:
            self._database.execute("CREATE TEMP TABLE present (digest TEXT PRIMARY KEY)")
            self._database.executemany("INSERT OR IGNORE INTO present VALUES (?)", ((each,) for each in digests))
            for table in ("images", "faces"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE version != ? OR digest NOT IN (SELECT digest FROM present)",  # noqa: S608
                    (self._version,),
                )
            self._database.execute("DROP TABLE present")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise AlbumUnusable(f"{self._path.parent} is in use by another run; wait until it ends") from error
            raise AlbumUnusable(f"{self._path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise AlbumUnusable(
                f"{self._path} is damaged ({error}); delete it, and everything is analyzed again"
            ) from error


def _row(digest: str, version: str, number: int, face: DetectedFace) -> tuple[object, ...]:
    box, quality = face.bounding_box, face.quality
    return (
        *(digest, version, number, box.left, box.top, box.width, box.height, face.confidence),
        *(quality.sharpness, quality.brightness, quality.face_size),
        face.face_hash.astype("<f4").tobytes(),
        None,
    )
