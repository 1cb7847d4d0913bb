"""Determines a caller's address, even behind trusted proxies. Pure, except that it updates the WSGI environ."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS = 16
"""Maximum length of a chain of proxies; hops beyond it are ignored."""


def parse_address(text: str) -> Address | None:
    """Parses an IP address, which may have a port or an IPv6 zone; returns None if it is not valid.

    An IPv4-mapped IPv6 address is returned as the IPv4 address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return parsed if mapped is None else mapped


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Returns the address of a request's sender: the nearest hop that is not a trusted proxy.

    Args:
        peer: Address of the connection.
        forwarded_for: `X-Forwarded-For`, to which each proxy has appended the address of its own caller.
        trusted: Networks of the trusted proxies.

    Returns:
        `peer` if it is not a trusted proxy; otherwise the nearest hop that is not. If all hops are trusted, or one
        cannot be parsed, the farthest hop that is known.
    """
    address, rest = parse_address(peer), forwarded_for
    if address is None or not _is_within(address, trusted):
        return peer
    for _ in range(MAX_HOPS):
        rest, _, last = rest.rpartition(",")
        hop = parse_address(last)
        if hop is None:
            break
        address = hop
        if not _is_within(hop, trusted):
            break
    return str(address)


def trust_proxies(application: WSGIApplication, trusted: Sequence[Network]) -> WSGIApplication:
    """Wraps `application` so that it is called with the caller's address as REMOTE_ADDR."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = environ_address(environ, trusted)
        return application(environ, start_response)

    return answer


def environ_address(environ: dict[str, Any], trusted: Sequence[Network]) -> str:
    """Returns the address of the sender of a request."""
    peer: str = environ.get("REMOTE_ADDR", "")
    return client_address(peer, environ.get("HTTP_X_FORWARDED_FOR", ""), trusted) if trusted else peer


def _is_within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
