"""Counts of faces, and searches for the nearest ones, in SQLite."""

from __future__ import annotations

from collections.abc import Collection as Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections.stores.sqlite import rows
from face_comparison.collections.stores.sqlite.base import SqliteBase
from face_comparison.collections.values import Grouping, Nearest, Neighbor


class SqliteSearches(SqliteBase):
    """See `Store`."""

    def count_faces(
        self, collection: str, *, users: Container[str] | None = None, grouping: Grouping = "people"
    ) -> int:
        with self._read() as connection:
            key, found = rows.find(connection, collection)
            people = rows.people(connection, key, users)
            if people is None and grouping != "users":
                return found.faces
            with self._galleries.sync(connection, key, found.width) as gallery:
                return gallery.count(people, grouping)

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
            key, found = rows.find(connection, collection)
            people = rows.people(connection, key, users)
            with self._galleries.sync(connection, key, found.width) as gallery:
                ranked = gallery.nearest(np.ascontiguousarray(vectors, np.float32), limit, people, grouping)
                size = gallery.count(people, grouping)
            faces = rows.faces_by_row(connection, {row for one in ranked for row, _ in one}, found.width)
            return Nearest(
                # The copy in memory may be newer than this snapshot and contain rows that are not visible in it.
                tuple(tuple(Neighbor(faces[row], near) for row, near in one if row in faces) for one in ranked),
                size,
                exact=True,
            )
