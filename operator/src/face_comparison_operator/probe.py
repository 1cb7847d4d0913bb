"""Probes the URL of a resource as a client would, to determine whether it leads to this resource's own pods.

Only addresses published by a route's controller and, inside a cluster, the Service are contacted, never a host name
from the spec. Only the identity header of a response proves that it comes from the resource's pods. Obstacles that may
affect only the operator (a login, an allow-list, a client certificate) prove nothing, because callers may have what the
operator lacks.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from face_comparison_operator.observation import CollectionsState, Expectation, ProbeResult
from face_comparison_operator.resource import IDENTITY_HEADER, SERVICE_PORT, Object
from face_comparison_operator.routing import RouteState, Target

CONNECT_SECONDS, TOTAL_SECONDS = 1.5, 4.0
BODY_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
# Maximum number of a route's addresses to try; usually, there is one per address family.
MAX_ADDRESSES = 3
# Time for which the result of a certificate check is cached, unless the certificate expires earlier; a replaced
# certificate is noticed immediately.
CERTIFICATE_SECONDS = 600.0

# Statuses with which a controller, or a proxy in front of it, responds depending on the client, wherever the URL leads.
_STOPPED = {401, 403, 407, 429, 451, 495, 496, 511}
# Statuses with which the resource's own pods respond without the model version.
_REACHED = {401, 403, 429, 503}
_UNVERIFIABLE_TLS = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "UNKNOWN_CA", "BAD_CERTIFICATE", "ACCESS_DENIED")


class Prober:
    """Probes URLs. `in_cluster` says whether Services can be reached from here."""

    def __init__(self, *, in_cluster: bool) -> None:
        self._in_cluster = in_cluster
        self._session: aiohttp.ClientSession | None = None
        self._certificates: dict[tuple[str, str], tuple[float, str | None]] = {}

    async def __aenter__(self) -> Prober:
        timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
        # Certificates are checked separately (`_certificate_problem`): a wrong one must not hide where the URL leads.
        connector = aiohttp.TCPConnector(ssl=_any_certificate(), force_close=True, limit=32)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def probe(self, route: RouteState, service: Object | None, expected: Expectation) -> ProbeResult:
        """Probes the URL of a route; if that proves nothing, the model version is requested from the Service.

        Args:
            route: The route, with the address to contact.
            service: The live Service, through which the pods can be reached inside the cluster.
            expected: What identifies a response from this resource's own pods.
        """
        if route.target is None:
            result = ProbeResult("unverifiable", "no address is published")
        elif (address := route.target.address) == _cluster_ip(service) and not self._in_cluster:
            result = ProbeResult("unverifiable", f"{address} is an address inside the cluster")
        else:
            result = await self._probe_any(route.target, expected)
        inside = self._inside(route, service)
        if inside is None:
            return result
        if result.outcome == "unverifiable":
            inside_result = await self._probe(inside, replace(expected, shared=False))
            result = replace(result, version=inside_result.version if inside_result.outcome == "ok" else None)
        if expected.collections:
            result = replace(result, collections=await self._collections(inside, expected))
        return result

    async def _probe_any(self, target: Target, expected: Expectation) -> ProbeResult:
        """Probes the first address that can be reached from here."""
        addresses = (target.address, *target.further)[:MAX_ADDRESSES]
        results = []
        for address in addresses:
            results.append(await self._probe(replace(target, address=address), expected))
            if results[-1].outcome != "unverifiable":
                return results[-1]
        return results[0]

    def _inside(self, route: RouteState, service: Object | None) -> Target | None:
        address = _cluster_ip(service)
        if not self._in_cluster or not address or route.target is None:
            return None
        return Target(address, SERVICE_PORT, False, address, route.target.path)

    async def _probe(self, target: Target, expected: Expectation) -> ProbeResult:
        result, reached = await self._get(target, expected)
        if result.outcome != "ok":
            return result
        # The certificate of the redirect's target is checked, because clients follow redirects, too.
        if reached.tls and (problem := await self._certificate_problem(reached)):
            result = replace(result, certificate=problem)
        if result.version:
            return result
        # The service's description requires an API key if requests do. The OpenAPI document is public and contains the
        # version, too.
        document = f"{target.path.rpartition('/')[0]}/openapi.json"
        document_result, _ = await self._get(replace(target, path=document), replace(expected, authenticated=False))
        return replace(result, version=document_result.version)

    async def _get(self, target: Target, expected: Expectation) -> tuple[ProbeResult, Target]:
        """Requests a target and follows redirects to the same host and path.

        Returns:
            The result, and the target after redirects.
        """
        for _ in range(MAX_REDIRECTS + 1):
            try:
                status, headers, body = await self._request(target)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: invalid host name
                detail = str(error) or type(error).__name__
                if any(each in detail for each in _UNVERIFIABLE_TLS):
                    detail = f"the TLS handshake fails without a client certificate ({detail})"
                return ProbeResult("unverifiable", detail), target
            if IDENTITY_HEADER in headers or not 300 <= status < 400:
                return classify_response(status, headers, body, expected), target
            followed = _redirected(target, headers.get("Location", ""))
            if isinstance(followed, ProbeResult):
                return followed, target
            target = followed
        return ProbeResult("unexpected", f"it redirects more than {MAX_REDIRECTS} times"), target

    async def _request(self, target: Target) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            raise RuntimeError("use the Prober as a context manager")
        address = f"[{target.address}]" if ":" in target.address else target.address
        url = f"{'https' if target.tls else 'http'}://{address}:{target.port}{target.path}"
        extra: dict[str, Any] = {"server_hostname": target.host} if target.tls else {}
        request = self._session.get(url, headers={"Host": target.host}, allow_redirects=False, **extra)
        async with request as response:
            return response.status, response.headers, await _body(response)

    async def _collections(self, inside: Target, expected: Expectation) -> CollectionsState | None:
        """Returns what a pod reports about its store, or None if no pod of this resource responds."""
        try:
            _, headers, body = await self._request(replace(inside, path="/readyz?verbose"))
            content = msgspec.json.decode(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, msgspec.DecodeError):
            return None
        if headers.get(IDENTITY_HEADER) != expected.identity or not isinstance(content, dict):
            return None
        return collections_state(content)

    async def _certificate_problem(self, target: Target) -> str | None:
        """Returns why a client would reject the certificate, whatever authorities it trusts, or None."""
        try:
            leaf = await _peer_certificate(target)
            key = (target.host, hashlib.sha256(leaf).hexdigest())
            cached = self._certificates.get(key)
            if cached is None or time.monotonic() > cached[0]:
                self._certificates = {each: value for each, value in self._certificates.items() if each[0] != key[0]}
                problem, seconds = await _verify(target, leaf)
                cached = self._certificates[key] = (time.monotonic() + min(seconds, CERTIFICATE_SECONDS), problem)
            return cached[1]
        except (OSError, TimeoutError):
            return None  # unknown; the next probe tries again


def classify_response(status: int, headers: Mapping[str, str], body: bytes, expected: Expectation) -> ProbeResult:
    """Determines what an HTTP response proves about the route to the resource's own pods.

    Args:
        status: HTTP status.
        headers: Headers of the response.
        body: Body of the response.
        expected: What identifies a response from the resource's own pods.
    """
    identity = headers.get(IDENTITY_HEADER)
    content = _json(body)
    described = content.get("x-service", content)
    version = described.get("FaceModelVersion") if isinstance(described, dict) else None
    if identity == expected.identity:
        return _own_response(status, version, expected)
    if identity is not None or (status == HTTPStatus.OK and version):
        if expected.shared:
            return ProbeResult("unverifiable", "the address is shared with another service", other=identity)
        return ProbeResult("unexpected", "it leads to another face-comparison service", other=identity)
    if status in _STOPPED or (status == HTTPStatus.BAD_REQUEST and b"certificate" in body.lower()):
        return ProbeResult("unverifiable", f"the ingress responds to the operator with {status}")
    return ProbeResult("unexpected", f"it responds with {status}" + ("" if content else " without the service's JSON"))


def _own_response(status: int, version: object, expected: Expectation) -> ProbeResult:
    """Determines what a response from the resource's own pods proves."""
    if status == HTTPStatus.OK and version:
        if expected.authenticated:
            return ProbeResult("unexpected", "it responds without requiring an API key")
        return ProbeResult("ok", version=str(version))
    if status in _REACHED:
        return ProbeResult("ok")
    return ProbeResult("unexpected", f"its pods respond with {status} at this path")


