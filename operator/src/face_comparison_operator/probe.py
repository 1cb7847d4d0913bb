"""Trying the URL of a resource as a client would, to know whether it really leads to the service.

Only addresses that a route's controller published are asked, and inside a cluster the Service; never a name that a
user wrote. The request is for the short description that the service gives of its endpoint.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec

from face_comparison_operator.resource import SERVICE_PORT, Object
from face_comparison_operator.routing import RouteState, Target
from face_comparison_operator.status import Answer

CONNECT_SECONDS, TOTAL_SECONDS = 1.5, 4.0
BODY_BYTES = 1024 * 1024
# What the service itself answers who may not use it: the request has arrived.
_ARRIVED = (401, 403)


class Prober:
    """Asks URLs. `in_cluster` says that Services can be reached from here."""

    def __init__(self, *, in_cluster: bool) -> None:
        self._in_cluster = in_cluster
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Prober:
        timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
        # Whether the certificate is right for its name is between clients and the ingress controller.
        connector = aiohttp.TCPConnector(ssl=_any_certificate(), force_close=True, limit=32)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def ask(self, route: RouteState, service: Object | None) -> Answer:
        """What the URL of `route` answers; what the Service says of its model when the URL is out of reach."""
        if route.target is None:
            return Answer("unreachable", "no address is published")
        answer = await self._look(route.target)
        address = (service or {}).get("spec", {}).get("clusterIP")
        if answer.verdict != "unreachable" or not self._in_cluster or not address or address == "None":
            return answer
        inside = await self._look(Target(address, SERVICE_PORT, False, address, route.target.path))
        return Answer("unreachable", answer.detail, inside.version)

    async def _look(self, target: Target) -> Answer:
        answer = await self._get(target)
        if answer.verdict != "answers" or answer.version:
            return answer
        # With API keys the description is for holders of one; the API's own document is for everybody and has it, too.
        document = f"{target.path.rpartition('/')[0]}/openapi.json"
        return Answer("answers", version=(await self._get(replace(target, path=document))).version)

    async def _get(self, target: Target) -> Answer:
        if self._session is None:
            raise RuntimeError("use the Prober as a context manager")
        address = f"[{target.address}]" if ":" in target.address else target.address
        url = f"{'https' if target.tls else 'http'}://{address}:{target.port}{target.path}"
        extra: dict[str, Any] = {"server_hostname": target.host} if target.tls else {}
        try:
            request = self._session.get(url, headers={"Host": target.host}, allow_redirects=False, **extra)
            async with request as response:
                return judged(response.status, await _body(response))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: a name that is none
            return Answer("unreachable", str(error) or type(error).__name__)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body, of which no more is read than is needed to see that it is too long."""
    body = b""
    while len(body) <= BODY_BYTES and (part := await response.content.read(BODY_BYTES)):
        body += part  # what has arrived until now
    return body


def judged(status: int, body: bytes) -> Answer:
    """What an HTTP reply says about the way to the service."""
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        content = None
    content = content if isinstance(content, dict) else {}
    described = content.get("x-service", content)
    if status == 200 and "FaceModelVersion" in described:
        return Answer("answers", version=str(described["FaceModelVersion"]))
    if status in _ARRIVED and "error" in content:
        return Answer("answers")
    return Answer("refuses", f"it answers {status}" + ("" if content else " without the service's JSON"))


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
