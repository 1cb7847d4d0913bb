"""Temporary failures are retried within the deadline, permanent ones are not."""

from __future__ import annotations

import socket
import time

import pytest

from face_comparison.client import (
    Client,
    ServiceError,
    ServiceUnreachable,
)
from face_comparison.client.connection import LONGEST_PAUSE_SECONDS, pause
from support.scripted_server import Answer, Script, refusal


@pytest.mark.parametrize(
    "temporary",
    [
        refusal(429, "overloaded", Retry_After="0"),
        refusal(503, "not_ready", Retry_After="0"),
        refusal(503, "draining", Retry_After="0"),
        Answer(502, b"<h1>Bad Gateway</h1>", {"Retry-After": "0"}),
        Answer(0),
    ],
)
def test_temporary_failure_is_retried(client: Client, script: Script, temporary: Answer) -> None:
    script.answers = [temporary, temporary, Answer()]
    assert client.detect(b"x").faces == ()
    assert len(script.bodies) == 3
    assert len(set(script.bodies)) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(400, "corrupt_image"), "corrupt_image"),
        (refusal(403, "forbidden"), "forbidden"),
        (refusal(502, "url_fetch_failed"), "url_fetch_failed"),
        (refusal(504, "deadline_exceeded"), "deadline_exceeded"),
        (refusal(500, "internal"), "internal"),
    ],
)
def test_permanent_failure_is_not_retried(client: Client, script: Script, answer: Answer, code: str) -> None:
    script.answers = [answer, Answer()]
    with pytest.raises(ServiceError, match=f"{code}: as it is") as raised:
        client.detect(b"x")
    assert (raised.value.code, raised.value.status, raised.value.request_id) == (code, answer.status, "r1")
    assert len(script.bodies) == 1


def test_honors_retry_after(client: Client, script: Script) -> None:
    script.answers = [refusal(429, "overloaded", Retry_After="1"), Answer()]
    started = time.monotonic()
    client.detect(b"x")
    assert time.monotonic() - started >= 1


def test_retries_are_limited(script: Script) -> None:
    script.answers = [refusal(429, "overloaded", Retry_After="0")]
    with Client(script.url, retries=2) as client, pytest.raises(ServiceError, match="overloaded"):
        client.detect(b"x")
    assert len(script.bodies) == 3


def test_pauses_stay_within_deadline(script: Script) -> None:
    script.answers = [refusal(429, "overloaded", Retry_After="1000")]
    with Client(script.url, timeout=20) as client, pytest.raises(ServiceError, match="overloaded"):
        client.detect(b"x")
    assert len(script.bodies) == 1


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/prod"
        with Client(url, timeout=0.3) as client, pytest.raises(ServiceUnreachable, match="does not respond"):
            client.detect(b"x")


def test_unreachable_server_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}/prod", retries=0) as client, pytest.raises(ServiceUnreachable):
        client.detect(b"x")


def test_pauses_grow_with_jitter() -> None:
    assert [pause(attempt, None, 1.0) for attempt in range(3)] == [0.5, 1.0, 2.0]
    assert pause(50, None, 1.0) == LONGEST_PAUSE_SECONDS
    assert pause(0, None, 0.0) == 0.25
    assert pause(7, 3.0, 0.0) == 3.0
    assert pause(0, 3.0, 1.0) > 3.0