def collections_state(content: Object) -> CollectionsState | None:
    """Reads the state of the collection store from the verbose readiness report of a pod."""
    store = content.get("collections")
    if not isinstance(store, dict):
        return None
    if store.get("status") != "ready":
        return CollectionsState(False, str(store.get("message", "")))
    facts = ", ".join(f"{name}: {value}" for name, value in sorted(store.items()) if name != "status")
    return CollectionsState(True, facts)


def _redirected(target: Target, location: str) -> Target | ProbeResult:
    """Returns the target of a redirect to the same host and path, at the same address.

    The operator does not follow other redirects; for those, the result of the probe is returned.
    """
    parts = urlsplit(location)
    host = parts.hostname or target.host
    if host != target.host or (parts.path or "/").rstrip("/") != target.path.rstrip("/"):
        return ProbeResult("unverifiable", f"it redirects the operator to {host}, as a login does")
    tls = parts.scheme == "https" if parts.scheme else target.tls
    try:
        port = parts.port or (target.port if not parts.netloc else 443 if tls else 80)
    except ValueError:
        return ProbeResult("unexpected", "it redirects to an invalid location")
    return replace(target, tls=tls, port=port, path=parts.path or target.path)


def _cluster_ip(service: Object | None) -> str | None:
    address: str | None = (service or {}).get("spec", {}).get("clusterIP")
    return None if address == "None" else address


def _json(body: bytes) -> Object:
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return content if isinstance(content, dict) else {}


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Reads the body up to the limit, plus enough to detect that it is too long."""
    body = b""
    while len(body) <= BODY_BYTES and (part := await response.content.read(BODY_BYTES)):
        body += part  # a read returns only what has arrived so far
    return body


# --- certificates ---------------------------------------------------------------------------------------------------


async def _peer_certificate(target: Target) -> bytes:
    """Returns the certificate that is presented to clients of this host, in DER format."""
    return (await _handshake(target, _any_certificate())).getpeercert(binary_form=True) or b""


async def _verify(target: Target, leaf: bytes) -> tuple[str | None, float]:
    """Checks the name and dates of the certificate, as every client does, by trusting exactly this certificate.

    Returns:
        Why clients reject it, or None if they do not; and the maximum seconds for which the result is valid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(leaf))
    try:
        presented = await _handshake(target, context)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message.rstrip(".") or str(error), CERTIFICATE_SECONDS
    expiry = (presented.getpeercert() or {}).get("notAfter")
    return None, ssl.cert_time_to_seconds(str(expiry)) - time.time() if expiry else CERTIFICATE_SECONDS


async def _handshake(target: Target, context: ssl.SSLContext) -> ssl.SSLObject:
    async with asyncio.timeout(TOTAL_SECONDS):
        _, writer = await asyncio.open_connection(target.address, target.port, ssl=context, server_hostname=target.host)
        try:
            tls_connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
            return tls_connection
        finally:
            writer.transport.abort()


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
