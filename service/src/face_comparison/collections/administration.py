"""Creating, listing, updating, erasing, and purging collections, users, and faces."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from face_comparison.collections import identifiers
from face_comparison.collections.pages import page_by_size, page_of, paging
from face_comparison.collections.results import CollectionInfo, Page
from face_comparison.collections.service_base import ServiceBase
from face_comparison.collections.stores.base import UNCHANGED, ErasureRequest, RequestToken, Unchanged
from face_comparison.collections.values import Collection, Erasure, Purge, StoredFace, User
from face_comparison.errors import InvalidParameter, NotFound

DEFAULT_RATE = 0.01


class Administration(ServiceBase):
    """See `CollectionService`."""

    def create_collection(
        self,
        collection_id: str,
        *,
        max_false_positive_rate: float = DEFAULT_RATE,
        retention_days: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CollectionInfo:
        """Creates an empty collection for hashes of the running FaceModelVersion.

        Args:
            collection_id: Name of the new collection.
            max_false_positive_rate: Maximum fraction (0-1) of searches for strangers that return a name.
            retention_days: Days after which faces are deleted; None for never.
            metadata: Arbitrary data, kept and returned with the collection.

        Raises:
            CollectionExists: The name is taken.
        """
        model = self._model()
        collection = Collection(
            name=identifiers.check_collection_id(collection_id),
            model_version=model.version,
            width=model.embedding_width,
            max_false_positive_rate=identifiers.check_rate(max_false_positive_rate),
            retention_days=None if retention_days is None else identifiers.check_retention(retention_days),
            metadata=identifiers.check_metadata(dict(metadata or {})),
            created=self._now(),
        )
        self._store.create_collection(collection)
        return self._info(collection)

    def describe_collection(self, collection_id: str) -> CollectionInfo:
        """Returns a collection with its number of users.

        Raises:
            CollectionNotFound: There is no such collection.
        """
        name = identifiers.check_collection_id(collection_id)
        return self._info(self._store.get_collection(name, count_users=True))

    def list_collections(self, *, limit: int = 1000, token: str | None = None) -> Page[CollectionInfo]:
        """Returns a page of collections, sorted by name."""
        page = page_by_size(
            self._store.list_collections,
            paging(token, "collections"),
            identifiers.check_page_size(limit),
            lambda collection: collection.name,
        )
        return Page(tuple(self._info(each) for each in page.items), page.next_token)

    def delete_collection(self, collection_id: str) -> Erasure:
        """Deletes a collection with its users and faces, and returns the receipt.

        Raises:
            CollectionNotFound: There is no such collection.
        """
        name = identifiers.check_collection_id(collection_id)
        return self._store.delete_collection(name, self._erasure_request(name, None))

    def create_user(
        self,
        collection_id: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        expires: datetime | None = None,
        token: RequestToken | None = None,
    ) -> User | None:
        """Creates a user without faces, once per token.

        Args:
            collection_id: The collection.
            user_id: The new user.
            metadata: Arbitrary data, kept and returned with the user.
            expires: When the user is erased, which must be in the future; None for never.
            token: See `request_token`.

        Returns:
            The new user, or None if a request with this token has created it before.

        Raises:
            CollectionNotFound: There is no such collection.
            UserExists: The UserId is taken.
        """
        user = User(
            user_id=identifiers.check_user_id(user_id),
            metadata=identifiers.check_metadata(dict(metadata or {})),
            expires=self._future(expires),
            created=self._now(),
        )
        created = self._store.create_user(identifiers.check_collection_id(collection_id), user, token=token)
        return user if created else None

    def describe_user(self, collection_id: str, user_id: str) -> User:
        """Returns a user.

        Raises:
            CollectionNotFound: There is no such collection.
            UserNotFound: There is no such user.
        """
        return self._store.get_user(identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id))

    def list_users(self, collection_id: str, *, limit: int = 1000, token: str | None = None) -> Page[User]:
        """Returns a page of users, sorted by UserId."""
        name = identifiers.check_collection_id(collection_id)
        return page_by_size(
            lambda after, count: self._store.list_users(name, after, count),
            paging(token, "users", name),
            identifiers.check_page_size(limit),
            lambda user: user.user_id,
        )

    def update_user(
        self,
        collection_id: str,
        user_id: str,
        *,
        metadata: Mapping[str, Any] | Unchanged = UNCHANGED,
        expires: datetime | Unchanged | None = UNCHANGED,
    ) -> User:
        """Updates the given fields of a user and returns the user; `expires=None` removes the expiration.

        Raises:
            UserNotFound: There is no such user.
        """
        return self._store.update_user(
            identifiers.check_collection_id(collection_id),
            identifiers.check_user_id(user_id),
            metadata=metadata if isinstance(metadata, Unchanged) else identifiers.check_metadata(dict(metadata)),
            expires=expires if isinstance(expires, Unchanged) else self._future(expires),
        )

    def delete_user(
        self, collection_id: str, user_id: str, *, keep_faces: bool = False, token: RequestToken | None = None
    ) -> Erasure:
        """Erases a user and all of its faces, and returns the receipt.

        Args:
            collection_id: The collection.
            user_id: The user.
            keep_faces: Whether to keep the faces in the collection, without a user, as Rekognition does.
            token: See `request_token`.

        Raises:
            UserNotFound: There is no such user.
        """
        name, user_id = identifiers.check_collection_id(collection_id), identifiers.check_user_id(user_id)
        request = self._erasure_request(name, user_id)
        return self._store.delete_user(name, user_id, request, keep_faces=keep_faces, token=token)

    def list_faces(
        self,
        collection_id: str,
        *,
        user_id: str | None = None,
        face_ids: Sequence[str] | None = None,
        limit: int = 1000,
        token: str | None = None,
    ) -> Page[StoredFace]:
        """Returns a page of faces, sorted by FaceId; only those of `user_id`, or with these ids, if given."""
        name = identifiers.check_collection_id(collection_id)
        user_id = None if user_id is None else identifiers.check_user_id(user_id)
        face_ids = None if face_ids is None else identifiers.check_face_ids(list(face_ids))
        position = paging(token, "faces", name, user_id, face_ids)
        found = self._store.list_faces(
            name,
            user_id=user_id,
            face_ids=face_ids,
            after=identifiers.check_face_id(position.after) if position.after else "",
            limit=identifiers.check_page_size(limit) + 1,
        )
        return page_of(found, limit, lambda face: face.face_id, position)

    def delete_faces(self, collection_id: str, face_ids: Sequence[str]) -> tuple[Erasure, list[str]]:
        """Deletes faces; returns the receipt and the ids of those that existed."""
        name = identifiers.check_collection_id(collection_id)
        return self._store.delete_faces(
            name, identifiers.check_face_ids(list(face_ids)), self._erasure_request(name, None)
        )

    def describe_erasure(self, erasure_id: str) -> Erasure:
        """Returns the receipt of a deletion.

        Raises:
            NotFound: There is no receipt with this id.
        """
        found = self._store.get_erasure(identifiers.check_face_id(erasure_id))
        if found is None:
            raise NotFound("there is no erasure with this id")
        return found

    def purge(self) -> list[Purge]:
        """Deletes everything past its retention; see `Store.purge`."""
        return self._store.purge(self._now())

    def scrub(self) -> int:
        """Removes deleted data from the store's files; see `Store.scrub`."""
        return self._store.scrub(self._now())

    def health(self) -> dict[str, Any]:
        """Returns the store's kind, schema version, and library versions.

        Raises:
            StoreUnavailable: The store cannot be reached.
        """
        return self._store.health()

    def close(self) -> None:
        """Closes the store."""
        self._store.close()

    def _future(self, expires: datetime | None) -> datetime | None:
        if expires is not None and expires <= self._now():
            raise InvalidParameter("Expires must be in the future")
        return expires

    def _erasure_request(self, collection: str, user_id: str | None) -> ErasureRequest:
        now = self._now()
        until = None if self._backup_days is None else now + timedelta(days=self._backup_days)
        subject = "" if user_id is None else self.subject(collection, user_id)
        return ErasureRequest(str(uuid.uuid4()), subject, now, until)

    def _info(self, collection: Collection) -> CollectionInfo:
        return CollectionInfo(collection, self._threshold(collection, collection.faces))
