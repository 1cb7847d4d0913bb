"""Headers that only a trusted proxy may send change nothing, whoever sends them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.hostile import head
from support.served import LIMIT, Served, read_reply, serving, until


def ask(service: Served, path: str, extra: str) -> tuple[int, bytes]:
    with service.connect() as sock:
        sock.sendall(head(path, "GET", connection="close").removesuffix(b"\r\n") + extra.encode() + b"\r\n\r\n")
        status, _, body = read_reply(sock)
    return status, body


@pytest.mark.parametrize(
    "header", ["SCRIPT_NAME: /prod", "script_name: /prod", "Script-Name: /prod", "PATH_INFO: /metrics",
               "X-Forwarded-Prefix: /prod",
               "X-Script-Name: /prod", "X-Original-URL: /metrics", "X-Rewrite-URL: /metrics"],
)  # fmt: skip
def test_headers_cannot_change_root(service: Served, header: str) -> None:
    """The first server took `SCRIPT_NAME` from anyone on the same machine; the others guard against a regression."""
    assert ask(service, "/prod/metrics", header)[0] == 404
    assert ask(service, "/prod/livez", header)[0] == 404
    assert ask(service, "/livez", header)[0] == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7", "X-Real-IP: 192.0.2.7",
               "REMOTE_ADDR: 192.0.2.7",
               "X_Forwarded_For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"],
)  # fmt: skip
def test_headers_cannot_change_address_host_or_scheme(service: Served, header: str) -> None:
    """Guards against a regression: the first server did not use them."""
    status, body = ask(service, "/prod/openapi.json", header)
    assert status == 200
    assert b"192.0.2.7" not in body
    assert b"evil.example" not in body
    assert json.loads(body) == json.loads(ask(service, "/prod/openapi.json", "X-Nothing: 1")[1])


def test_proxy_protocol_is_rejected(service: Served) -> None:
    """Guards against a regression: the first server did this, too."""
    with service.connect() as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.9 1 2\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(sock)[0] == 400


@pytest.mark.parametrize("trusted", ["127.0.0.0/8", "", "10.0.0.0/8"])
def test_callers_behind_trusted_proxy_have_own_limits(tmp_path: Path, trusted: str) -> None:
    """One address may have one request in flight; what `X-Forwarded-For` says counts from a trusted proxy only."""
    options = {"threads": 2, "queue": 8, "requests_per_caller": 1, "trusted_proxies": trusted}
    with serving(tmp_path, **options) as service, ThreadPoolExecutor(1) as pool:
        service.wait_ready()

        def detect(order: bytes, forwarded: str) -> tuple[int, str]:
            reply = service.detect(order, headers={"X-Forwarded-For": forwarded})
            return reply.status, reply.json().get("error", {}).get("message", "")

        held = pool.submit(detect, b"hold %s" % bytes(tmp_path / "go"), "192.0.2.1")
        until((tmp_path / "go.begun").exists, "the first computes")
        same, other = detect(b"quick", "198.51.100.9, 192.0.2.1"), detect(b"quick", "192.0.2.1, 192.0.2.2")
        (tmp_path / "go").touch()
        assert held.result(LIMIT)[0] == 200
    assert (same[0], "your address has reached its limit of 1" in same[1]) == (429, True)
    assert other[0] == (200 if trusted == "127.0.0.0/8" else 429)
