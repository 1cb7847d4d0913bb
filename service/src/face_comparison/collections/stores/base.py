"""What a store does. One suite of tests (tests/stores) runs over every implementation.

Every method is one transaction: it returns after the commit, and what it changed is seen by every other process at its
next call. A store keeps what it is given and decides nothing. All methods are safe from any thread and raise
StoreUnavailable when the store cannot be reached, and CollectionNotFound where the collection is not there.
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
    """A deletion to be recorded; `faces` and times are the store's to fill in. See Erasure."""

    erasure_id: str
    subject: str
    now: datetime
    backups_until: datetime | None


@dataclass(frozen=True, slots=True)
class RequestToken:
    """Tells a request that a client repeats from a new one, for TOKEN_LIFETIME.

    token, parameters: keyed digests of the client's token and of the request's parameters.
    """

    token: bytes
    parameters: bytes
    now: datetime


TOKEN_LIFETIME = timedelta(days=1)


class Unchanged:
    """The default of a field that an update leaves as it is; None is a value of its own."""


UNCHANGED = Unchanged()


class Store(Protocol):
    """Keeps collections, users, faces and receipts; safe from any thread.

    Every method raises StoreUnavailable, and those that name something CollectionNotFound or UserNotFound.

    Attributes:
        kind: `sqlite` or `postgresql`.
    """

    kind: str
    """`sqlite` or `postgresql`."""

    # --- collections ---

    def create_collection(self, collection: Collection) -> None:
        """Raises CollectionExists."""
        ...

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        """count_users: `users` is counted, which takes time; otherwise it is 0."""
        ...

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        """By name, those behind `after`."""
        ...

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        """Deletes it with its users and faces."""
        ...

    # --- users ---

    def create_user(self, collection: str, user: User, *, token: RequestToken | None = None) -> None:
        """Creates a user, once for all requests of a token. Raises UserExists, RequestTokenReused."""
        ...

    def get_user(self, collection: str, user_id: str) -> User:
        """Raises UserNotFound."""
        ...

    def list_users(self, collection: str, after: str, limit: int) -> list[User]:
        """By UserId, those behind `after`."""
        ...

    def update_user(
        self,
        collection: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        """Raises UserNotFound."""
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
        """Deletes a user with all faces, or (`keep_faces`) leave the faces without a user.

        The request of a token that has done so before deletes nothing more. Raises UserNotFound, RequestTokenReused.
        """
        ...

    # --- faces ---

    def add_faces(
        self, collection: str, faces: Sequence[StoredFace], *, reject_within: float | None = None
    ) -> list[AddedFace]:
        """Enrolls faces with their vectors, all or none; users that do not exist are created.

        A face whose source_key or face_id is there already is not enrolled again; the stored one is returned. With
        reject_within, a face at most this distance from a face of another user is not enrolled either; no concurrent
        call can slip in between that check and the commit. Raises CollectionFull.
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
        """By face_id, those behind `after`; of one user or of these ids only, where given. vectors: with vectors."""
        ...

    def delete_faces(
        self, collection: str, face_ids: Sequence[str], request: ErasureRequest
    ) -> tuple[Erasure, list[str]]:
        """Deletes faces; returns the ids that were there."""
        ...

    def assign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        """Gives faces without a user to this one; returns the ids that were given.

        The request of a token that has done so before returns those that are this user's now. Raises UserNotFound,
        RequestTokenReused.
        """
        ...

    def unassign_faces(
        self, collection: str, face_ids: Sequence[str], user_id: str, *, token: RequestToken | None = None
    ) -> list[str]:
        """Takes faces from this user; returns the ids that were this user's. Raises UserNotFound, RequestTokenReused.

        The request of a token that has done so before returns those that have no user now.
        """
        ...

    # --- searching ---

    def count_faces(
        self, collection: str, *, users: Container[str] | None = None, grouping: Grouping = "people"
    ) -> int:
        """Faces that a search with the same arguments compares per searched vector."""
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

        vectors: (F, width) float32 of norm 1. limit: neighbors per vector. users: compare only with their faces.
        """
        ...

    # --- erasure, retention, operation ---

    def get_erasure(self, erasure_id: str) -> Erasure | None:
        """Returns a receipt, None: there is none of this id."""
        ...

    def purge(self, now: datetime) -> list[Purge]:
        """Deletes expired users with their faces, and faces past their collection's retention.

        However many processes call it, every face and user is deleted and reported once.
        """
        ...

    def scrub(self, now: datetime) -> int:
        """Removes deleted faces from the store's files; returns how many erasures that completed.

        Does nothing where nothing is to be done, or where another process is doing it.
        """
        ...

    def subject_key(self) -> bytes:
        """Secret of this store with which UserIds are turned into digests for receipts and the audit log."""
        ...

    def health(self) -> dict[str, Any]:
        """What a verbose readiness probe shows: schema version, library versions. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """Closes all connections."""
        ...
