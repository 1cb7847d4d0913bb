"""The requests that children need, which the API client provides."""

from __future__ import annotations

from typing import Protocol

from face_comparison_operator.api_resources import ApiResource
from face_comparison_operator.resource import Object


class ChildClient(Protocol):
    """Requests about children; see `api_client.Cluster`."""

    async def read(self, kind: ApiResource, namespace: str, name: str) -> Object | None:
        """Returns a live object, or None if it does not exist."""
        ...

    async def create(self, kind: ApiResource, body: Object) -> Object:
        """Creates an object and returns it as stored."""
        ...

    async def apply(self, kind: ApiResource, body: Object, live: Object, *, exclusive: bool = False) -> Object:
        """Applies an object by server-side apply.

        Args:
            kind: The API of the object.
            body: The desired object.
            live: The object as it was read.
            exclusive: Whether to remove spec fields that other managers own, unless `body` has them.
        """
        ...

    async def delete(self, kind: ApiResource, live: Object) -> None:
        """Deletes an object, unless it has been replaced by another one with the same name."""
        ...
