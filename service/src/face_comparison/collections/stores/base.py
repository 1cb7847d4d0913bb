"""The store protocol. One test suite (tests/stores) runs against every implementation.

Every method is one transaction: it returns after the commit, and other processes see the change in their next call. A
store makes no decisions. All methods are thread-safe and raise StoreUnavailable if the store cannot be reached, and
CollectionNotFound if the collection does not exist.
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from numpy.typing import NDArray

from face_comparison.collections.values import (
    AddedFace,
    Collection,
    Erasure,
    Grouping,
    Nearest,
    Purge,
    StoredFace,
    User,
)


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A deletion to be recorded. The store adds the number of faces and the times. See Erasure."""

    erasure_id: str
    subject: str
    now: datetime
    backups_until: datetime | None


@dataclass(frozen=True, slots=True)
class RequestToken:
    """Identifies repetitions of a request by a client, for TOKEN_LIFETIME.

    Attributes:
        token: Keyed digest of the client's token.
        parameters: Keyed digest of the request's parameters.
        now: When the request was made.
    """

    token: bytes
    parameters: bytes
    now: datetime


TOKEN_LIFETIME = timedelta(days=1)


class Unchanged:
    """Marks a field that an update leaves unchanged; None is a regular value."""


UNCHANGED = Unchanged()


class Store(Protocol):
    """Persists collections, users, faces, and receipts. Thread-safe.

    Every method may raise StoreUnavailable; those with a collection or user, CollectionNotFound or UserNotFound.

    Attributes:
        kind: `sqlite` or `postgresql`.
    """

    kind: str
    """`sqlite` or `postgresql`."""

    # --- collections ---

    def create_collection(self, collection: Collection) -> None:
        """Creates a collection. Raises CollectionExists."""
        ...

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        """Returns a collection. `users` is 0 unless `count_users` is set, because counting takes time."""
        ...

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        """Returns the collections after `after`, by name."""
        ...

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        """Deletes a collection with its users and faces."""
        ...

    # --- users ---

    def create_user(self, collection: str, user: User, *, token: RequestToken | None = None) -> None:
        """Creates a user, once per token. Raises UserExists, RequestTokenReused."""
        ...

    def get_user(self, collection: str, user_id: str) -> User:
        """Returns a user. Raises UserNotFound."""
        ...

    def list_users(self, collection: str, after: str, limit: int) -> list[User]:
        """Returns the users after `after`, by UserId."""
        ...

    def update_user(
        self,
        collection: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        """Updates the given fields and returns the user. Raises UserNotFound."""
        ...

    def delete_user(
        self,
        collection: str,
        user_id: str,
        request: ErasureRequest,
        *,
        keep_faces: bool,
        token: RequestToken | None = None,
    ) -> Erasure:
        """Deletes a user with all faces, or (`keep_faces`) leaves the faces without a user.

        A repeated token deletes nothing. Raises UserNotFound, RequestTokenReused.
        """
        ...

    # --- faces ---

    def add_faces(
        self, collection: str, faces: Sequence[StoredFace], *, reject_within: float | None = None
    ) -> list[AddedFace]:
        """Enrolls faces with their embeddings, all or none, and creates missing users.

        If a face with the same source_key or face_id exists, that one is returned. With reject_within, a face at most
        this far from a face of another user is not enrolled; the check and the commit are atomic. Raises
        CollectionFull.
        """
        ...

    def list_faces(
        self,
        collection: str,
        *,
        user_id: str | None = None,
        face_ids: Container[str] | None = None,
        after: str = "",
        limit: int,
        vectors: bool = False,
    ) -> list[StoredFace]:
        """Returns faces after `after`, by face_id; only those of a user, or with these ids, if given.

        With `vectors`, the faces include their embeddings.
        """
        ...

    def delete_faces(
        self, collection: str, face_ids: Sequence[str], request: ErasureRequest
    ) -> tuple[Erasure, list[str]]:
        """Deletes faces. Returns the receipt and the ids that existed."""
        ...

    def assign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        """Assigns faces without a user to this one; returns the assigned ids.

        The request of a token that has done so before returns those that are this user's now. Raises UserNotFound,
        RequestTokenReused.
        """
        ...

    def unassign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        """Removes faces from this user; returns the removed ids. Raises UserNotFound, RequestTokenReused.

        A repeated token returns the ids that have no user now.
        """
        ...

    # --- searching ---

    def count_faces(
        self, collection: str, *, users: Container[str] | None = None, grouping: Grouping = "people"
    ) -> int:
        """Returns how many faces a search with the same arguments compares with each vector."""
        ...

    def nearest(
        self,
        collection: str,
        vectors: NDArray[Any],
        *,
        limit: int,
        users: Container[str] | None = None,
        grouping: Grouping = "people",
    ) -> Nearest:
        """Returns the nearest faces of each vector.

        Args:
            collection: The collection.
            vectors: (F, width) float32 of norm 1.
            limit: Neighbors per vector.
            users: Compare only with these users' faces.
            grouping: See `Grouping`.
        """
        ...

    # --- erasure, retention, operation ---

    def get_erasure(self, erasure_id: str) -> Erasure | None:
        """Returns the receipt with this id, if any."""
        ...

    def purge(self, now: datetime) -> list[Purge]:
        """Deletes expired users with their faces, and faces past their collection's retention.

        Concurrent calls delete and report each face and user once.
        """
        ...

    def scrub(self, now: datetime) -> int:
        """Removes deleted faces from the store's files; returns the number of erasures completed.

        Does nothing if nothing is pending or another process is scrubbing.
        """
        ...

    def subject_key(self) -> bytes:
        """Returns the store's secret key for digests of UserIds in receipts and the audit log."""
        ...

    def health(self) -> dict[str, Any]:
        """Returns what a verbose readiness probe shows: schema and library versions. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """Closes all connections."""
        ...
