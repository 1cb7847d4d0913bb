"""Client for the API server's REST interface: the only module that sends HTTP requests to it.

Objects are dictionaries, not the official client's model classes: importing those alone takes as much memory as the
whole operator. Every write sets the operator as field manager and requests strict validation, so that a misspelled
field is an error.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from face_comparison_operator import __version__
from face_comparison_operator.api_resources import EVENT, LEASE, RESOURCE, ApiResource
from face_comparison_operator.errors import (
    ApiNotInstalled,
    ClusterError,
    ClusterUnavailable,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
)
from face_comparison_operator.field_ownership import transfer_patch, transferred
from face_comparison_operator.resource import API_VERSION, KIND, MANAGED_BY, MANAGER, Object
from face_comparison_operator.server_clock import ServerClock

# Longer than the API server waits for an admission webhook (at most 30 s), so that its response names the webhook.
REQUEST_SECONDS = 35.0
# Concurrent requests. The API server creates Services one at a time, because each needs an address. While those wait,
# there must be capacity for other requests.
CONNECTIONS = 144
# asyncio allocates and zeroes a buffer of 256 KiB for each TLS connection, but a TLS record has at most 16 KiB.
sslproto.SSLProtocol.max_size = 16 * 1024
CONNECT_SECONDS = 5.0
PAGE = 250
AGAIN_SECONDS = 5.0

_JSON, _APPLY, _JSON_PATCH = "application/json", "application/apply-patch+yaml", "application/json-patch+json"
_WRITE = {"fieldManager": MANAGER, "fieldValidation": "Strict"}

Report = Callable[[str, str, int], None]
"""Called for each request with verb, plural name of the kind, and status (0: no response)."""
Answered = Callable[[str, Mapping[str, str], int], bool]
"""Called for each response to kopf with path, query, and status.

