"""Fetches images by URL, guarded against server-side request forgery (SSRF).

A name is resolved once, all its addresses are checked, and the connection goes to one of exactly those addresses: there
is no second lookup that could return another one, and no library that connects, follows redirects, or reads proxy
settings by itself. `http.client` only parses the response on a connected socket.

Connecting and reading have timeouts, and the time limit of the whole fetch is enforced below them, on every receive.
Name resolution cannot be interrupted, so it runs in a thread that is abandoned at the deadline. The number of received
bytes is limited at the same place, below every parser: see `limited_connection`.

`s3://` is exempt from the guard because it leads to the configured endpoint.
"""

from __future__ import annotations

import http
import http.client
import ipaddress
import os
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from face_comparison import __version__, cancellation
from face_comparison.errors import UrlFetchFailed, UrlFetchTimeout, UrlNotAllowed
from face_comparison.fetching.address_policy import AllowList
from face_comparison.fetching.deadline import DetachedCalls, TimeLimit
from face_comparison.fetching.limited_connection import (
    FinalResponse,
    LimitedSocket,
    LimitedTlsSocket,
    Limits,
    max_received_bytes,
    shut_down,
)
from face_comparison.fetching.response_body import read_body
from face_comparison.fetching.s3 import ObjectStore
from face_comparison.fetching.urls import HttpUrl, S3Url, parse, resolve_redirect

USER_AGENT = f"face-comparison/{__version__}"

_SocketAddress = tuple[Any, ...]
"""(address, port, …), as in the socket module for IPv4 and IPv6."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WITH_IMAGE = frozenset({http.HTTPStatus.OK, http.HTTPStatus.NON_AUTHORITATIVE_INFORMATION})
_LOOKUPS, _LOOKUPS_PER_CALLER = 256, 64
"""Concurrent lookups, including abandoned ones. An unresponsive resolver holds each for up to 30 s: a caller who keeps
naming dead servers occupies a quarter of them at most. Four such callers can make others wait."""


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What may be fetched, and its limits.

    Attributes:
        allowed_hosts: Permitted names, addresses, and CIDRs that are not public.
        allowed_buckets: Permitted S3 buckets; empty: all.
        max_bytes: Maximum size of an image, in bytes.
        seconds: Time limit per image, including redirects.
        max_redirects: Maximum number of redirects per image.
        connect_seconds: Connection timeout per address.
        read_seconds: Maximum time without receiving a byte.
        accept: The Accept header.
    """

    allowed_hosts: tuple[str, ...] = ()
    allowed_buckets: tuple[str, ...] = ()
    max_bytes: int = 15 * 2**20
    seconds: float = 10.0
    max_redirects: int = 3
    connect_seconds: float = 3.0
    read_seconds: float = 5.0
    accept: str = "image/*, */*;q=0.1"


