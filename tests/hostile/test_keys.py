"""API keys under attack: guesses, a caller who takes everything, keys that were revoked."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.hostile import head, measured
from support.served import LIMIT, Served, img, read_reply, serving, until

KEYS = {"greedy": "greedy-key-0123456789", "modest": "modest-key-0123456789"}
SLOTS, QUEUE = 1, 6


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("".join(f"{name}:{key}\n" for name, key in KEYS.items()))
    return path


@pytest.fixture
def closed(tmp_path: Path, keys: Path) -> Iterator[Served]:
    with serving(tmp_path, threads=SLOTS, queue=QUEUE, auth="api-key", api_keys_file=keys) as served:
        yield served.wait_ready()


def detect(service: Served, key: str, order: bytes = b"quick") -> tuple[int, str]:
    reply = service.detect(order, headers={"x-api-key": key})
    return reply.status, reply.json().get("error", {}).get("message", "")


def test_one_key_cannot_use_all_capacity(closed: Served, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with ThreadPoolExecutor(40) as pool:
        greedy = [pool.submit(detect, closed, KEYS["greedy"], b"hold %s" % bytes(go)) for _ in range(20)]
        until(lambda: closed.metric("face_comparison_requests_in_flight") == SLOTS + QUEUE, "the queue is full")
        modest = [pool.submit(detect, closed, KEYS["modest"], b"hold %s" % bytes(go)) for _ in range(2)]
        until(lambda: sum(done.done() for done in greedy) == 20 - SLOTS - QUEUE + 2, "two of the greedy made room")
        go.touch()
        assert [done.result(LIMIT)[0] for done in modest] == [200, 200]
        outcomes = [done.result(LIMIT) for done in greedy]
    assert Counter(status for status, _ in outcomes) == {200: SLOTS + QUEUE - 2, 429: 20 - SLOTS - QUEUE + 2}
    assert all("your API key" in message for status, message in outcomes if status == 429)


def test_key_has_its_own_limit(tmp_path: Path, keys: Path) -> None:
    options = {"threads": 1, "queue": 10, "auth": "api-key", "api_keys_file": keys, "requests_per_caller": 2}
    with serving(tmp_path, **options) as service, ThreadPoolExecutor(10) as pool:
        service.wait_ready()
        go = tmp_path / "go"
        held = [pool.submit(detect, service, KEYS["greedy"], b"hold %s" % bytes(go)) for _ in range(2)]
        until(lambda: service.metric("face_comparison_requests_in_flight") == 2, "both are in flight")
        status, message = detect(service, KEYS["greedy"])
        assert status == 429
        assert "your API key has reached its limit of 2" in message
        go.touch()
        assert [done.result(LIMIT)[0] for done in held] == [200, 200]


def test_only_wrong_keys_are_throttled(closed: Served) -> None:
    with measured(closed) as usage, closed.connect() as sock:
        statuses: Counter[int] = Counter()
        for number in range(1000):
            sock.sendall(head(content_length=2, x_api_key=f"guess-{number}") + b"{}")
            statuses[read_reply(sock)[0]] += 1
    assert statuses.keys() == {403, 429}
    assert statuses[429] > 300
    assert usage.cpu_seconds < 10
    assert detect(closed, KEYS["modest"])[0] == 200
    assert closed.metric('face_comparison_auth_failures_total{reason="throttled"}') == statuses[429]


def test_body_without_valid_key_is_not_received(closed: Served) -> None:
    """Guards against a regression: the first server asked for the key first, too."""
    for headers in ({}, {"x_api_key": "wrong"}, {"authorization": "Bearer wrong"}):
        with closed.connect() as sock:
            sock.sendall(head(content_length=20 * 2**20, **headers))
            assert read_reply(sock)[0] in (401, 403)


@pytest.mark.parametrize("line", ["typo", "another:with space", "modest:a-second-key-0123456789", "\udcff\udcff:x"])
def test_removed_key_is_revoked_despite_bad_line(closed: Served, keys: Path, line: str) -> None:
    assert detect(closed, KEYS["greedy"])[0] == 200
    keys.write_text(f"modest:{KEYS['modest']}\n{line}\n", encoding="utf-8", errors="surrogateescape")
    assert detect(closed, KEYS["greedy"])[0] == 403
    assert detect(closed, KEYS["modest"])[0] == 200
    assert closed.metric("face_comparison_api_keys_invalid_lines") == 1
    assert closed.metric("face_comparison_api_keys") == 1


def test_one_address_cannot_use_all_capacity(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with serving(tmp_path, threads=SLOTS, queue=QUEUE) as service, ThreadPoolExecutor(20) as pool:
        service.wait_ready()
        greedy = [pool.submit(service.detect, b"hold %s" % bytes(go)) for _ in range(SLOTS + QUEUE)]
        until(lambda: service.metric("face_comparison_requests_in_flight") == SLOTS + QUEUE, "the queue is full")
        with socket.create_connection(("127.0.0.1", service.port), LIMIT, ("127.0.0.2", 0)) as other:
            body = b'{"img": "%s"}' % img(b"quick")["img"].encode()
            other.sendall(head(content_length=len(body)) + body)
            until(lambda: any(done.done() for done in greedy), "one of the greedy made room")
            go.touch()
            assert read_reply(other)[0] == 200
        outcomes = Counter(done.result(LIMIT).status for done in greedy)
    assert outcomes == {200: SLOTS + QUEUE - 1, 429: 1}


@pytest.mark.parametrize("key", ["x", "fifteen-letters"])
def test_weak_keys_are_reported(tmp_path: Path, key: str) -> None:
    path = tmp_path / "keys"
    path.write_text(f"short:{key}\nlong:{'x' * 16}\n")
    with serving(tmp_path, auth="api-key", api_keys_file=path) as service:
        service.wait_ready()
        assert service.metric("face_comparison_api_keys_short") == 1
        assert any("replace those of: short" in line["message"] for line in service.lines)


@pytest.mark.parametrize(("mode", "reported"), [(0o666, True), (0o620, True), (0o644, False), (0o600, False)])
def test_writable_keys_file_is_reported(keys: Path, tmp_path: Path, mode: int, reported: bool) -> None:
    """Those that are not told of guard against a warning that is always there."""
    keys.chmod(mode)
    with serving(tmp_path, auth="api-key", api_keys_file=keys) as service:
        service.wait_ready()
        assert any("is writable by users other" in line["message"] for line in service.lines) == reported
