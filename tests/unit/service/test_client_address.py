"""Whose request it is behind proxies: the nearest hop that is no trusted proxy, and never what anybody else claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Any

import pytest

from face_comparison.web.client_address import MAX_HOPS, client_address, trust_proxies

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXY = "10.1.2.3"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (PROXY, "192.0.2.7", "192.0.2.7"),
        (PROXY, "198.51.100.1, 192.0.2.7", "192.0.2.7"),  # what the client itself sent stands before
        (PROXY, "198.51.100.1,192.0.2.7 , 10.9.9.9", "192.0.2.7"),
        (PROXY, "10.0.0.9, 10.0.0.8", "10.0.0.9"),
        (PROXY, "", PROXY),
        (PROXY, "unknown", PROXY),
        (PROXY, "192.0.2.7, unknown, 10.0.0.8", "10.0.0.8"),
        (PROXY, "192.0.2.7,", PROXY),
        (PROXY, "192.0.2.7:4711", "192.0.2.7"),
        (PROXY, "2001:db8::7", "2001:db8::7"),
        (PROXY, "[2001:db8::7]:4711", "2001:db8::7"),
        (PROXY, "fe80::1%eth0", "fe80::1"),
        (PROXY, "::ffff:192.0.2.7", "192.0.2.7"),
        (PROXY, "192.0.2.7, ::ffff:10.0.0.8", "192.0.2.7"),
        ("::ffff:10.1.2.3", "192.0.2.7", "192.0.2.7"),
        ("fd00::1", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.9", "198.51.100.1", "192.0.2.9"),  # no proxy of ours: its word does not count
        ("11.0.0.1", "10.0.0.1", "11.0.0.1"),
        ("", "192.0.2.7", ""),
    ],
)
def test_nearest_untrusted_hop_is_client(peer: str, forwarded: str, address: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == address


def test_no_proxy_is_trusted_by_default() -> None:
    assert client_address(PROXY, "192.0.2.7", ()) == PROXY


def test_long_header_is_read_from_its_end() -> None:
    hops = ["192.0.2.7", *["10.0.0.8"] * MAX_HOPS]
    assert client_address(PROXY, ",".join(hops[1:]), PROXIES) == "10.0.0.8"
    assert client_address(PROXY, ",".join(hops), PROXIES) == "10.0.0.8"
    assert client_address(PROXY, ",".join(hops[:-1]), PROXIES) == "192.0.2.7"
    began = time.thread_time()
    assert client_address(PROXY, "10.0.0.8," * 1_000_000 + "10.0.0.8", PROXIES) == "10.0.0.8"
    assert time.thread_time() - began < 0.5


def test_application_gets_client_address() -> None:
    def application(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        return [environ["REMOTE_ADDR"].encode()]

    trusting = trust_proxies(application, PROXIES)
    environ = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": "192.0.2.7"}
    assert list(trusting(environ, lambda *_: lambda _: None)) == [b"192.0.2.7"]
