"""Servers that only look like S3: slow, silent, failing, hanging up."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from face_comparison.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    UrlFetchFailed,
    UrlFetchTimeout,
)
from face_comparison.fetching.fetcher import Fetcher
from face_comparison.fetching.s3 import download_prefix
from support.s3 import IMAGE, POLICY, SHORT, configure
from support.servers import Conversation, Server, reply


@contextlib.contextmanager
def deceived() -> Iterator[tuple[Server, Fetcher]]:
    """A server that the operator took for S3, and a fetcher that asks it."""
    with Server.on_loopback() as running, pytest.MonkeyPatch.context() as environment:
        configure(environment, running.url(""))
        running.replies["/images/empty"] = reply()
        created = Fetcher(POLICY)
        assert created.fetch("s3://images/empty") == b""
        yield running, created


@pytest.fixture(scope="module")
def impostor() -> Iterator[tuple[Server, Fetcher]]:
    """One for many tests: making a fetcher takes boto3 a while."""
    with deceived() as both:
        yield both


@pytest.fixture
def odd(impostor: tuple[Server, Fetcher], monkeypatch: pytest.MonkeyPatch) -> Server:
    """That server, about to answer whatever a test makes it answer."""
    running, _ = impostor
    for account in (running.replies, running.requests, running.conversations):
        account.clear()
    configure(monkeypatch, running.url(""))
    return running


@pytest.fixture
def credulous(impostor: tuple[Server, Fetcher]) -> Fetcher:
    return impostor[1]


@pytest.mark.parametrize("start", [b"", reply(content_length="1000") + b"abc"], ids=["at once", "in the body"])
def test_silent_server_times_out(start: bytes) -> None:
    """With a server of its own: the read that is left behind asks once more, long after."""

    def stops(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.silence()

    with deceived() as (server, fetcher):
        server.replies["/images/a.jpg"] = stops
        with pytest.raises(DeadlineExceeded):
            fetcher.fetch("s3://images/a.jpg", time.monotonic() + SHORT)
        with pytest.raises(UrlFetchTimeout, match="did not answer in time"):
            Fetcher(replace(POLICY, read_seconds=0.2)).fetch("s3://images/a.jpg")


def test_slow_body_times_out(odd: Server) -> None:
    def drips(conversation: Conversation) -> None:
        conversation.send(reply(content_length="100000"))
        conversation.repeat(b"x", every=0.02)

    odd.replies["/images/a.jpg"] = drips
    with pytest.raises(UrlFetchTimeout):
        Fetcher(replace(POLICY, seconds=SHORT)).fetch("s3://images/a.jpg")


def test_abandoned_read_ends(odd: Server) -> None:
    def slow(conversation: Conversation) -> None:
        conversation.send(reply(content_length=str(2**30)))
        conversation.repeat(bytes(8192), every=0.02)

    odd.replies |= {"/images/a.jpg": reply(IMAGE), "/images/slow.jpg": slow}
    by = Fetcher(replace(POLICY, max_bytes=2**30))
    assert by.fetch("s3://images/a.jpg") == IMAGE  # boto3 is loaded now, which takes its time
    with pytest.raises(DeadlineExceeded):
        by.fetch("s3://images/slow.jpg", deadline=time.monotonic() + SHORT)
    assert all(conversation.ended.wait(60) for conversation in odd.conversations)


def test_transient_failure_is_retried_once(odd: Server, credulous: Fetcher) -> None:
    answers = [reply(status="503 Service Unavailable"), reply(IMAGE)]
    odd.replies["/images/a.jpg"] = lambda conversation: conversation.send(answers.pop(0))
    assert credulous.fetch("s3://images/a.jpg") == IMAGE


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (reply(status="503 Service Unavailable"), 2),
        (reply(status="403 Forbidden"), 1),
        (reply(b"<Error><Code>AccessDenied</Code></Error>", status="403 Forbidden"), 1),
        (reply(b"<Error><Code>http://10.0.0.1/</Code></Error>", status="400 Bad Request"), 1),
        (reply(b"not XML", status="500 x"), 2),
        (reply(IMAGE, content_length=str(len(IMAGE) + 1)), 1),
        (b"garbage\r\n\r\n", 2),
    ],
    ids=["unavailable", "forbidden", "denied", "odd code", "no XML", "cut off", "garbage"],
)
def test_persistent_failure_is_reported_after_two_attempts(
    odd: Server, credulous: Fetcher, answer: bytes, requests: int
) -> None:
    odd.replies["/images/a.jpg"] = answer
    with pytest.raises(UrlFetchFailed) as failed:
        credulous.fetch("s3://images/a.jpg")
    assert len(odd.requests) == requests
    assert "127.0.0.1" not in failed.value.message
    assert "10.0.0.1" not in failed.value.message


def test_body_above_limit_is_rejected(odd: Server, credulous: Fetcher) -> None:
    def endless(conversation: Conversation) -> None:
        conversation.send(reply(content_length="", transfer_encoding="chunked"))
        conversation.repeat(b"10000\r\n" + bytes(65536) + b"\r\n")

    odd.replies["/images/a.jpg"] = endless
    with pytest.raises(BodyTooLarge):
        credulous.fetch("s3://images/a.jpg")


@pytest.mark.parametrize("encoding", ["aws-chunked", "utf-8", "none"])
def test_meaningless_encodings_are_ignored(odd: Server, credulous: Fetcher, encoding: str) -> None:
    odd.replies["/images/a.jpg"] = reply(IMAGE, content_encoding=encoding)
    assert credulous.fetch("s3://images/a.jpg") == IMAGE


@contextlib.contextmanager
def hanging_up() -> Iterator[tuple[str, list[object]]]:
    """The URL of a server that ends every connection at once, and where they came from."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener is closed
                while True:
                    connection, address = listener.accept()
                    callers.append(address)
                    connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", callers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("credentials", ["environment", "machine", "web identity"])
def test_proxy_variables_are_ignored(
    odd: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, credentials: str
) -> None:
    odd.replies["/images/a.jpg"] = reply(IMAGE)
    with Server.on_loopback() as proxy, hanging_up() as (tokens, callers):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        if credentials != "environment":
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", tokens)
            monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", str(credentials == "web identity").lower())
        if credentials == "web identity":
            (tmp_path / "token").write_text("token")
            monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
            monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/faces")
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", tokens)
        fetcher = Fetcher(POLICY)
        if credentials == "environment":
            assert fetcher.fetch("s3://images/a.jpg") == IMAGE
        else:
            with pytest.raises(UrlFetchFailed):
                fetcher.fetch("s3://images/a.jpg")
    assert proxy.addresses == []
    assert odd.requests if credentials == "environment" else callers


def test_closed_port_is_fetch_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        configure(monkeypatch, f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(UrlFetchFailed, match="S3 server cannot be reached"):
            Fetcher(POLICY).fetch("s3://images/a.jpg")


@pytest.mark.parametrize("key", ["../outside", "a\\..\\..\\outside", "/outside"])
def test_path_traversal_writes_nothing(odd: Server, tmp_path: Path, key: str) -> None:
    listing = f"<ListBucketResult><Contents><Key>models/{key}</Key><Size>1</Size></Contents></ListBucketResult>"
    odd.replies["/other"] = reply(listing.encode(), content_type="application/xml")
    into = tmp_path / "into"
    with pytest.raises(UrlFetchFailed, match="not a file name"):
        download_prefix("s3://other/models", into)
    assert list(tmp_path.rglob("*")) == []
