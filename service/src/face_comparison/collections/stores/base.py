"""The store protocol. One test suite (tests/stores) runs against every implementation.

Every method is one transaction: it returns after the commit, and other processes see the change in their next call.
Stores make no decisions. All methods are thread-safe. They raise StoreUnavailable if the store cannot be reached, and
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
    """A deletion to record as an `Erasure`, to which the store adds the number of faces and the times."""

    erasure_id: str
    subject: str
    now: datetime
    backups_until: datetime | None


@dataclass(frozen=True, slots=True)
class RequestToken:
    """Identifies a client's repetitions of a request for TOKEN_LIFETIME.

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
    """Marks a field that an update leaves unchanged, since None is a regular value."""


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
        """Creates a collection.

        Raises:
            CollectionExists: The name is taken.
        """
        ...

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        """Returns a collection. `users` is 0 unless `count_users` is set, because counting takes time."""
        ...

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        """Returns up to `limit` collections whose names come after `after`, sorted by name."""
        ...

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        """Deletes a collection with its users and faces, and returns the receipt."""
        ...

    # --- users ---

    def create_user(self, collection: str, user: User, *, token: RequestToken | None = None) -> bool:
        """Creates a user, once per token; returns whether it did. Raises UserExists, RequestTokenReused."""
        ...

    def get_user(self, collection: str, user_id: str) -> User:
        """Returns a user.

        Raises:
            UserNotFound: There is no such user.
        """
        ...

    def list_users(self, collection: str, after: str, limit: int) -> list[User]:
        """Returns up to `limit` users whose UserIds come after `after`, sorted by UserId."""
        ...

    def update_user(
        self,
        collection: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        """Updates the given fields and returns the user.

        Raises:
            UserNotFound: There is no such user.
        """
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
        """Deletes a user and its faces, or with `keep_faces`, keeps the faces without a user; returns the receipt.

        A repeated token deletes nothing.

        Raises:
            UserNotFound: There is no such user.
            RequestTokenReused: The token was used for a request with other parameters.
        """
        ...

    # --- faces ---

    def add_faces(
        self, collection: str, faces: Sequence[StoredFace], *, reject_within: float | None = None
    ) -> list[AddedFace]:
        """Enrolls faces with their embeddings, all or none, and creates missing users.

        If a face with the same source_key or face_id exists, the existing face is returned.

        Args:
            collection: The collection.
            faces: The faces.
            reject_within: Euclidean distance to a face of another user within which a face is not enrolled; None to
                enroll all faces. The check and the commit are atomic.

        Raises:
            CollectionFull: The store does not accept more faces.
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
        """Returns up to `limit` faces whose face_ids come after `after`, sorted by face_id.

        Args:
            collection: The collection.
            user_id: The user whose faces are returned; None for everyone.
            face_ids: The ids of the faces to return; None for all.
            after: The last face_id of the previous page.
            limit: Maximum number of faces.
            vectors: Whether the faces include their embeddings.
        """
        ...

    def delete_faces(
        self, collection: str, face_ids: Sequence[str], request: ErasureRequest
    ) -> tuple[Erasure, list[str]]:
        """Deletes faces; returns the receipt and the ids of those that existed."""
        ...

    def assign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        """Assigns faces without a user to a user; returns the ids of the assigned faces.

        A repeated token returns the ids of the faces that belong to the user now.

        Raises:
            UserNotFound: There is no such user.
            RequestTokenReused: The token was used for a request with other parameters.
        """
        ...

    def unassign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        """Removes faces from a user, without deleting them; returns the ids of the removed faces.

        A repeated token returns the ids of the faces that have no user now.

        Raises:
            UserNotFound: There is no such user.
            RequestTokenReused: The token was used for a request with other parameters.
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
            limit: Maximum number of neighbors per vector.
            users: Users whose faces to compare with; None for everyone.
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
        """Returns what a verbose readiness probe reports: schema and library versions.

        Raises:
            StoreUnavailable: The store cannot be reached.
        """
        ...

    def close(self) -> None:
        """Closes all connections."""
        ...
