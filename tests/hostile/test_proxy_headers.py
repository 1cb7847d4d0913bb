"""Headers that only a trusted proxy may send change nothing, whoever sends them."""

from __future__ import annotations

import json

import pytest

from support.hostile import head
from support.served import Served, read_reply


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
def test_no_header_moves_the_root(service: Served, header: str) -> None:
    assert ask(service, "/prod/metrics", header)[0] == 404
    assert ask(service, "/prod/livez", header)[0] == 404
    assert ask(service, "/livez", header)[0] == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7", "X-Real-IP: 192.0.2.7",
               "REMOTE_ADDR: 192.0.2.7",
               "X_Forwarded_For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"],
)  # fmt: skip
def test_no_header_changes_address_host_or_scheme(service: Served, header: str) -> None:
    status, body = ask(service, "/prod/openapi.json", header)
    assert status == 200
    assert b"192.0.2.7" not in body
    assert b"evil.example" not in body
    assert json.loads(body) == json.loads(ask(service, "/prod/openapi.json", "X-Nothing: 1")[1])


def test_the_proxy_protocol_is_not_spoken(service: Served) -> None:
    with service.connect() as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.9 1 2\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(sock)[0] == 400