class Fetcher:
    """Fetches images under one policy. Thread-safe."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._allowed = AllowList.of(policy.allowed_hosts)
        self._lookups = DetachedCalls(_LOOKUPS, _LOOKUPS_PER_CALLER)
        self._tls = ssl.create_default_context()
        self._tls.sslsocket_class = LimitedTlsSocket
        self._objects = ObjectStore(
            policy.allowed_buckets, policy.max_bytes, policy.connect_seconds, policy.read_seconds
        )

    def fetch(self, url: str, deadline: float | None = None, caller: str = "") -> bytes:
        """Fetches an image.

        Args:
            url: An http, https or s3 URL.
            deadline: Deadline of the whole request, in seconds of `time.monotonic()`.
            caller: Key of the caller: callers share name lookups fairly.

        Returns:
            The bytes behind the URL, whatever media type the server declares.

        Raises:
            UrlNotAllowed: The policy does not permit the URL, or it is malformed.
            UrlFetchFailed: The server did not deliver the image.
            UrlFetchTimeout: The server did not deliver the image in time.
            BodyTooLarge: The image has too many bytes.
            DeadlineExceeded: The deadline of the request passed before the time limit of the fetch.
        """
        limit = TimeLimit.earliest(self._policy.seconds, deadline)
        place = parse(url)
        if isinstance(place, S3Url):
            return self._objects.read(place, limit)
        origin = place.host
        for _ in range(self._policy.max_redirects + 1):
            # Messages name only the host in the caller's URL, never one from a redirect.
            server = origin if place.host == origin else f"a server that {origin} redirects to"
            answer = self._get(place, server, limit, caller)
            if isinstance(answer, bytes):
                return answer
            place = answer
        raise UrlFetchFailed(f"{origin} redirects more than {self._policy.max_redirects} times")

    def _get(self, url: HttpUrl, server: str, limit: TimeLimit, caller: str) -> bytes | HttpUrl:
        """Returns the body, or the target of a redirect."""
        try:
            connection = http.client.HTTPConnection(url.host, url.port)
            connection.response_class = FinalResponse
            connection.auto_open = 0  # http.client must not connect by itself: it would resolve the name again
            cancellation.check()
            connection.sock = sock = self._secure(self._connect(url, server, limit, caller), url)
            with closing(connection), cancellation.on_cancel(partial(shut_down, sock)):
                connection.request("GET", url.target, headers=_headers(url, self._policy.accept))
                with connection.getresponse() as response:
                    if response.status in _REDIRECTS:
                        return _location(url, response, server)
                    if response.status not in _WITH_IMAGE:
                        raise UrlFetchFailed(f"{server} answered {_status(response.status)}")
                    encoding = response.headers.get("Content-Encoding")
                    read = sock.limits.counted(response.read)
                    return read_body(read, response.length, encoding, self._policy.max_bytes)
        except TimeoutError:
            limit.remaining()
            raise UrlFetchTimeout(f"{server} sent nothing for {self._policy.read_seconds:g} s") from None
        except ssl.SSLCertVerificationError as error:  # before ValueError, of which it is a subclass, too
            # The requested name follows after a comma; it may be one from a redirect.
            reason = error.verify_message.partition(",")[0].lower()
            raise UrlFetchFailed(f"the certificate of {server} is not trusted: {reason}") from None
        except ssl.SSLError:
            raise UrlFetchFailed(f"a secure connection to {server} could not be established") from None
        except http.client.IncompleteRead:
            raise UrlFetchFailed("the image was cut off, or sent in malformed chunks") from None
        except (http.client.HTTPException, ValueError):  # ValueError: a negative chunk length
            raise UrlFetchFailed(f"{server} did not send a valid HTTP response") from None
        except OSError as error:
            raise UrlFetchFailed(f"the connection to {server} broke: {_reason(error)}") from None

    def _connect(self, url: HttpUrl, server: str, limit: TimeLimit, caller: str) -> LimitedSocket:
        """Connects to one of the name's addresses, after all of them have been checked."""
        found = self._resolve(url, server, limit, caller)
        if not self._allowed.permits(url.host, [ipaddress.ip_address(address[0]) for _, address in found]):
            raise UrlNotAllowed(
                f"{server} is not on the public Internet, and --allowed-hosts of this service does not name it"
            )
        timed_out, failure = False, "no address"
        for family, address in found:
            sock = LimitedSocket(family, socket.SOCK_STREAM)
            sock.limits = Limits(limit, self._policy.read_seconds, max_received_bytes(self._policy.max_bytes))
            try:
                sock.settimeout(limit.remaining(self._policy.connect_seconds))
                sock.connect(address)
            except TimeoutError:
                sock.close()
                timed_out = True
            except OSError as error:
                sock.close()
                failure = _reason(error)
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        if timed_out:
            limit.remaining()
            raise UrlFetchTimeout(f"{server} did not accept a connection within {self._policy.connect_seconds:g} s")
        raise UrlFetchFailed(f"{server} cannot be connected to: {failure}")

    def _resolve(self, url: HttpUrl, server: str, limit: TimeLimit, caller: str) -> list[tuple[int, _SocketAddress]]:
        """Resolves the URL's host to address families and socket addresses, in the system's order of preference."""

        def look_up(flags: int = 0) -> list[tuple[int, _SocketAddress]]:
            found = socket.getaddrinfo(url.lookup.encode(), url.port, type=socket.SOCK_STREAM, flags=flags)
            return [(family, address) for family, *_, address in found]

        try:
            return look_up(socket.AI_NUMERICHOST)  # parsing an address, in any spelling, cannot block
        except socket.gaierror:
            pass
        try:
            return self._lookups.call(look_up, limit, caller)
        except socket.gaierror:
            raise UrlFetchFailed(f"the name of {server} cannot be resolved") from None

    def _secure(self, sock: LimitedSocket, url: HttpUrl) -> LimitedSocket:
        """Adds TLS to the connection for https; the certificate must be valid for the URL's host."""
        if url.scheme == "http":
            return sock
        sock.settimeout(sock.limits.seconds())  # applies to the whole handshake
        secured = self._tls.wrap_socket(sock, server_hostname=url.host)
        assert isinstance(secured, LimitedTlsSocket)  # noqa: S101 - the context creates no other class
        secured.limits = sock.limits
        return secured


def _headers(url: HttpUrl, accept: str) -> dict[str, str]:
    return {
        "Host": url.authority,
        "User-Agent": USER_AGENT,
        "Accept": accept,
        "Accept-Encoding": "identity",  # images are compressed already
        "Connection": "close",
    }


def _location(url: HttpUrl, response: http.client.HTTPResponse, server: str) -> HttpUrl:
    location = response.headers.get("Location")
    if not location:
        raise UrlFetchFailed(f"{server} redirects without saying where to")
    # http.client decodes headers as Latin-1, but URLs with characters outside ASCII are sent as UTF-8.
    return resolve_redirect(url, location.encode("latin-1").decode("utf-8", "replace"))


def _status(code: int) -> str:
    """Returns a status code with its standard phrase instead of the server's."""
    try:
        return f"{code} {http.HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "the connection failed"
