"""Holds the embeddings of one collection in memory, for exact search by matrix product. Pure arithmetic.

This is a cache of the database. Rows are stored in blocks, so that growing does not copy anything, and in the order of
their ids, which the database assigns in ascending order. Removed rows are overwritten immediately; when they make up a
quarter of all rows, the rows are compacted.

`np.unique` is avoided here and in `gallery_copies`: its first call imports numpy's masked arrays, 5 MB per worker.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from face_comparison import cancellation
from face_comparison.collections.values import Grouping

BLOCK_ROWS = 65_536
"""Number of rows per block. Pages of a block that have never been written take no memory."""

_QUERIES_AT_ONCE = 16

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


class Gallery:
    """The embeddings of one collection. Not thread-safe: callers that share a gallery must hold a lock."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._blocks: list[Vectors] = []
        self._ids = np.empty(0, np.int64)
        self._people = np.empty(0, np.int64)  # 0 for faces without a user
        self._alive = np.empty(0, bool)
        self._count = 0
        self._dead = 0

    def __len__(self) -> int:
        return self._count - self._dead

    def append(self, ids: Rows, people: Rows, vectors: Vectors) -> None:
        """Appends rows.

        Args:
            ids: In ascending order, and greater than all existing ids.
            people: The person of each row; 0 for faces without a user.
            vectors: The embedding of each row, (rows, width).
        """
        done = 0
        self._reserve(self._count + len(ids))
        while done < len(ids):
            block, offset = divmod(self._count, BLOCK_ROWS)
            if block == len(self._blocks):
                self._blocks.append(np.empty((BLOCK_ROWS, self._width), np.float32))  # np.zeros would use huge pages
            size = min(len(ids) - done, BLOCK_ROWS - offset)
            part = slice(done, done + size)
            self._blocks[block][offset : offset + size] = vectors[part]
            positions = slice(self._count, self._count + size)
            self._ids[positions], self._people[positions], self._alive[positions] = ids[part], people[part], True
            self._count += size
            done += size

    def replace_people(self, ids: Rows, people: Rows) -> None:
        """Assigns existing rows to other people."""
        places, found = self._find(ids)
        self._people[places] = people[found]

    def contains(self, ids: Rows) -> NDArray[np.bool_]:
        """Returns which of these ids exist."""
        return self._find(ids)[1]

    def remove(self, ids: Rows) -> None:
        """Removes rows; missing ids are ignored."""
        places, _ = self._find(ids)
        for place in places:
            self._blocks[place // BLOCK_ROWS][place % BLOCK_ROWS] = 0
        self._alive[places] = False
        self._dead += len(places)
        if self._dead * 4 > self._count:
            self._compact()

    def count(self, people: Rows | None, grouping: Grouping) -> int:
        """Returns the number of rows that a search compares."""
        if people is None and grouping != "users":
            return len(self)
        return len(self._members(people, grouping))

    def nearest(
        self, queries: Vectors, limit: int, people: Rows | None, grouping: Grouping
    ) -> list[list[tuple[int, float]]]:
        """Returns up to `limit` nearest rows for each query (F, width).

        Each row is its id and its Euclidean distance; rows are sorted by ascending distance.
        """
        if people is None and grouping != "users":
            members, excluded = None, np.flatnonzero(~self._alive[: self._count])
        else:
            members, excluded = self._members(people, grouping), np.empty(0, np.int64)
        found = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            cancellation.check()
            part = queries[start : start + _QUERIES_AT_ONCE]
            similarities = self._similarities(part, members)
            similarities[:, excluded] = -np.inf
            found += [
                self._nearest(query, row, limit, members, grouping)
                for query, row in zip(part, similarities, strict=True)
            ]
        return found

    def _nearest(
        self, query: Vectors, similarities: NDArray[np.float32], limit: int, members: Rows | None, grouping: Grouping
    ) -> list[tuple[int, float]]:
        total, size = len(similarities), max(32, 4 * limit)
        while True:
            size = min(size, total)
            candidates = np.argpartition(similarities, total - size)[total - size :] if size else np.empty(0, np.int64)
            candidates = candidates[np.isfinite(similarities[candidates])]
            places = candidates if members is None else members[candidates]
            # Products of float32 are off by about 1e-7, which makes a distance near 0 off by 1e-4: compute the few
            # candidates exactly.
            distances = np.linalg.norm(self._gather(places).astype(np.float64) - query.astype(np.float64), axis=1)
            order = np.lexsort((self._ids[places], distances))
            nearest_places = self._first_of_each(places[order], grouping)[:limit]
            if len(nearest_places) == limit or size == total:
                return [
                    (int(self._ids[places[order[at]]]), min(2.0, float(distances[order[at]]))) for at in nearest_places
                ]
            size *= 4

    def _first_of_each(self, places: Rows, grouping: Grouping) -> Sequence[int]:
        """Returns the positions in `places` of each person's first row, or of every row if rows are not grouped."""
        if grouping == "faces":
            return range(len(places))
        people = self._people[places]
        first: dict[int, int] = {}
        for position, person in enumerate(np.where(people == 0, -self._ids[places], people).tolist()):
            first.setdefault(person, position)
        return list(first.values())

    def _similarities(self, queries: Vectors, members: Rows | None) -> NDArray[np.float32]:
        if members is not None:
            return queries @ self._gather(members).T
        found = np.empty((len(queries), self._count), np.float32)
        for index, block in enumerate(self._blocks):
            start = index * BLOCK_ROWS
            size = min(BLOCK_ROWS, self._count - start)
            if size <= 0:
                break
            # A single query is limited by memory bandwidth; assigning the product to a slice would not use the BLAS.
            if len(queries) == 1:
                np.dot(block[:size], queries[0], out=found[0, start : start + size])
            else:
                found[:, start : start + size] = queries @ block[:size].T
        return found

    def _members(self, people: Rows | None, grouping: Grouping) -> Rows:
        chosen = self._alive[: self._count].copy()
        if grouping == "users":
            chosen &= self._people[: self._count] != 0
        if people is not None:
            chosen &= np.isin(self._people[: self._count], people)
        return np.flatnonzero(chosen)

    def _gather(self, places: Rows) -> Vectors:
        found = np.empty((len(places), self._width), np.float32)
        blocks = places // BLOCK_ROWS
        for block in set(blocks.tolist()):
            positions = blocks == block
            found[positions] = self._blocks[block][places[positions] % BLOCK_ROWS]
        return found

    def _find(self, ids: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        """Returns the positions of the existing ids, and which ids exist."""
        places = np.searchsorted(self._ids[: self._count], ids)
        inside = places < self._count
        found = inside.copy()
        found[inside] = (self._ids[places[inside]] == ids[inside]) & self._alive[places[inside]]
        return places[found], found

    def _reserve(self, count: int) -> None:
        if count > len(self._ids):
            size = count + count // 8 + 64
            for name in ("_ids", "_people", "_alive"):
                grown = np.zeros(size, getattr(self, name).dtype)
                grown[: self._count] = getattr(self, name)[: self._count]
                setattr(self, name, grown)

    def _compact(self) -> None:
        alive = np.flatnonzero(self._alive[: self._count])
        compacted = Gallery(self._width)
        for start in range(0, len(alive), BLOCK_ROWS):
            part = alive[start : start + BLOCK_ROWS]
            compacted.append(self._ids[part], self._people[part], self._gather(part))
        self.__dict__.update(compacted.__dict__)
