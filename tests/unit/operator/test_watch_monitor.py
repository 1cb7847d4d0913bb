"""What kopf's responses reveal: stale watches, deleted objects, and missing kinds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from face_comparison_operator.api_resources import HTTP_ROUTE, POD, RESOURCE, SERVICE, WATCHED, ApiResource
from face_comparison_operator.cache import ObjectCache
from face_comparison_operator.errors import ApiNotInstalled, ClusterUnavailable
from face_comparison_operator.watch_monitor import LIVE_SECONDS, WATCH_SECONDS, WatchMonitor

KEY = ("ns", "faces")


class Lists:
    """Lists of an API server by kind: objects and their version; None for an unknown kind."""

    def __init__(self) -> None:
        self.objects: dict[ApiResource, list[str] | None] = {kind: None if kind.optional else [] for kind in WATCHED}
        self.version = 10
        self.broken = 0
        self.broken_kind: ApiResource | None = None

    async def listed(self, kind: ApiResource, namespace: str | None) -> AsyncIterator[dict[str, Any] | str]:
        if self.broken or kind == self.broken_kind:
            self.broken = max(self.broken - 1, 0)
            raise ClusterUnavailable("not now")
        names = self.objects[kind]
        if names is None:
            raise ApiNotInstalled(kind.plural)
        for name in names:
            yield body(name, self.version)
        yield str(self.version)


def body(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": str(version)}}


class Following:
    """The watches with everything around them, at a time that the test controls."""

    def __init__(self, *namespaces: str) -> None:
        self.now = 0.0
        self.lists, self.store = Lists(), ObjectCache()
        self.changed: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str, int]] = []
        self.watches = WatchMonitor(
            self.lists,  # type: ignore[arg-type]
            self.store,
            self.changed.append,
            namespaces,
            report=lambda *request: self.requests.append(request),
            clock=lambda: self.now,
        )
        self.namespace = namespaces[0] if namespaces else None
        self.task: asyncio.Task[None] | None = None

    def kopf_lists(self, *kinds: ApiResource, **query: str) -> None:
        for kind in kinds:
            self.watches.on_response(kind.path(self.namespace), {"limit": "50", **query}, 200)

    def kopf_watches(self, *kinds: ApiResource, status: int = 200) -> None:
        for kind in kinds:
            self.watches.on_response(kind.path(self.namespace), {"watch": "true"}, status)

    async def settle(self) -> bool:
        """Lets it run until it waits; returns whether it has finished."""
        self.task = self.task or asyncio.create_task(self.watches.run())
        for _ in range(100):
            await asyncio.sleep(0)
        return self.task.done()

    async def wait(self, seconds: float) -> bool:
        """Lets time pass, and wakes it up."""
        self.now += seconds
        self.kopf_lists(POD)
        return await self.settle()


ALWAYS = [kind for kind in WATCHED if not kind.optional]


def test_one_stale_watch_fails_liveness() -> None:
    following = Following()
    assert following.watches.liveness_error() is None
    following.now = LIVE_SECONDS - 1
    following.kopf_watches(*(kind for kind in ALWAYS if kind != POD))
    assert following.watches.liveness_error() is None
    following.now = LIVE_SECONDS + 1
    reported = following.watches.liveness_error()
    assert reported is not None
    assert "pods" in reported
    assert "no response" in reported
    following.kopf_watches(POD, status=503)
    assert following.watches.liveness_error() is not None, "an error is no sign of life"
    following.kopf_watches(POD)
    assert following.watches.liveness_error() is None
    assert following.watches.seconds_since_response == 2


def test_kopf_requests_are_counted() -> None:
    following = Following()
    following.kopf_lists(SERVICE)
    following.kopf_watches(POD, status=503)
    following.watches.on_response("/apis/apps/v1", {}, 200)
    assert following.requests == [("list", "services", 200), ("watch", "pods", 503)]


def test_watch_of_optional_api_is_not_counted() -> None:
    following = Following()
    following.kopf_watches(HTTP_ROUTE)
    following.now = LIVE_SECONDS + 1
    following.kopf_watches(*ALWAYS)
    assert following.watches.liveness_error() is None


def test_healthy_watch_is_not_stale() -> None:
    assert WATCH_SECONDS < LIVE_SECONDS


async def _synced(following: Following) -> None:
    following.kopf_lists(*ALWAYS)
    await following.settle()
    assert following.watches.synced.is_set()


def test_forbidden_namespace_does_not_block_the_others() -> None:
    """For example, because it was deleted together with the Role in it."""

    async def test() -> None:
        following = Following("a", "b")
        following.kopf_lists(*ALWAYS)
        await following.settle()
        assert not following.watches.synced.is_set()
        for kind in ALWAYS[1:]:
            following.watches.on_response(kind.path("b"), {}, 403)
        assert not following.watches.synced.is_set(), "one kind may still come"
        following.watches.on_response(ALWAYS[0].path("b"), {}, 403)
        await following.settle()
        assert following.watches.synced.is_set()
        assert following.watches.readiness_error() is None

        following.now = LIVE_SECONDS + 1
        following.kopf_watches(*ALWAYS)
        assert following.watches.liveness_error() is None
        following.watches.on_response(ALWAYS[0].path("b"), {"watch": "true"}, 200)  # it exists again
        assert following.watches.liveness_error() is not None, "the others of it have not been heard of since"
        for kind in ALWAYS:
            following.watches.on_response(kind.path("b"), {"watch": "true"}, 200)
        assert following.watches.liveness_error() is None

    asyncio.run(test())


def test_not_ready_if_all_namespaces_are_forbidden() -> None:
    async def test() -> None:
        following = Following("a")
        for kind in ALWAYS:
            following.watches.on_response(kind.path("a"), {}, 403)
        await following.settle()
        assert not following.watches.synced.is_set()
        assert str(following.watches.readiness_error()).startswith("not listed yet: ")

    asyncio.run(test())


def test_kopf_retries_after_not_found() -> None:
    following = Following()
    assert following.watches.on_response(HTTP_ROUTE.path(None), {"watch": "true"}, 404)
    assert not following.watches.on_response(HTTP_ROUTE.path(None), {"watch": "true"}, 200)
    assert not following.watches.on_response("/apis/gateway.networking.k8s.io/v1", {}, 404)


def test_ready_after_all_kinds_are_listed() -> None:
    async def test() -> None:
        following = Following()
        following.lists.objects[SERVICE] = ["faces"]
        following.kopf_lists(*(kind for kind in ALWAYS if kind != SERVICE))
        await following.settle()
        assert following.watches.readiness_error() == "not listed yet: services"
        assert not following.watches.synced.is_set()
        following.kopf_lists(SERVICE)
        await following.settle()
        assert following.watches.readiness_error() is None
        assert following.watches.synced.is_set()
        assert following.store.get(SERVICE, KEY, "faces") is not None
        assert following.changed == [KEY]

    asyncio.run(test())


def test_relist_drops_deleted_objects() -> None:
    async def test() -> None:
        following = Following()
        following.lists.objects[RESOURCE] = ["faces"]
        await _synced(following)
        following.changed.clear()
        following.lists.objects[RESOURCE], following.lists.version = [], 20
        following.kopf_watches(RESOURCE)
        following.kopf_lists(SERVICE)
        await following.settle()
        assert following.store.resource(KEY) is not None, "nobody has looked"
        following.kopf_lists(RESOURCE)
        await following.settle()
        assert following.store.resource(KEY) is None
        assert following.changed == [KEY]

    asyncio.run(test())


@pytest.mark.parametrize("namespaces", [(), ("ns",)])
def test_objects_of_removed_api_are_dropped(namespaces: tuple[str, ...]) -> None:
    """A watch that was interrupted does not report their deletion."""

    async def test() -> None:
        following = Following(*namespaces)
        following.lists.objects[HTTP_ROUTE] = ["faces"]
        await _synced(following)
        assert following.store.get(HTTP_ROUTE, KEY, "faces") is not None
        following.changed.clear()
        following.lists.objects[HTTP_ROUTE] = None
        for _ in range(2):
            following.kopf_watches(HTTP_ROUTE, status=404)
            await following.settle()
        assert following.store.get(HTTP_ROUTE, KEY, "faces") is None
        assert following.changed == [KEY]
        following.lists.objects[HTTP_ROUTE] = ["faces"]
        following.kopf_lists(HTTP_ROUTE)
        await following.settle()
        assert following.store.get(HTTP_ROUTE, KEY, "faces") is not None

    asyncio.run(test())


@pytest.mark.parametrize("resources", [["faces"], []])
def test_missing_child_is_reported_only_for_existing_resource(
    resources: list[str],
) -> None:
    """Otherwise it would be recreated for a resource that no longer exists."""

    async def test() -> None:
        following = Following()
        following.lists.objects[RESOURCE] = following.lists.objects[SERVICE] = ["faces"]
        await _synced(following)
        reported: list[bool] = []
        following.watches._changed = lambda key: reported.append(following.store.resource(key) is not None)
        following.lists.objects[RESOURCE], following.lists.objects[SERVICE] = list(resources), []
        following.lists.version = 20
        following.kopf_lists(SERVICE)
        await following.settle()
        assert reported
        assert set(reported) == {bool(resources)}

    asyncio.run(test())


def test_missing_child_is_ignored_while_lookup_fails() -> None:
    """Other triggers still find resource and child in the cache, and create nothing."""

    async def test() -> None:
        following = Following()
        following.lists.objects[RESOURCE] = following.lists.objects[SERVICE] = ["faces"]
        await _synced(following)
        following.changed.clear()
        following.lists.objects[RESOURCE] = following.lists.objects[SERVICE] = []
        following.lists.version, following.lists.broken_kind = 20, RESOURCE
        following.kopf_lists(SERVICE)
        await following.settle()
        assert following.changed == []
        assert following.store.get(SERVICE, KEY, "faces") is not None
        following.lists.broken_kind = None
        await following.wait(1)
        assert set(following.changed) == {KEY}
        assert following.store.resource(KEY) is None
        assert following.store.get(SERVICE, KEY, "faces") is None

    asyncio.run(test())


def test_objects_newer_than_the_list_are_kept() -> None:
    async def test() -> None:
        following = Following()
        following.store.put(SERVICE, body("faces", following.lists.version + 1))
        await _synced(following)
        assert following.store.get(SERVICE, KEY, "faces") is not None

    asyncio.run(test())


def test_pages_belong_to_one_list() -> None:
    async def test() -> None:
        following = Following()
        await _synced(following)
        following.lists.broken = 1
        following.kopf_lists(SERVICE, **{"continue": "there"})
        await following.settle()
        assert following.lists.broken == 1

    asyncio.run(test())


def test_failed_list_is_retried() -> None:
    async def test() -> None:
        following = Following()
        following.kopf_lists(*ALWAYS)
        following.lists.broken = len(WATCHED)
        await following.settle()
        assert following.watches.readiness_error() is not None
        await following.wait(1)
        assert following.watches.readiness_error() is None

    asyncio.run(test())


@pytest.mark.parametrize("namespaces", [(), ("ns",)])
def test_new_api_needs_restart_only_without_discovery(
    namespaces: tuple[str, ...],
) -> None:
    async def test() -> None:
        following = Following(*namespaces)
        await _synced(following)
        assert not await following.wait(30), "it is still missing"
        following.lists.objects[HTTP_ROUTE] = []
        if not namespaces:
            following.kopf_lists(HTTP_ROUTE)
        assert await following.wait(30) == bool(namespaces)

    asyncio.run(test())
