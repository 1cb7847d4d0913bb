"""Reads and writes rows of the embedded store's tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection as Container
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import ErasureRequest, RequestToken
from face_comparison.collections.values import Collection, Erasure, StoredFace, User

FACE = columns.FACE.format(user=columns.USER_OF_FACE)
IN_LIST = "(SELECT value FROM json_each(?))"


def find(connection: sqlite3.Connection, name: str, *, count_users: bool = False) -> tuple[int, Collection]:
    """Returns a collection with its row id.

    Raises:
        CollectionNotFound: There is no such collection.
    """
    users = columns.COUNT_USERS if count_users else "0"
    row = connection.execute(f"SELECT {columns.COLLECTION}, {users} FROM collection WHERE name = ?", (name,)).fetchone()
    if row is None:
        columns.no_collection(name)
    return row[0], read_collection(row)


def person(connection: sqlite3.Connection, key: int, user_id: str) -> int:
    """Returns the row id of a user.

    Raises:
        UserNotFound: There is no such user.
    """
    row = connection.execute("SELECT id FROM person WHERE collection_id = ? AND user_id = ?", (key, user_id)).fetchone()
    if row is None:
        columns.no_user(user_id)
    return int(row[0])


def people(connection: sqlite3.Connection, key: int, users: Container[str] | None) -> NDArray[np.int64] | None:
    """Returns the row ids of those users who exist; None if `users` is None."""
    if users is None:
        return None
    rows = connection.execute(
        f"SELECT id FROM person WHERE collection_id = ? AND user_id IN {IN_LIST}", (key, json.dumps(list(users)))
    )
    return np.array([row[0] for row in rows], np.int64)


def user(connection: sqlite3.Connection, row_id: int) -> User:
    """Returns the user with this row id."""
    return read_user(connection.execute(f"SELECT {columns.USER} FROM person WHERE id = ?", (row_id,)).fetchone())


def faces_by_row(connection: sqlite3.Connection, rows: Iterable[int], width: int) -> dict[int, StoredFace]:
    """Returns faces by row id; missing ids are ignored."""
    found = connection.execute(f"SELECT {FACE}, id FROM face WHERE id IN {IN_LIST}", (json.dumps(list(rows)),))
    return {row[-1]: read_face(row[:-1], width) for row in found}


def known_faces(connection: sqlite3.Connection, key: int, faces: Sequence[StoredFace]) -> list[StoredFace]:
    """Returns the stored faces that have the source_key or face_id of one of these faces."""
    found: dict[str, StoredFace] = {}
    for column, values in (
        ("source_key", [face.source_key for face in faces]),
        ("face_id", [face.face_id for face in faces]),
    ):
        for start in range(0, len(values), _VALUES):
            some = values[start : start + _VALUES]
            marks = ", ".join("?" * len(some))
            rows = connection.execute(
                f"SELECT {FACE} FROM face WHERE collection_id = ? AND {column} IN ({marks})", (key, *some)
            )
            found.update((face.face_id, face) for face in (read_face(row, 0) for row in rows))
    return list(found.values())


def insert_faces(connection: sqlite3.Connection, key: int, faces: Sequence[StoredFace]) -> None:
    """Inserts faces and missing users, and records the changes."""
    created = columns.first_created(faces)
    connection.executemany(
        "INSERT INTO person (collection_id, user_id, metadata, created) VALUES (?, ?, '{}', ?) ON CONFLICT DO NOTHING",
        ((key, user_id, moment.timestamp()) for user_id, moment in created.items()),
    )
    rows = connection.execute(
        f"SELECT user_id, id FROM person WHERE collection_id = ? AND user_id IN {IN_LIST}",
        (key, json.dumps(list(created))),
    )
    row_ids: dict[str | None, int | None] = {None: None, **dict(rows.fetchall())}
    last = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'face'").fetchone()[0]
    connection.executemany(
        f"INSERT INTO face ({columns.INSERTED_FACE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                key,
                face.face_id,
                row_ids[face.user_id],
                face.source_key,
                face.external_image_id,
                face.image_id,
                None if face.box is None else json.dumps(columns.box_numbers(face)),
                face.confidence,
                face.created.timestamp(),
                np.ascontiguousarray(face.vector, "<f4").tobytes(),
            )
            for face in faces
        ),
    )
    # Row ids ascend and are never reused, so those above the last one belong to the faces just inserted.
    note_changes(connection, key, "id > ?", (last,))


def note_changes(connection: sqlite3.Connection, key: int, where: str, values: Iterable[Any]) -> None:
    """Records that the faces that match a condition have changed, so that workers update their copies."""
    connection.execute(
        f"INSERT INTO change (collection_id, face) SELECT {key}, id FROM face WHERE {where}", tuple(values)
    )


def delete_faces(connection: sqlite3.Connection, key: int, where: str, values: Iterable[Any]) -> int:
    """Deletes the faces that match a condition; returns their number."""
    values = tuple(values)
    note_changes(connection, key, where, values)
    count = connection.execute(f"DELETE FROM face WHERE {where}", values).rowcount
    connection.execute("UPDATE collection SET face_count = face_count - ? WHERE id = ?", (count, key))
    return count


def set_person(
    connection: sqlite3.Connection, key: int, face_ids: Sequence[str], where: str, values: Sequence[Any], row_id: Any
) -> list[str]:
    """Sets or clears the person of those of these faces that match a condition; returns the ids of the faces."""
    where = f"collection_id = ? AND face_id IN {IN_LIST} AND {where}"
    values = (key, json.dumps(list(face_ids)), *values)
    changed = columns.select_ids(face_ids, connection.execute(f"SELECT face_id FROM face WHERE {where}", values))
    note_changes(connection, key, where, values)
    connection.execute(f"UPDATE face SET person_id = ? WHERE {where}", (row_id, *values))
    return changed


def with_person(connection: sqlite3.Connection, key: int, face_ids: Sequence[str], person_key: int | None) -> list[str]:
    """Returns the ids of those of these faces that belong to a user, or with None, to no user."""
    where = f"collection_id = ? AND face_id IN {IN_LIST} AND person_id IS ?"
    found = connection.execute(f"SELECT face_id FROM face WHERE {where}", (key, json.dumps(list(face_ids)), person_key))
    return columns.select_ids(face_ids, found)


def record(connection: sqlite3.Connection, collection: str, faces: int, request: ErasureRequest) -> Erasure:
    """Records an erasure whose data has not been scrubbed yet, and returns the receipt."""
    erasure = columns.new_erasure(collection, faces, request)
    times = (request.now.timestamp(), seconds(request.backups_until))
    connection.execute(
        f"INSERT INTO erasure ({columns.ERASURE}) VALUES (?, ?, ?, ?, ?, NULL, ?)",
        (erasure.erasure_id, collection, erasure.subject, faces, *times),
    )
    return erasure


def is_repeated(connection: sqlite3.Connection, token: RequestToken | None) -> bool:
    """Returns whether a request with this token was already carried out, and records the token.

    Raises:
        RequestTokenReused: The token was used for a request with other parameters.
    """
    if token is None:
        return False
    row = connection.execute("SELECT parameters FROM request_token WHERE token = ?", (token.token,)).fetchone()
    if row is not None:
        columns.check_parameters(token, row[0])
        return True
    created = token.now.timestamp()
    connection.execute("INSERT INTO request_token VALUES (?, ?, ?)", (token.token, token.parameters, created))
    return False


def read_collection(row: Sequence[Any]) -> Collection:
    """Returns the collection in a row of `columns.COLLECTION` and its number of users."""
    _, name, version, width, rate, retention, metadata, created, faces, users = row
    return Collection(name, version, width, rate, retention, json.loads(metadata), _time(created), faces, users)


def read_user(row: Sequence[Any]) -> User:
    """Returns the user in a row of `columns.USER`."""
    user_id, metadata, expires, created, faces = row
    return User(user_id, json.loads(metadata), _time_or_none(expires), _time(created), faces)


def read_face(row: Sequence[Any], width: int) -> StoredFace:
    """Returns the face in a row of FACE, with its embedding (width,) if the row has one."""
    face_id, user_id, external, image_id, box, confidence, created, source_key = row[: columns.FACE_COLUMNS]
    vector = row[columns.FACE_COLUMNS :]
    numbers = None if box is None else json.loads(box)
    return columns.stored_face(
        (face_id, user_id, external, image_id, numbers, confidence, _time(created), source_key),
        np.frombuffer(vector[0], "<f4", width) if vector else None,
    )


def read_erasure(row: Sequence[Any]) -> Erasure:
    """Returns the receipt in a row of `columns.ERASURE`."""
    erasure_id, collection, subject, faces, deleted, scrubbed, until = row
    times = (_time(deleted), _time_or_none(scrubbed), _time_or_none(until))
    return Erasure(erasure_id, collection, subject, faces, *times)


def seconds(time: datetime | None) -> float | None:
    """Returns a time as it is stored: seconds since 1970, or None."""
    return None if time is None else time.timestamp()


_VALUES = 10_000
"""Maximum number of values per statement; SQLite allows 32,766."""


def _time(value: float) -> datetime:
    return datetime.fromtimestamp(value, UTC)


def _time_or_none(value: float | None) -> datetime | None:
    return None if value is None else _time(value)
