"""Searches by image, by stored face, and by user; verification of one user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections import identifiers
from face_comparison.collections.identification import Identification, identify
from face_comparison.collections.results import SearchResult
from face_comparison.collections.service_base import DEFAULT_MATCHES, ServiceBase, stack_vectors, trim
from face_comparison.collections.thresholds import expected_rate
from face_comparison.collections.values import Collection, Grouping, Neighbor, StoredFace
from face_comparison.errors import FaceNotFound, NoFace

MAX_FACES_PER_USER = 100


class Searching(ServiceBase):
    """See `CollectionService`."""

    def search(  # noqa: PLR0913 (one for each field of the request)
        self,
        collection_id: str,
        vectors: NDArray[np.float32],
        *,
        max_false_positive_rate: float | None = None,
        threshold: float | None = None,
        users: Sequence[str] | None = None,
        max_matches: int = DEFAULT_MATCHES,
        grouping: Grouping = "people",
        reliable: Sequence[bool] | None = None,
    ) -> SearchResult:
        """Identifies every face of an image.

        Args:
            collection_id: The collection.
            vectors: (F, 768) float32 of norm 1, one per face.
            max_false_positive_rate: Maximum FPIR (0-1); None for that of the collection.
            threshold: Euclidean distance to apply instead of the one derived from the rate.
            users: Users to search among; the smaller gallery allows a more lenient threshold. None for everyone.
            max_matches: Maximum number of matches per face.
            grouping: `people` decides on one person per face; `faces` and `users` return everything within the
                threshold, as Rekognition does.
            reliable: Whether each face is reliable (`Probe.reliable`); the others never get the decision `match`.
        """
        collection = self._usable_collection(collection_id)
        return self._search(
            collection,
            trim(vectors, collection.width),
            rate=None if max_false_positive_rate is None else identifiers.check_rate(max_false_positive_rate),
            threshold=threshold,
            users=None if users is None else identifiers.check_user_ids(list(users)),
            max_matches=max_matches,
            grouping=grouping,
            reliable=reliable,
        )

    def search_by_face(
        self,
        collection_id: str,
        face_id: str,
        *,
        threshold: float | None = None,
        max_matches: int = DEFAULT_MATCHES,
        grouping: Grouping = "faces",
    ) -> SearchResult:
        """Searches by a stored face, which is excluded from the matches.

        Raises:
            FaceNotFound: There is no such face.
        """
        collection = self._usable_collection(collection_id)
        face = self._face_with_vector(collection.name, face_id)
        return self._search(
            collection,
            stack_vectors([face]),
            threshold=threshold,
            max_matches=max_matches,
            grouping=grouping,
            leave_out=lambda neighbor: (
                neighbor.face.face_id == face.face_id
                or (grouping != "faces" and face.user_id is not None and neighbor.face.user_id == face.user_id)
            ),
        )

    def search_by_user(
        self,
        collection_id: str,
        user_id: str,
        *,
        threshold: float | None = None,
        max_matches: int = DEFAULT_MATCHES,
    ) -> SearchResult:
        """Searches for other users who resemble this one, judged by their nearest faces. The result is for one face."""
        collection = self._usable_collection(collection_id)
        user_id = identifiers.check_user_id(user_id)
        faces = self._store.list_faces(collection.name, user_id=user_id, limit=MAX_FACES_PER_USER, vectors=True)
        found = self._search(
            collection,
            stack_vectors(faces, collection.width),
            threshold=threshold,
            max_matches=max_matches,
            grouping="users",
            leave_out=lambda neighbor: neighbor.face.user_id == user_id,
        )
        best: dict[str | None, Neighbor] = {}
        for match in sorted((m for face in found.faces for m in face.matches), key=lambda match: match.distance):
            best.setdefault(match.face.user_id, match)
        matches = tuple(islice(best.values(), max_matches))
        return replace(found, faces=(Identification("match" if matches else "unknown", matches),))

    def verify(self, collection_id: str, user_id: str, vectors: NDArray[np.float32]) -> list[float]:
        """Returns the Euclidean distance of each vector (F, 768) to the nearest face of a user.

        Raises:
            NoFace: The user has no faces.
        """
        collection = self._usable_collection(collection_id)
        user = self._store.get_user(collection.name, identifiers.check_user_id(user_id))
        found = self._store.nearest(
            collection.name, trim(vectors, collection.width), limit=1, users=[user.user_id], grouping="faces"
        )
        if not found.gallery_size or not all(found.neighbors):  # no neighbors if they were just deleted
            raise NoFace(f"the user {user.user_id} has no faces: enroll one first")
        return [neighbors[0].distance for neighbors in found.neighbors]

    def _search(  # noqa: PLR0913
        self,
        collection: Collection,
        vectors: NDArray[np.float32],
        *,
        threshold: float | None,
        max_matches: int,
        grouping: Grouping,
        rate: float | None = None,
        users: Sequence[str] | None = None,
        leave_out: Callable[[Neighbor], bool] | None = None,
        reliable: Sequence[bool] | None = None,
    ) -> SearchResult:
        # Ask for more neighbors than are reported, to detect ambiguity and people who are assigned to another face.
        limit = max_matches + max(1, len(vectors))
        nearest = self._store.nearest(collection.name, vectors, limit=limit, users=users, grouping=grouping)
        neighbors = nearest.neighbors
        if leave_out is not None:
            neighbors = tuple(tuple(each for each in one if not leave_out(each)) for one in neighbors)
        if threshold is None:
            threshold = self._threshold(collection, nearest.gallery_size, rate)
        if grouping == "people":
            faces = identify(neighbors, threshold, self._model().scale, max_matches, reliable)
        else:
            within = [tuple(each for each in one if each.distance <= threshold)[:max_matches] for one in neighbors]
            faces = [Identification("match" if each else "unknown", each) for each in within]
        expected = expected_rate(self._strangers_of(collection), nearest.gallery_size, threshold)
        return SearchResult(tuple(faces), threshold, nearest.gallery_size, expected, nearest.exact)

    def _face_with_vector(self, name: str, face_id: str) -> StoredFace:
        found = self._faces_with_vectors(name, [identifiers.check_face_id(face_id)])
        if not found:
            raise FaceNotFound(f"the collection has no face {face_id}")
        return found[0]
