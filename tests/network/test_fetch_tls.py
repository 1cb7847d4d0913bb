"""HTTPS: who is trusted, under which name, and what happens when TLS goes wrong."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.k8s.certificates import Authority
from face_comparison.errors import BodyTooLarge, UrlFetchFailed, UrlFetchTimeout, UrlNotAllowed
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from support.namespaces import Network
from support.servers import Conversation, Server, redirect, reply

IMAGE = bytes(range(256)) * 500
LIMIT = 200_000
PUBLIC = "93.184.215.14"
SHORT = 0.4


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way in which operators add a certificate authority of their own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))


def context(authority: Authority, *hosts: str) -> ssl.SSLContext:
    created = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    created.load_cert_chain(*authority.sign(hosts[0], hosts[0], hosts=hosts))
    return created


@pytest.fixture
def secure(authority: Authority) -> Iterator[Server]:
    """An HTTPS server on loopback, with a certificate for its address."""
    with Server.on_loopback(context(authority, "127.0.0.1")) as running:
        running.replies["/a.jpg"] = reply(IMAGE)
        yield running


def fetcher(seconds: float = 60) -> Fetcher:
    return Fetcher(
        FetchPolicy(allowed_hosts=("127.0.0.1",), max_bytes=LIMIT, seconds=seconds, connect_seconds=60, read_seconds=60)
    )


def test_trusted_server_is_fetched(secure: Server) -> None:
    assert fetcher().fetch(secure.url("/a.jpg")) == IMAGE
    assert secure.requests[0].headers["host"] == f"127.0.0.1:{secure.port}"


def test_redirects_between_http_and_https(secure: Server, server: Server) -> None:
    server.replies["/a"] = redirect(secure.url("/b"))
    secure.replies["/b"] = redirect(server.url("/c"))
    server.replies["/c"] = reply(IMAGE)
    assert fetcher().fetch(server.url("/a")) == IMAGE


@pytest.mark.parametrize("cut", ["unknown authority", "other name", "self-signed"])
def test_untrusted_server_gets_no_request(authority: Authority, tmp_path: Path, cut: str) -> None:
    stranger = Authority(tmp_path, "stranger")
    served = {
        "unknown authority": lambda: context(stranger, "127.0.0.1"),
        "other name": lambda: context(authority, "example.com", "127.0.0.2"),
        "self-signed": lambda: _self_signed(stranger),
    }[cut]()
    with Server.on_loopback(served) as impostor:
        impostor.replies["/a.jpg"] = reply(IMAGE)
        with pytest.raises(UrlFetchFailed, match=r"certificate of 127\.0\.0\.1 is not trusted"):
            fetcher().fetch(impostor.url("/a.jpg"))
        assert impostor.requests == []


def test_redirect_host_is_not_exposed(secure: Server, server: Server) -> None:
    server.replies["/a"] = redirect(f"https://localhost:{secure.port}/a.jpg")
    by = Fetcher(FetchPolicy(allowed_hosts=("127.0.0.1", "localhost")))
    with pytest.raises(UrlFetchFailed) as failed:
        by.fetch(server.url("/a"))
    assert "a server that 127.0.0.1 redirects to is not trusted: hostname mismatch" in failed.value.message
    assert "localhost" not in failed.value.message


def _self_signed(authority: Authority) -> ssl.SSLContext:
    created = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    created.load_cert_chain(authority.certificate, authority.certificate.with_suffix(".key"))
    return created


def test_old_tls_versions_are_rejected(authority: Authority) -> None:
    old = context(authority, "127.0.0.1")
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        Server.on_loopback(old) as running,
        pytest.raises(UrlFetchFailed, match=r"a secure connection to .* could not be established"),
    ):
        fetcher().fetch(running.url("/a.jpg"))


def test_plain_http_server_is_rejected(server: Server) -> None:
    server.greeting = lambda conversation: conversation.send(reply(IMAGE))
    with pytest.raises(UrlFetchFailed, match=r"a secure connection to .* could not be established"):
        fetcher().fetch(server.url("/a.jpg").replace("http:", "https:"))


@pytest.mark.parametrize("how", ["silent", "slow record"])
def test_endless_handshake_times_out(server: Server, how: str) -> None:
    def stalls(conversation: Conversation) -> None:
        if how == "silent":
            conversation.silence()
        # The head of a TLS record of 16,000 bytes, which then comes byte by byte.
        conversation.send(b"\x16\x03\x03\x3e\x80\x02")
        conversation.repeat(b"\0", every=0.02)

    server.greeting = stalls
    with pytest.raises(UrlFetchTimeout, match=rf"longer than {SHORT} s"):
        fetcher(seconds=SHORT).fetch(server.url("/a.jpg").replace("http:", "https:"))


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", reply(content_length="100000")])
def test_slow_response_times_out(secure: Server, start: bytes) -> None:
    def drips(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.repeat(b"x", every=0.02)

    secure.replies["/a"] = drips
    with pytest.raises(UrlFetchTimeout, match=rf"longer than {SHORT} s"):
        fetcher(seconds=SHORT).fetch(secure.url("/a"))


@pytest.mark.parametrize("start", [reply(content_length=""), reply(content_length="", transfer_encoding="chunked")])
def test_endless_body_is_cut_off(secure: Server, start: bytes) -> None:
    def endless(conversation: Conversation) -> None:
        conversation.send(start + b"-1\r\n")
        conversation.repeat(bytes(65536))

    secure.replies["/a"] = endless
    with pytest.raises((BodyTooLarge, UrlFetchFailed)):  # zeros are not the size of a chunk
        fetcher().fetch(secure.url("/a"))


def test_certificate_is_verified_for_host_name(network: Network, authority: Authority) -> None:
    """The connection goes to the address that was judged; certificate and SNI stay those of the name."""
    requested: list[str | None] = []
    served = context(authority, "images.example")
    served.sni_callback = lambda _, name, __: requested.append(name)
    network.names.answers |= {"images.example": [[PUBLIC], ["10.0.0.1"]], "other.example": [PUBLIC]}
    by = fetcher()
    with Server(network.listen(443), served) as running:
        running.replies["/a.jpg"] = reply(IMAGE)
        assert network.run(lambda: by.fetch("https://Images.Example./a.jpg")) == IMAGE
        assert running.addresses == [PUBLIC]
        assert requested == ["images.example"]
        assert running.requests[0].headers["host"] == "images.example"
        with pytest.raises(UrlFetchFailed, match=r"certificate of other\.example is not trusted"):
            network.run(lambda: by.fetch("https://other.example/a.jpg"))
        with pytest.raises(UrlNotAllowed):
            network.run(lambda: by.fetch("https://10.0.0.1/a.jpg"))
        assert set(running.addresses) == {PUBLIC}


def test_connection_rejected_on_tls_port() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(UrlFetchFailed, match="connection refused"):
            fetcher().fetch(f"https://127.0.0.1:{bound.getsockname()[1]}/")
