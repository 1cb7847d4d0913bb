"""Object cache (informer store): the objects delivered by the watches, each as a few hundred bytes of JSON.

A thousand resources with their children are about ten thousand objects; as dictionaries, they would take ten times as
much memory. Unused fields are dropped before an object is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from face_comparison_operator.api_resources import CHILDREN, HTTP_ROUTE, POD, RESOURCE, ApiResource
from face_comparison_operator.field_ownership import OTHERS_FIELDS, STATUS_WRITTEN, fields_of_others, status_written
from face_comparison_operator.resource import INSTANCE_LABEL, Object, child_name
from face_comparison_operator.room import footprint

Key = tuple[str, str]
"""Namespace of a resource and name of its children: the key of a reconcile."""

_METADATA = (
    *("name", "namespace", "uid", "resourceVersion", "generation", "labels", "annotations"),
    *("ownerReferences", "deletionTimestamp", "creationTimestamp", "finalizers"),
)
_decoder = msgspec.json.Decoder(dict[str, Any])


class ObjectCache:
    """Objects by kind, namespace, and name; the newest version of each wins, in whatever order versions arrive."""

    def __init__(self) -> None:
        self._objects: dict[Key, dict[tuple[ApiResource, str], tuple[int, bytes]]] = {}
        self._gone: dict[tuple[ApiResource, str, str], int] = {}

    def put(self, kind: ApiResource, body: Object) -> Key | None:
        """Stores an object.

        Returns:
            Its key; None if it belongs to no resource, or is not newer than the stored or deleted object.
        """
        key, name = key_of(kind, body), body["metadata"]["name"]
        version = int(body["metadata"]["resourceVersion"])
        if key is None or version <= self._gone.get((kind, key[0], name), 0):
            return None
        entries = self._objects.setdefault(key, {})
        if (kind, name) in entries and version <= entries[kind, name][0]:
            return None
        entries[kind, name] = (version, msgspec.json.encode(strip_unused_fields(kind, body)))
        return key

    def remove(self, kind: ApiResource, body: Object) -> Key | None:
        """Removes a deleted object, and returns its key; None if it belongs to no resource."""
        key, name = key_of(kind, body), body["metadata"]["name"]
        if key is None:
            return None
        version = int(body["metadata"]["resourceVersion"])
        self._gone[kind, key[0], name] = max(version, self._gone.get((kind, key[0], name), 0))
        entries = self._objects.get(key, {})
        if (kind, name) in entries and entries[kind, name][0] <= version:
            del entries[kind, name]
        if not entries:
            self._objects.pop(key, None)
        return key

    def stale(
        self, kind: ApiResource, namespace: str | None, listed: set[tuple[str, str]], version: int
    ) -> list[tuple[Key, str]]:
        """Returns key and name of the cached objects that are missing from a list of the API server.

        Objects that are newer than the list, from a watch or a write, do not count.

        Args:
            kind: The listed kind.
            namespace: The listed namespace; None: all.
            listed: Namespace and name of the listed objects.
            version: Resource version of the list.
        """
        return [
            (key, name)
            for key, entries in self._objects.items()
            if namespace in (None, key[0])
            for (each, name), (entry_version, _) in entries.items()
            if each == kind and (key[0], name) not in listed and entry_version <= version
        ]

    def replace(
        self, kind: ApiResource, namespace: str | None, listed: set[tuple[str, str]], version: int
    ) -> list[Key]:
        """Removes the objects that `stale` returns for the same arguments, and returns their keys."""
        stale = self.stale(kind, namespace, listed, version)
        for key, name in stale:
            del self._objects[key][kind, name]
            if not self._objects[key]:
                del self._objects[key]
        return [key for key, _ in stale]

    def expire_tombstones(self) -> None:
        """Removes records of deletions, which only need to outlast responses in transit."""
        self._gone.clear()

    def get(self, kind: ApiResource, key: Key, name: str) -> Object | None:
        """Returns an object, or None if it is not cached."""
        entry = self._objects.get(key, {}).get((kind, name))
        return _decoder.decode(entry[1]) if entry else None

    def all(self, kind: ApiResource, key: Key) -> list[Object]:
        """Returns every object of `kind` that belongs to `key`."""
        entries = self._objects.get(key, {})
        return [_decoder.decode(entry[1]) for (each, _), entry in entries.items() if each == kind]

    def resource(self, key: Key) -> Object | None:
        """Returns the FaceComparison whose children have this key, or None if it is not cached."""
        resources = self.all(RESOURCE, key)
        return resources[0] if resources else None

    def resources(self) -> Iterator[tuple[Key, Object]]:
        """Yields every FaceComparison with its key."""
        for key in list(self._objects):
            body = self.resource(key)
            if body is not None:
                yield key, body


def key_of(kind: ApiResource, body: Object) -> Key | None:
    """Returns the key of the resource that an object belongs to.

    It derives from a child's name, regardless of its labels, and from a pod's instance label; None without that label.
    """
    metadata = body["metadata"]
    if kind == POD:
        instance = metadata.get("labels", {}).get(INSTANCE_LABEL)
        return (metadata["namespace"], instance) if instance else None
    return metadata["namespace"], child_name(metadata["name"])


def strip_unused_fields(kind: ApiResource, body: Object) -> Object:
    """Returns the parts of an object to store.

    For pods, these are the state and the footprint; for children, they include a summary of field ownership.
    """
    metadata = {name: body["metadata"][name] for name in _METADATA if name in body["metadata"]}
    if kind in CHILDREN and (others := fields_of_others(body)):
        metadata[OTHERS_FIELDS] = others
    if kind == HTTP_ROUTE:
        metadata[STATUS_WRITTEN] = status_written(body)
    if kind == RESOURCE:
        metadata.pop("annotations", None)
        metadata.pop("labels", None)
    rest = {name: value for name, value in body.items() if name not in ("metadata", "managedFields")}
    if kind == POD:
        status = rest.get("status", {})
        pod_status = {name: status.get(name) for name in _POD_STATUS if name in status}
        rest = {"status": pod_status, "footprint": footprint(rest)}
    return {"metadata": metadata, **rest}


_POD_STATUS = ("phase", "reason", "message", "conditions", "containerStatuses", "initContainerStatuses")
