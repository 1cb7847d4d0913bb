"""The guard, where every address exists: what it keeps out sends no packet, what it lets through arrives."""

from __future__ import annotations

import functools
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from face_comparison.errors import (
    DeadlineExceeded,
    FaceComparisonError,
    UrlFetchFailed,
    UrlFetchTimeout,
    UrlNotAllowed,
)
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from support.namespaces import Network
from support.servers import Server, redirect, reply

IMAGE = b"an image"
PUBLIC = "93.184.215.14"
PUBLIC_IPV6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
POLICY = FetchPolicy(seconds=60, connect_seconds=60, read_seconds=60)

CLOSED = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.9.9.9",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    f"::ffff:{PUBLIC}",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
]
UNREACHABLE = ["224.0.0.251", "255.255.255.255", "ff02::1", "fe80::1", "::7f00:1"]
"""Closed as well, but TCP does not reach them even where nothing guards: groups, an address that lacks its zone, …"""

SPELLINGS = [
    "127.1",
    "127.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0",
    "１２７．０．０．１",  # noqa: RUF001
    "①②⑦.⓪.⓪.①",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.43518",
    "0xa.0.0.1",
    "3232235777",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
]


@pytest.fixture
def web(network: Network) -> Iterator[Server]:
    """A server at port 80 of every address."""
    with Server(network.listen(80)) as running:
        running.replies["/a.jpg"] = reply(IMAGE)
        yield running


@functools.cache
def fetcher(*allowed: str, **changes: Any) -> Fetcher:
    return Fetcher(replace(POLICY, allowed_hosts=allowed, **changes))


def fetched(network: Network, host: str, by: Fetcher | None = None, path: str = "/a.jpg") -> bytes:
    by = by or fetcher()
    return network.run(lambda: by.fetch(f"http://{host}{path}"))


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def assert_refused_without_a_packet(network: Network, web: Server, host: str, by: Fetcher | None = None) -> None:
    by = by or fetcher()
    with network.watch() as watch:
        with pytest.raises(UrlNotAllowed):
            fetched(network, host, by)
        assert watch.destinations() == set()
    assert web.addresses == []


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", CLOSED + UNREACHABLE)
def test_closed_address_gets_no_packet(network: Network, web: Server, address: str) -> None:
    assert_refused_without_a_packet(network, web, in_url(address))


@pytest.mark.parametrize("host", SPELLINGS)
def test_closed_address_in_any_spelling_gets_no_packet(network: Network, web: Server, host: str) -> None:
    assert_refused_without_a_packet(network, web, host)
    assert network.names.asked == []


@pytest.mark.parametrize("address", CLOSED)
def test_without_guard_addresses_are_reachable(network: Network, web: Server, address: str) -> None:
    """With the guard opened for it, each of these addresses is reached, and the packets are seen."""
    with network.watch() as watch:
        assert fetched(network, in_url(address), fetcher(address)) == IMAGE
        seen = watch.destinations()
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address.removeprefix("::ffff:"))
    assert web.addresses == [reached]
    assert reached in seen


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_IPV6, "1.1.1.1", "223.255.255.254"])
def test_public_address_is_reached(network: Network, web: Server, address: str) -> None:
    assert fetched(network, in_url(address)) == IMAGE
    assert web.addresses == [address]
    assert web.requests[0].headers["host"] == in_url(address)


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [[PUBLIC], [PUBLIC_IPV6], [PUBLIC, PUBLIC_IPV6]])
def test_name_with_public_addresses_is_reached(network: Network, web: Server, answer: list[str]) -> None:
    network.names.answers["images.example"] = answer
    assert fetched(network, "Images.Example") == IMAGE
    assert web.addresses[0] in answer
    assert web.requests[0].headers["host"] == "images.example"


@pytest.mark.parametrize(
    "answer",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        [PUBLIC, "10.0.0.1"],
        [PUBLIC, "::1"],
        [PUBLIC_IPV6, "127.0.0.1"],
        [PUBLIC, PUBLIC_IPV6, "1.1.1.1", "0.0.0.0"],
    ],
    ids=str,
)
def test_name_with_any_closed_address_is_rejected(network: Network, web: Server, answer: list[str]) -> None:
    network.names.answers["images.example"] = answer
    assert_refused_without_a_packet(network, web, "images.example")
    with pytest.raises(UrlNotAllowed) as refused:
        fetched(network, "images.example")
    assert "images.example" in refused.value.message
    assert not any(address in refused.value.message for address in answer)


def test_localhost_is_not_reached(network: Network, web: Server) -> None:
    assert_refused_without_a_packet(network, web, "localhost")
    assert fetched(network, "localhost", fetcher("localhost")) == IMAGE
    assert fetched(network, "LocalHost", fetcher("localhost")) == IMAGE
    assert fetched(network, "localhost", fetcher("127.0.0.0/8", "::1")) == IMAGE


def test_unknown_name_is_reported(network: Network, web: Server) -> None:
    network.names.broken.add("broken.example")
    for host in ("missing.example", "broken.example"):
        with pytest.raises(UrlFetchFailed, match=f"the name of {host} cannot be resolved"):
            fetched(network, host)
    assert web.addresses == []


# --- rebinding ------------------------------------------------------------------------------------------------------


