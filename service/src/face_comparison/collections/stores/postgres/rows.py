"""Reads and writes rows of PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import ErasureRequest, RequestToken
from face_comparison.collections.stores.postgres.queries import Connection, scalar
from face_comparison.collections.values import Collection, Erasure, StoredFace, User, Vector

FACE = columns.FACE.format(user=columns.USER_OF_FACE)
_TYPES = ("int8", "uuid", "int8", "bytea", "text", "uuid", "jsonb", "float8", "timestamptz", "vector")
"""Types of the columns INSERTED_FACE."""


def find(connection: Connection, name: str, *, lock: bool = False, count_users: bool = False) -> tuple[int, Collection]:
    """Returns a collection with its id.

    Args:
        connection: A connection.
        name: Name of the collection.
        lock: Whether to prevent other transactions from changing its faces until this one ends.
        count_users: Whether to count its users.

    Raises:
        CollectionNotFound: There is no such collection.
    """
    if lock:
        connection.execute("SELECT 1 FROM collection WHERE name = %s FOR UPDATE", (name,))
    users = columns.COUNT_USERS if count_users else "0"
    row = connection.execute(
        f"SELECT {columns.COLLECTION}, {users} FROM collection WHERE name = %s", (name,)
    ).fetchone()
    if row is None:
        columns.no_collection(name)
    return row[0], read_collection(row)


def person(connection: Connection, key: int, user_id: str) -> int:
    """Returns the database id of a user.

    Raises:
        UserNotFound: There is no such user.
    """
    found = scalar(connection, "SELECT id FROM person WHERE collection_id = %s AND user_id = %s", key, user_id)
    if found is None:
        columns.no_user(user_id)
    return int(found)


def user(connection: Connection, person_id: int, user_id: str) -> User:
    """Returns the user with a database id.

    Raises:
        UserNotFound: The user has been deleted in the meantime.
    """
    row = connection.execute(f"SELECT {columns.USER} FROM person WHERE id = %s", (person_id,)).fetchone()
    if row is None:
        columns.no_user(user_id)
    return User(*row)


def known_faces(connection: Connection, key: int, faces: Sequence[StoredFace]) -> list[StoredFace]:
    """Returns the stored faces that have the source_key or face_id of one of these faces."""
    rows = connection.execute(
        f"SELECT {FACE} FROM face WHERE collection_id = %s AND source_key = ANY(%s)"
        f" UNION ALL SELECT {FACE} FROM face WHERE collection_id = %s AND face_id = ANY(%s::uuid[])",
        (key, [face.source_key for face in faces], key, [face.face_id for face in faces]),
    )
    return [read_face(row) for row in rows]


def insert_faces(connection: Connection, key: int, faces: Sequence[StoredFace]) -> None:
    """Inserts faces and missing users, and updates the collection's face count."""
    created = columns.first_created(faces)
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
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY face ({columns.INSERTED_FACE}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_TYPES)
        for face in faces:
            copy.write_row(
                (
                    key,
                    UUID(face.face_id),
                    people[face.user_id],
                    face.source_key,
                    face.external_image_id,
                    None if face.image_id is None else UUID(face.image_id),
                    None if face.box is None else Jsonb(columns.box_numbers(face)),
                    face.confidence,
                    face.created,
                    np.asarray(face.vector, np.float32),
                )
            )
    connection.execute("UPDATE collection SET face_count = face_count + %s WHERE id = %s", (len(faces), key))


def delete_faces(connection: Connection, key: int, where: str, values: tuple[Any, ...]) -> int:
    """Deletes the faces that match a condition; returns their number."""
    count = connection.execute(f"DELETE FROM face WHERE {where}", values).rowcount
    connection.execute("UPDATE collection SET face_count = face_count - %s WHERE id = %s", (count, key))
    return count


def record(connection: Connection, collection: str, faces: int, request: ErasureRequest) -> Erasure:
    """Records an erasure whose data has not been scrubbed yet, and returns the receipt."""
    connection.execute(
        f"INSERT INTO erasure ({columns.ERASURE}) VALUES (%s, %s, %s, %s, %s, NULL, %s)",
        (request.erasure_id, collection, request.subject, faces, request.now, request.backups_until),
    )
    return columns.new_erasure(collection, faces, request)


def is_repeated(connection: Connection, token: RequestToken | None) -> bool:
    """Returns whether a request with this token was already carried out, and records the token.

    A concurrent request with the same token waits here until the first transaction ends.

    Raises:
        RequestTokenReused: The token was used for a request with other parameters.
    """
    if token is None:
        return False
    inserted = connection.execute(
        "INSERT INTO request_token VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (token.token, token.parameters, token.now),
    ).rowcount
    if inserted:
        return False
    known = scalar(connection, "SELECT parameters FROM request_token WHERE token = %s", token.token)
    columns.check_parameters(token, token.parameters if known is None else known)  # None if it was just purged
    return True


def with_person(connection: Connection, key: int, face_ids: Sequence[str], person_key: int | None) -> list[str]:
    """Returns the ids of those of these faces that belong to a user, or with None, to no user."""
    found = connection.execute(
        "SELECT face_id::text FROM face WHERE collection_id = %s AND face_id = ANY(%s::uuid[])"
        " AND person_id IS NOT DISTINCT FROM %s",
        (key, list(face_ids), person_key),
    )
    return columns.select_ids(face_ids, found)


def count(connection: Connection, key: int, faces: int, users: Container[str] | None, grouped_by_users: bool) -> int:
    """Returns the number of faces that a search compares; `faces` is the number of faces in the collection."""
    if users is not None:
        query = (
            "SELECT count(*) FROM face JOIN person ON person.id = person_id"
            " WHERE person.collection_id = %s AND user_id = ANY(%s)"
        )
        return int(scalar(connection, query, key, list(users)))
    if grouped_by_users:
        query = "SELECT count(*) FROM face WHERE collection_id = %s AND person_id IS NOT NULL"
        return int(scalar(connection, query, key))
    return faces


def read_collection(row: tuple[Any, ...]) -> Collection:
    """Returns the collection in a row of `columns.COLLECTION` and its number of users."""
    return Collection(*row[1:])


def read_face(row: tuple[Any, ...]) -> StoredFace:
    """Returns the face in a row of FACE, with its embedding if that was selected."""
    vector = row[columns.FACE_COLUMNS :]
    return columns.stored_face(row[: columns.FACE_COLUMNS], _array(vector[0]) if vector else None)


def _array(value: Any) -> Vector:
    found: NDArray[Any] = value if isinstance(value, np.ndarray) else value.to_numpy()
    return np.asarray(found, np.float32)
