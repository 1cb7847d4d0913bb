"""Which addresses are closed, which allow-list opens them."""

from __future__ import annotations

import ipaddress

import pytest

from face_comparison.fetching.address_policy import AllowList, is_public

CLOSED = {
    "unspecified": "0.0.0.0",
    "this network": "0.1.2.3",
    "private 10": "10.0.0.1",
    "carrier-grade NAT": "100.64.0.1",
    "carrier-grade NAT, end": "100.127.255.255",
    "metadata of Alibaba": "100.100.100.200",
    "loopback": "127.0.0.1",
    "loopback, end": "127.255.255.255",
    "host agent of Azure": "168.63.129.16",
    "metadata of most clouds": "169.254.169.254",
    "private 172.16": "172.16.0.1",
    "private 172.16, end": "172.31.255.255",
    "metadata of Oracle": "192.0.0.192",
    "documentation": "192.0.2.1",
    "6to4 relay": "192.88.99.1",
    "private 192.168": "192.168.1.1",
    "benchmarking": "198.19.0.1",
    "documentation 2": "198.51.100.7",
    "documentation 3": "203.0.113.9",
    "multicast": "224.0.0.251",
    "multicast, end": "239.255.255.255",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "IPv4-compatible": "::7f00:1",
    "IPv4-mapped private": "::ffff:10.0.0.1",
    "IPv4-mapped public": "::ffff:93.184.215.14",
    "IPv4-translated": "::ffff:0:10.0.0.1",
    "NAT64": "64:ff9b::a00:1",
    "NAT64, local": "64:ff9b:1::a00:1",
    "discard": "100::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "ORCHID": "2001:20::1",
    "IPv6 benchmarking": "2001:2::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv6 documentation 2": "3fff::1",
    "6to4": "2002:a00:1::1",
    "segment routing": "5f00::1",
    "unique local": "fd00:ec2::254",
    "unique local, start": "fc00::1",
    "link-local": "fe80::1",
    "link-local with a zone": "fe80::1%1",
    "site-local": "fec0::1",
    "IPv6 multicast": "ff02::1",
}

OPEN = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "2a00:1450:4001:81c::2004",
]


def addresses(*texts: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    return [ipaddress.ip_address(text) for text in texts]


@pytest.mark.parametrize("text", CLOSED.values(), ids=CLOSED.keys())
def test_non_public_address_is_rejected(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    assert not AllowList().permits("example.com", addresses(text))


@pytest.mark.parametrize("text", OPEN)
def test_public_address_is_permitted(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))
    assert AllowList().permits("example.com", addresses(text))


def test_python_private_ranges_are_rejected() -> None:
    """The list here and the one of `ipaddress` were made apart: each block of the latter must be in the former."""
    for constants in (ipaddress.IPv4Address._constants, ipaddress.IPv6Address._constants):  # type: ignore[attr-defined]
        for network in constants._private_networks:
            assert not is_public(network[0])
            assert not is_public(network[-1])


def test_any_closed_address_rejects_name() -> None:
    assert not AllowList().permits("example.com", addresses("93.184.215.14", "10.0.0.1"))


def test_name_without_address_is_rejected() -> None:
    assert not AllowList().permits("example.com", [])


@pytest.mark.parametrize("entry", ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0"])
def test_allowed_network_permits_names_within_it(entry: str) -> None:
    allowed = AllowList.of([entry])
    assert allowed.permits("any.example", addresses("10.0.0.1"))
    assert allowed.permits("10.0.0.1", addresses("10.0.0.1"))
    assert allowed.permits("any.example", addresses("10.0.0.1", "93.184.215.14"))


def test_allowed_network_rejects_names_partly_outside() -> None:
    allowed = AllowList.of(["10.0.0.0/8"])
    assert not allowed.permits("any.example", addresses("10.0.0.1", "192.168.0.1"))
    assert not allowed.permits("any.example", addresses("fd00::1"))
    assert not allowed.permits("any.example", addresses("::ffff:10.0.0.1"))


def test_allowed_ipv6_network() -> None:
    allowed = AllowList.of(["fd00::/8"])
    assert allowed.permits("any.example", addresses("fd12::1"))
    assert not allowed.permits("any.example", addresses("fc00::1"))
    assert not allowed.permits("any.example", addresses("10.0.0.1"))


def test_allowed_name_permits_any_address() -> None:
    allowed = AllowList.of(["minio.storage.svc"])
    assert allowed.permits("minio.storage.svc", addresses("10.96.0.7", "127.0.0.1", "fe80::1"))
    assert not allowed.permits("other.storage.svc", addresses("10.96.0.7"))
    assert not allowed.permits("a.minio.storage.svc", addresses("10.96.0.7"))
    assert not allowed.permits("10.96.0.7", addresses("10.96.0.7"))