def test_name_is_resolved_once(network: Network, web: Server) -> None:
    """Whatever a second look-up would say: there is none."""
    network.names.answers["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    assert fetched(network, "rebind.example") == IMAGE
    assert web.addresses == [PUBLIC]
    assert network.names.asked == ["rebind.example"] * 2  # IPv4 and IPv6 of one look-up


def test_rebinding_between_fetches_is_rejected(network: Network, web: Server) -> None:
    network.names.answers["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    by = fetcher()
    assert fetched(network, "rebind.example", by) == IMAGE
    with pytest.raises(UrlNotAllowed):
        fetched(network, "rebind.example", by)
    assert web.addresses == [PUBLIC]


def test_rebinding_between_redirects_is_rejected(network: Network, web: Server) -> None:
    network.names.answers["rebind.example"] = [[PUBLIC], ["169.254.169.254"]]
    web.replies["/again"] = redirect("http://rebind.example/a.jpg")
    with pytest.raises(UrlNotAllowed):
        fetched(network, "rebind.example", path="/again")
    assert web.addresses == [PUBLIC]


def test_flickering_name_never_reaches_closed_address(network: Network, web: Server) -> None:
    network.names.answers["rebind.example"] = [[PUBLIC], ["10.0.0.1"], ["::1"], [PUBLIC_IPV6]] * 20
    by = fetcher()

    def one(_: int) -> bytes | None:
        try:
            return by.fetch("http://rebind.example/a.jpg")
        except (UrlNotAllowed, UrlFetchFailed):  # failed: IPv4 and IPv6 fell into two answers, with nothing in either
            return None

    def all_at_once() -> list[bytes | None]:
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(one, range(80)))

    outcomes = network.run(all_at_once)
    assert set(outcomes) == {IMAGE, None}
    assert set(web.addresses) <= {PUBLIC, PUBLIC_IPV6}


# --- redirects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/a.jpg", "//10.0.0.1/a.jpg", "http://[::1]/a.jpg", "http://inside.example/a.jpg"],
)
def test_redirect_to_private_network_is_rejected(network: Network, web: Server, location: str) -> None:
    network.names.answers |= {"images.example": [PUBLIC], "inside.example": ["10.0.0.1"]}
    web.replies["/out"] = redirect(location)
    with pytest.raises(UrlNotAllowed) as refused:
        fetched(network, "images.example", path="/out")
    assert web.addresses == [PUBLIC]
    # Where it leads is nothing that the caller said.
    assert "a server that images.example redirects to" in refused.value.message
    assert "10.0.0.1" not in refused.value.message
    assert "inside" not in refused.value.message


def test_redirect_to_public_host_is_followed(network: Network, web: Server) -> None:
    network.names.answers |= {"images.example": [PUBLIC], "cdn.example": ["1.1.1.1"]}
    web.replies["/out"] = redirect("//cdn.example/a.jpg")
    assert fetched(network, "images.example", path="/out") == IMAGE
    assert web.addresses == [PUBLIC, "1.1.1.1"]
    assert [request.headers["host"] for request in web.requests] == ["images.example", "cdn.example"]


# --- the allow-list -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["10.0.0.1", "10.0.0.0/8", "store.example"])
def test_allowed_hosts_are_reached(network: Network, web: Server, entry: str) -> None:
    network.names.answers["store.example"] = ["10.0.0.1"]
    assert fetched(network, "store.example", fetcher(entry)) == IMAGE
    assert web.addresses == ["10.0.0.1"]


def test_allowed_network_rejects_names_outside_it(network: Network, web: Server) -> None:
    network.names.answers["store.example"] = ["10.0.0.1", "192.168.0.1"]
    assert_refused_without_a_packet(network, web, "store.example", fetcher("10.0.0.0/8"))


def test_allowed_name_permits_only_itself(network: Network, web: Server) -> None:
    network.names.answers |= {"store.example": ["10.0.0.1"], "other.example": ["10.0.0.1"]}
    assert_refused_without_a_packet(network, web, "other.example", fetcher("store.example"))
    assert_refused_without_a_packet(network, web, "10.0.0.1", fetcher("store.example"))


# --- resolvers that are slow, addresses that are dead ----------------------------------------------------------------


def test_silent_resolver_times_out(network: Network) -> None:
    network.names.silent.add("silent.example")
    with pytest.raises(UrlFetchTimeout, match=r"longer than 0\.3 s"):
        fetched(network, "silent.example", fetcher(seconds=0.3))
    by = fetcher()
    with pytest.raises(DeadlineExceeded):
        network.run(lambda: by.fetch("http://silent.example/", deadline=time.monotonic() + 0.3))


def test_silent_names_do_not_block_others(network: Network, web: Server) -> None:
    network.names.answers["images.example"] = [PUBLIC]
    network.names.silent |= {f"silent{number}.example" for number in range(32)}
    by = fetcher()

    def one(number: int) -> type[Exception] | None:
        try:
            by.fetch(f"http://silent{number}.example/", deadline=time.monotonic() + 0.3)
        except FaceComparisonError as error:
            return type(error)
        return None

    def all_at_once() -> set[type[Exception] | None]:
        with ThreadPoolExecutor(32) as threads:
            return set(threads.map(one, range(32)))

    assert network.run(all_at_once) == {DeadlineExceeded}
    # The resolver's own patience is 30 s: those 32 look-ups are still under way.
    assert network.run(lambda: by.fetch("http://images.example/a.jpg", time.monotonic() + 20)) == IMAGE


@pytest.mark.parametrize("alive", [PUBLIC, "1.1.1.1"])
def test_next_address_is_tried_on_failure(network: Network, alive: str) -> None:
    network.names.answers["images.example"] = [PUBLIC, "1.1.1.1"]
    with Server(network.run(lambda: socket.create_server((alive, 80)))) as running:
        running.replies["/a.jpg"] = reply(IMAGE)
        assert fetched(network, "images.example") == IMAGE
        assert running.addresses == [alive]
    with pytest.raises(UrlFetchFailed, match=r"images\.example cannot be connected to: connection refused"):
        fetched(network, "images.example")
