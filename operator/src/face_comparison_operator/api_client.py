"""The API server's REST interface: the only module that sends it HTTP requests.

Objects are dictionaries, not the official client's model classes: importing those alone takes as much memory as the
whole operator. Every write names the operator as field manager and asks for strict validation, so that a misspelled
field is an error.
"""

from __future__ import annotations

import asyncio
import ssl
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

REQUEST_SECONDS = 30.0
# Requests at once. The API server makes Services one after the other, each with an address of its own to find: while
# those wait, there must be room for the rest. Each costs a quarter of a megabyte.
CONNECTIONS = 32
CONNECT_SECONDS = 5.0
PAGE = 250
AGAIN_SECONDS = 5.0

_JSON, _APPLY, _JSON_PATCH = "application/json", "application/apply-patch+yaml", "application/json-patch+json"
_WRITE = {"fieldManager": MANAGER, "fieldValidation": "Strict"}

Report = Callable[[str, str, int], None]
"""Told of each request: verb, plural name of the kind, status (0: no answer)."""
Answered = Callable[[str, Mapping[str, str], int], bool]
"""Told of each answer that kopf gets (path, query, status): whether to keep it from kopf and ask again later."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach an API server: address, TLS, headers with the credentials; and the namespace that one is in."""

    server: str
    tls: ssl.SSLContext
    headers: Mapping[str, str]
    namespace: str
    proxy: str | None = None
    in_cluster: bool = False

    def session(self, limit: int, answered: Answered | None = None) -> aiohttp.ClientSession:
        """A new session with `limit` connections at most (0: any number); `answered` overhears it."""
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
    """One API server. Methods raise the ClusterErrors of `errors.py`; times out after REQUEST_SECONDS."""

    def __init__(self, access: Access, report: Report = lambda verb, kind, status: None) -> None:
        self.access = access
        """Replaced when there are new credentials."""
        self._report = report
        self._session: aiohttp.ClientSession | None = None
        self._leasing: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Cluster:
        self._session = self.access.session(CONNECTIONS)
        # A Lease that is renewed too late is lost: it must not wait until there is a connection for it.
        self._leasing = self.access.session(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, self._leasing):
            if session:
                await session.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def read(self, kind: ApiResource, namespace: str, name: str) -> Object | None:
        """One object, None when it is not there; ApiNotInstalled when the cluster does not know the kind."""
        try:
            return _objects.decode(await self._request("get", kind, namespace, name))
        except NotFound:
            return None

    async def listed(self, kind: ApiResource, namespace: str | None) -> AsyncIterator[Object | str]:
        """Every object (of ours, except resources), page by page; the last item is the version to watch from."""
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
        """Warning events about the object with this uid, which may be about anything that went wrong with it."""
        params = {"fieldSelector": f"involvedObject.uid={uid},type=Warning", "limit": str(PAGE)}
        page = _pages.decode(await self._request("list", EVENT, namespace, params=params))
        return [_objects.decode(item) for item in page.items]

    # --- writing -----------------------------------------------------------------------------------------------------

    async def create(self, kind: ApiResource, body: Object) -> Object:
        """Make an object; Conflict when the name is taken, which the API server decides: nothing is ever taken over."""
        namespace = body["metadata"]["namespace"]
        return _objects.decode(await self._request("create", kind, namespace, body=body, params=_WRITE))

    async def apply(self, kind: ApiResource, body: Object, live: Object, *, exclusive: bool = False) -> Object:
        """Changes `live`, read just before, into what `body` says, by server-side apply.

        What the operator created is owned by `create`; it is first transferred to server-side apply, without which
        fields that are no longer desired would stay for ever.

        Args:
            kind: the API of the object.
            body: the desired object.
            live: the object as it was read.
            exclusive: whether fields of the spec that other managers own are removed unless `body` has them.

        Raises:
            Conflict: the object was replaced meanwhile.
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
        """Put `body` in the place of the version that it names; Conflict when there is a newer one."""
        metadata = body["metadata"]
        path = (kind, metadata["namespace"], metadata["name"])
        return _objects.decode(await self._request("update", *path, body=body, params=_WRITE))

    async def delete(self, kind: ApiResource, live: Object) -> None:
        """Delete exactly this object, not another that has taken its name; fine when it is gone."""
        metadata = live["metadata"]
        body = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        try:
            await self._request("delete", kind, metadata["namespace"], metadata["name"], body=body)
        except NotFound:
            return

    async def write_status(self, namespace: str, name: str, uid: str, status: Object) -> Object:
        """Replace what the operator says in the resource's status; Conflict when the resource is another now."""
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
            raise ClusterUnavailable(f"no answer to {verb} {path}: {error or type(error).__name__}") from error
        self._report(verb, kind.plural, response.status)
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
    """The one table from the API server's refusals to errors."""
    message = str(status.get("message", "")) or f"the API server answers {code}"
    if code == 404:
        # A missing object is named in the details; a missing kind is a page that does not exist.
        return NotFound(message) if (status.get("details") or {}).get("name") else ApiNotInstalled(message)
    if code == 500 and "typed patch object" in message:
        # An apply with a field that the schema does not have is answered as if the server had failed.
        return Rejected(message.partition("): ")[2] or message)
    if code == 500 and "failed calling webhook" in message:
        # Somebody else's program has to agree to this object and cannot be asked: no failure of the API server.
        return Rejected(message)
    kinds: dict[int, type[ClusterError]] = {400: Rejected, 403: Forbidden, 409: Conflict, 422: Rejected}
    return kinds.get(code, ClusterUnavailable)(message)
