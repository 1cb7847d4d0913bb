"""Exact and approximate searches in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.postgres.queries import Connection, scalar
from face_comparison.collections.stores.postgres.rows import read_face
from face_comparison.collections.values import Grouping, Neighbor

_EF_SEARCH = 200
_FACE = columns.FACE.format(user="user_id")


def nearest(
    connection: Connection,
    key: int,
    vector: NDArray[Any],
    limit: int,
    users: Container[str] | None,
    grouping: Grouping,
) -> list[Neighbor]:
    """Returns the nearest faces of a vector by exact search, among these users' faces if `users` is given."""
    where = "collection_id = %s"
    values: list[Any] = [key]
    if users is not None:
        where += " AND person_id IN (SELECT id FROM person WHERE collection_id = %s AND user_id = ANY(%s))"
        values += [key, list(users)]
    elif grouping == "users":
        where += " AND person_id IS NOT NULL"
    size = limit if grouping == "faces" else max(32, 4 * limit)
    while True:
        # Order by the selected distance, so that it is computed only once. User names are joined only for the results.
        rows = connection.execute(
            f"SELECT {_FACE}, distance FROM (SELECT *, embedding <-> %s AS distance FROM face"
            f" WHERE {where} ORDER BY distance, face_id LIMIT %s) AS face"
            " LEFT JOIN (SELECT id, user_id FROM person) AS person ON person.id = person_id"
            " ORDER BY distance, face_id",
            (np.asarray(vector, np.float32), *values, size),
        ).fetchall()
        found = _first_of_each(rows, grouping)
        if len(found) >= limit or len(rows) < size:
            return found[:limit]
        size *= 4


def approximately_nearest(
    connection: Connection, key: int, vector: NDArray[Any], limit: int, grouping: Grouping
) -> list[Neighbor]:
    """Returns the nearest faces of a vector by the approximate index of the collection."""
    where = f"collection_id = {key}" + (" AND person_id IS NOT NULL" if grouping == "users" else "")
    distance = f"embedding::vector({len(vector)}) <-> %s"
    with connection.transaction():
        connection.execute(
            "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true)",
            (str(_EF_SEARCH),),
        )
        value = np.asarray(vector, np.float32)
        rows = connection.execute(
            f"SELECT {_FACE}, distance FROM (SELECT *, {distance} AS distance FROM face"
            f" WHERE {where} ORDER BY {distance} LIMIT %s) AS face"
            " LEFT JOIN (SELECT id, user_id FROM person) AS person ON person.id = person_id"
            " ORDER BY distance, face_id",
            (value, value, max(32, 4 * limit)),
        ).fetchall()
    return _first_of_each(rows, grouping)[:limit]


def _first_of_each(rows: Sequence[tuple[Any, ...]], grouping: Grouping) -> list[Neighbor]:
    found: dict[str, Neighbor] = {}
    for row in rows:
        face = read_face(row[:-1])
        person = face.face_id if grouping == "faces" or face.user_id is None else f"user {face.user_id}"
        found.setdefault(person, Neighbor(face, min(2.0, float(row[-1]))))
    return list(found.values())


def index_name(key: int) -> str:
    """Returns the name of the approximate index of a collection."""
    return f"face_hnsw_{key:d}"


def has_valid_index(connection: Connection, key: int) -> bool:
    """Returns whether the approximate index of a collection exists and is complete."""
    return bool(
        scalar(connection, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", index_name(key))
    )


def build_index(connection: Connection, key: int, width: int) -> None:
    """Rebuilds the approximate index of a collection, outside of any transaction.

    An incomplete index of a failed build is removed first: it would be maintained but never used.
    """
    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index_name(key)}")
    connection.execute(
        f"CREATE INDEX CONCURRENTLY {index_name(key)} ON face USING hnsw"
        f" ((embedding::vector({width})) vector_l2_ops) WHERE collection_id = {key}"
    )
