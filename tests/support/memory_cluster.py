"""An in-memory cluster for reconciles: create, server-side apply, delete, conflicts and permissions.

Field ownership is by leaf; lists, and mappings that the API treats as atomic, are leaves. The rules in
`support.reconcile_rules` run against this and against a real API server, so that the two cannot drift apart.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from face_comparison_operator.api_resources import DEPLOYMENT, EVENT, POD, RESOURCE, ApiResource
from face_comparison_operator.errors import ApiNotInstalled, Conflict, Forbidden, NotFound, Rejected
from face_comparison_operator.resource import MANAGER

Object = dict[str, Any]
Path = tuple[str, ...]
Key = tuple[str, str, str]
"""Plural, namespace, name."""

_ATOMIC = ("selector", "matchLabels", "nodeSelector", "podSelector", "fieldsV1")


class MemoryCluster:
    """Objects and the owners of their fields. `now` is the time of all events."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.objects: dict[Key, Object] = {}
        self.requests: list[tuple[str, str]] = []
        """Verb and plural of each request that the operator made."""
        self.missing: set[ApiResource] = set()
        """APIs that are not installed."""
        self.forbidden: dict[tuple[str, str], str] = {}
        """Messages of denied requests, by verb and plural."""
        self.rejected: dict[str, str] = {}
        """Messages of admission rules that reject every object of a plural."""
        self.mutated: dict[str, Callable[[Object], None]] = {}
        """Admission rules that change every object of a plural in place."""
        self.events: list[Object] = []
        """Warnings about pods."""
        self._owners: dict[Key, dict[Path, set[str]]] = {}
        self._versions, self._uids = itertools.count(1), itertools.count(1)

    # --- the operator's requests -------------------------------------------------------------------------------------

    async def read(self, kind: ApiResource, namespace: str, name: str) -> Object | None:
        self._request("get", kind)
        return self._copy((kind.plural, namespace, name))

    async def create(self, kind: ApiResource, body: Object) -> Object:
        self._request("create", kind)
        if kind == EVENT:
            return body
        return self._create(kind, body, MANAGER)

    async def apply(self, kind: ApiResource, body: Object, live: Object, *, exclusive: bool = False) -> Object:
        self._request("patch", kind)
        metadata = body["metadata"]
        key = (kind.plural, metadata["namespace"], metadata["name"])
        if key not in self.objects or self.objects[key]["metadata"]["uid"] != live["metadata"]["uid"]:
            raise Conflict("the object was replaced")
        self._admit(kind)
        found, owners = copy.deepcopy(self.objects[key]), copy.deepcopy(self._owners[key])
        if exclusive:
            for path, managers in owners.items():
                if path[0] == "spec":
                    managers.clear()
                    managers.add(MANAGER)
        expected = dict(_leaves(body))
        for path in [path for path, managers in owners.items() if MANAGER in managers and path not in expected]:
            owners[path].discard(MANAGER)
            if not owners[path]:
                del owners[path]
                _remove(found, path)
        for path, value in expected.items():
            if _at(found, path) != value:
                owners[path] = set()
            owners.setdefault(path, set()).add(MANAGER)
            _set(found, path, value)
        return self._store(key, found, owners)

    async def delete(self, kind: ApiResource, live: Object) -> None:
        self._request("delete", kind)
        metadata = live["metadata"]
        self.remove(kind, metadata["namespace"], metadata["name"])

    async def write_status(self, namespace: str, name: str, uid: str, status: Object) -> Object:
        self._request("patch", RESOURCE)
        key = (RESOURCE.plural, namespace, name)
        if self.objects.get(key, {}).get("metadata", {}).get("uid") != uid:
            raise Conflict("the resource is another now")
        found = copy.deepcopy(self.objects[key])
        found["status"] = status
        return self._store(key, found, self._owners[key])

    async def warnings(self, namespace: str, uid: str) -> list[Object]:
        self._request("list", EVENT)
        return [each for each in self.events if each["involvedObject"]["uid"] == uid]

    # --- actions of others -------------------------------------------------------------------------------------------

    def add(self, kind: ApiResource, body: Object, manager: str = "test") -> Object:
        """Creates an object as somebody else."""
        return self._create(kind, body, manager)

    def edit(self, kind: ApiResource, namespace: str, name: str, patch: Object, manager: str = "kubectl-patch") -> None:
        """Changes an object as somebody else, with `kubectl patch --type=merge`."""
        key = (kind.plural, namespace, name)
        found, owners = copy.deepcopy(self.objects[key]), copy.deepcopy(self._owners[key])
        before = dict(_leaves(found))
        _merge(found, copy.deepcopy(patch))
        after = dict(_leaves(found))
        for path in before.keys() - after.keys():
            owners.pop(path, None)
        for path in (path for path, value in after.items() if before.get(path) != value):
            owners[path] = {manager}
        self._store(key, found, owners)

    def remove(self, kind: ApiResource, namespace: str, name: str) -> None:
        """Deletes an object as somebody else; one with finalizers stays until they are removed."""
        key = (kind.plural, namespace, name)
        found = self.objects.get(key)
        if found is None:
            raise NotFound(name)
        if found["metadata"].get("finalizers"):
            found["metadata"]["deletionTimestamp"] = self.time()
            found["metadata"]["resourceVersion"] = str(next(self._versions))
        else:
            del self.objects[key], self._owners[key]

    def run_controllers(self) -> None:
        """Does the work of the Deployment controller and the nodes: one ready pod per replica."""
        for (plural, namespace, name), found in list(self.objects.items()):
            if plural != DEPLOYMENT.plural:
                continue
            expected, template = found["spec"].get("replicas", 1), found["spec"]["template"]
            for key in [key for key in self.objects if key[0] == POD.plural and key[2].startswith(f"{name}-")]:
                del self.objects[key], self._owners[key]
            for index in range(expected):
                metadata = {
                    "name": f"{name}-{index}",
                    "namespace": namespace,
                    "labels": template["metadata"]["labels"],
                    "annotations": template["metadata"].get("annotations", {}),
                }
                ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
                self._create(POD, {"metadata": metadata, "spec": template["spec"], "status": ready}, "kubelet")
            status = {"observedGeneration": found["metadata"]["generation"]}
            counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            found["status"] = {**status, **dict.fromkeys(counts, expected)}
            found["metadata"]["resourceVersion"] = str(next(self._versions))

    def time(self) -> str:
        """Returns the time as objects have it."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def pass_time(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += timedelta(seconds=seconds)

    # --- implementation ----------------------------------------------------------------------------------------------

    def _request(self, verb: str, kind: ApiResource) -> None:
        self.requests.append((verb, kind.plural))
        if kind in self.missing:
            raise ApiNotInstalled(kind.plural)
        if (message := self.forbidden.get((verb, kind.plural))) is not None:
            raise Forbidden(message)

    def _admit(self, kind: ApiResource) -> None:
        if (message := self.rejected.get(kind.plural)) is not None:
            raise Rejected(message)

    def _create(self, kind: ApiResource, body: Object, manager: str) -> Object:
        self._admit(kind)
        metadata = body["metadata"]
        key = (kind.plural, metadata["namespace"], metadata["name"])
        if key in self.objects:
            raise Conflict(f"{metadata['name']} exists")
        found = copy.deepcopy(body)
        found["metadata"] |= {"uid": f"uid-{next(self._uids)}", "generation": 0, "creationTimestamp": self.time()}
        found.setdefault("apiVersion", kind.api_version)
        found.setdefault("kind", kind.name)
        return self._store(key, found, {path: {manager} for path, _ in _leaves(body)})

    def _store(self, key: Key, found: Object, owners: dict[Path, set[str]]) -> Object:
        if (mutate := self.mutated.get(key[0])) is not None:
            mutate(found)
        _validate(found)
        before = self.objects.get(key)
        if before == found:
            return copy.deepcopy(found)
        if before is None or before.get("spec") != found.get("spec"):
            found["metadata"]["generation"] = found["metadata"].get("generation", 0) + 1
        found["metadata"]["resourceVersion"] = str(next(self._versions))
        found["metadata"]["managedFields"] = [
            {"manager": manager, "operation": "Update", "fieldsV1": _fields(owners, manager)}
            for manager in sorted({manager for managers in owners.values() for manager in managers})
        ]
        self.objects[key], self._owners[key] = found, owners
        return copy.deepcopy(found)

    def _copy(self, key: Key) -> Object | None:
        return copy.deepcopy(self.objects.get(key))


def _fields(owners: dict[Path, set[str]], manager: str) -> Object:
    """Returns the fields of a manager in the format of `managedFields`."""
    fields: Object = {}
    for path in (path for path, managers in owners.items() if manager in managers):
        inner = fields
        for name in path:
            inner = inner.setdefault(f"f:{name}", {})
    return fields


def _validate(found: Object) -> None:
    """Rejects fields that exclude each other, as far as the rules need it."""
    spec = found.get("spec", {})
    if found["kind"] == "PodDisruptionBudget" and {"minAvailable", "maxUnavailable"} <= spec.keys():
        raise Rejected("minAvailable and maxUnavailable cannot be both set")
    strategy = spec.get("strategy", {})
    if found["kind"] == "Deployment" and strategy.get("type") == "Recreate" and "rollingUpdate" in strategy:
        raise Rejected("rollingUpdate may not be specified when strategy `type` is 'Recreate'")


_IGNORED = ("uid", "generation", "resourceVersion", "creationTimestamp", "managedFields", "name", "namespace")


def _leaves(body: Object, path: Path = ()) -> Any:
    for name, value in body.items():
        here = (*path, name)
        if here in (("apiVersion",), ("kind",), ("status",)) or (path == ("metadata",) and name in _IGNORED):
            continue
        if isinstance(value, dict) and value and name not in _ATOMIC:
            yield from _leaves(value, here)
        else:
            yield here, value


def _at(body: Any, path: Path) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def _set(body: Object, path: Path, value: Any) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = copy.deepcopy(value)


def _remove(body: Object, path: Path) -> None:
    parent = _at(body, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
        if not parent and len(path) > 1:
            _remove(body, path[:-1])


def _merge(body: Object, patch: Object) -> None:
    for name, value in patch.items():
        if value is None:
            body.pop(name, None)
        elif isinstance(value, dict) and isinstance(body.get(name), dict):
            _merge(body[name], value)
        else:
            body[name] = value