Returns whether to withhold it from kopf and retry later.
"""


@dataclass(frozen=True, slots=True)
class Access:
    """How to access an API server: address, TLS, and credential headers; and the operator's own namespace."""

    server: str
    tls: ssl.SSLContext
    headers: Mapping[str, str]
    namespace: str
    proxy: str | None = None
    in_cluster: bool = False

    def session(self, limit: int, answered: Answered | None = None) -> aiohttp.ClientSession:
        """Creates a session.

        Args:
            limit: Maximum number of connections; 0: unlimited.
            answered: Observes the responses.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls, limit=limit, keepalive_timeout=60),
            headers={"User-Agent": f"{MANAGER}/{__version__}", "Accept": _JSON, **self.headers},
            proxy=self.proxy,
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
            middlewares=[_response_observer(answered)] if answered else [],
        )


def _response_observer(answered: Answered) -> aiohttp.ClientMiddlewareType:
    async def overhear(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        while True:
            response = await handler(request)
            if not answered(request.url.path, request.url.query, response.status):
                return response
            response.release()
            await asyncio.sleep(AGAIN_SECONDS)

    return overhear


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _Meta
    items: list[msgspec.Raw] = []


_objects = msgspec.json.Decoder(dict[str, Any])
_pages = msgspec.json.Decoder(_Page)


class Cluster:
    """A client for one API server.

    Methods raise the ClusterErrors in `errors.py` and time out after REQUEST_SECONDS.
    """

    def __init__(self, access: Access, report: Report = lambda verb, kind, status: None) -> None:
        self.access = access
        """The current access; it is replaced when the credentials change."""
        self.clock = ServerClock()
        self._report = report
        self._session: aiohttp.ClientSession | None = None
        self._leasing: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Cluster:
        self._session = self.access.session(CONNECTIONS)
        # A Lease that is renewed too late is lost, so it must not wait for a free connection.
        self._leasing = self.access.session(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, self._leasing):
            if session:
                await session.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def read(self, kind: ApiResource, namespace: str, name: str) -> Object | None:
        """Returns an object, or None if it does not exist.

        Raises:
            ApiNotInstalled: The cluster does not have this API.
        """
        try:
            return _objects.decode(await self._request("get", kind, namespace, name))
        except NotFound:
            return None

    async def listed(self, kind: ApiResource, namespace: str | None) -> AsyncIterator[Object | str]:
        """Lists the objects of an API, page by page; except for resources, only those that the operator manages.

        Yields:
            Each object and, as the last item, the resource version to watch from.
        """
        params = {**_selection(kind), "limit": str(PAGE)}
        while True:
            page = _pages.decode(await self._request("list", kind, namespace, params=params))
            for item in page.items:
                yield {"apiVersion": kind.api_version, "kind": kind.name, **_objects.decode(item)}
            if not page.metadata.continue_:
                yield page.metadata.resource_version
                return
            params["continue"] = page.metadata.continue_

    async def warnings(self, namespace: str, uid: str) -> list[Object]:
        """Returns the warning events about the object with this uid."""
        params = {"fieldSelector": f"involvedObject.uid={uid},type=Warning", "limit": str(PAGE)}
        page = _pages.decode(await self._request("list", EVENT, namespace, params=params))
        return [_objects.decode(item) for item in page.items]

    # --- writing -----------------------------------------------------------------------------------------------------

    async def create(self, kind: ApiResource, body: Object) -> Object:
        """Creates an object, and never takes over an existing one.

        Raises:
            Conflict: The API server reports that the name is taken.
        """
        namespace = body["metadata"]["namespace"]
        return _objects.decode(await self._request("create", kind, namespace, body=body, params=_WRITE))

    async def apply(self, kind: ApiResource, body: Object, live: Object, *, exclusive: bool = False) -> Object:
        """Changes `live`, which has just been read, into `body` by server-side apply.

        Fields that the operator set with `create` are first transferred to server-side apply; otherwise, fields that
        are no longer desired would never be removed.

        Args:
            kind: The API of the object.
            body: The desired object.
            live: The object as it was read.
            exclusive: Whether to remove spec fields that other managers own, unless `body` has them.

        Raises:
            Conflict: The object has been replaced since it was read.
        """
        metadata = body["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        fields = transferred(live["metadata"].get("managedFields", []), body, exclusive=exclusive)
        if fields is not None:
            patch = transfer_patch(live, body, fields)
            await self._request("patch", kind, namespace, name, body=patch, params=_WRITE, content=_JSON_PATCH)
        guarded = {**body, "metadata": {**metadata, "uid": live["metadata"]["uid"]}}
        params = {**_WRITE, "force": "true"}
        return _objects.decode(
            await self._request("patch", kind, namespace, name, body=guarded, params=params, content=_APPLY)
        )

    async def replace(self, kind: ApiResource, body: Object) -> Object:
        """Replaces an object, at the resource version in `body`.

        Raises:
            Conflict: There is a newer version.
        """
        metadata = body["metadata"]
        path = (kind, metadata["namespace"], metadata["name"])
        return _objects.decode(await self._request("update", *path, body=body, params=_WRITE))

    async def delete(self, kind: ApiResource, live: Object) -> None:
        """Deletes exactly this object, never another one with the same name; succeeds if it no longer exists."""
        metadata = live["metadata"]
        body = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        try:
            await self._request("delete", kind, metadata["namespace"], metadata["name"], body=body)
        except NotFound:
            return

    async def write_status(self, namespace: str, name: str, uid: str, status: Object) -> Object:
        """Replaces the operator's part of the resource's status.

        Raises:
            Conflict: The resource has been replaced by another one with the same name.
        """
        metadata = {"name": name, "namespace": namespace, "uid": uid}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status}
        params = {**_WRITE, "force": "true"}
        return _objects.decode(
            await self._request(
                "patch", RESOURCE, namespace, f"{name}/status", body=body, params=params, content=_APPLY
            )
        )

    # --- requests -----------------------------------------------------------------------------------------------------

    async def _request(
        self,
        verb: str,
        kind: ApiResource,
        namespace: str | None,
        name: str | None = None,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        content: str = _JSON,
    ) -> bytes:
        session = self._leasing if kind == LEASE else self._session
        if session is None:
            raise RuntimeError("use the Cluster as a context manager")
        path = kind.path(namespace, name)
        try:
            async with session.request(
                _METHODS.get(verb, verb.upper()),
                self.access.server + path,
                params=params,
                data=None if body is None else msgspec.json.encode(body),
                headers={**self.access.headers, "Content-Type": content},
                ssl=self.access.tls,
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._report(verb, kind.plural, 0)
            raise ClusterUnavailable(f"no response to {verb} {path}: {error or type(error).__name__}") from error
        self._report(verb, kind.plural, response.status)
        self.clock.learn(response.headers.get("Date"))
        if response.status >= 400:
            raise _error(response.status, _refusal(answer))
        return answer


_METHODS = {"list": "GET", "get": "GET", "create": "POST", "update": "PUT"}


def _selection(kind: ApiResource) -> dict[str, str]:
    return {} if kind == RESOURCE else {"labelSelector": MANAGED_BY}


def _refusal(answer: bytes) -> Object:
    try:
        return _objects.decode(answer)
    except msgspec.DecodeError:
        return {"message": answer[:200].decode(errors="replace").strip()}


def _error(code: int, status: Object) -> ClusterError:
    """Maps error responses of the API server to errors."""
    message = str(status.get("message", "")) or f"the API server returned {code}"
    if code == 404:
        # For a missing object, the details name it; for a missing kind, the path itself does not exist.
        return NotFound(message) if (status.get("details") or {}).get("name") else ApiNotInstalled(message)
    if code == 500 and "typed patch object" in message:
        # For an apply with a field that is not in the schema, the server responds with an internal error.
        return Rejected(message.partition("): ")[2] or message)
    if code == 500 and "failed calling webhook" in message:
        # A webhook that has to approve this object cannot be reached: not a failure of the API server.
        return Rejected(message)
    kinds: dict[int, type[ClusterError]] = {400: Rejected, 403: Forbidden, 409: Conflict, 422: Rejected}
    return kinds.get(code, ClusterUnavailable)(message)
