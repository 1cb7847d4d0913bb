"""Counts of faces, and searches for the nearest ones, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection as Container
from typing import Any

from numpy.typing import NDArray

from face_comparison.collections.stores.postgres import rows
from face_comparison.collections.stores.postgres.base import PostgresBase
from face_comparison.collections.stores.postgres.neighbors import approximately_nearest, nearest
from face_comparison.collections.values import Grouping, Nearest


class PostgresSearches(PostgresBase):
    """See `Store`."""

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
