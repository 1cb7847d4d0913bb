"""Clients: the generator chooses each action."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import time
from collections.abc import Callable

from devtools.soak.requests import exchange, head
from devtools.soak.service import DEADLINE_SECONDS, MIB, Run


def good(run: Run, rng: random.Random, photo: bytes) -> None:
    """Sends one good image, in one of the body formats."""
    if rng.random() < 0.5:
        request = head(len(photo), "image/jpeg") + photo
    else:
        body = json.dumps({"img": base64.b64encode(photo).decode()}).encode()
        request = head(len(body)) + body
    began = time.monotonic()
    try:
        with run.connect(DEADLINE_SECONDS + 5) as sock:
            status, received = exchange(sock, request)
    except OSError as error:
        run.findings.problems.append(f"a good request failed: {error!r}")
        return
    seconds = time.monotonic() - began
    run.findings.good[str(status)] += 1
    run.findings.slowest_good = max(run.findings.slowest_good, seconds)
    if status not in (200, 429):
        run.findings.problems.append(f"a good request got {status}: {received[-300:]!r}")
    if seconds > DEADLINE_SECONDS + 2:
        run.findings.problems.append(f"a good request took {seconds:.1f} s")
    run.ended.wait(rng.uniform(0, 0.3))


def slow(run: Run, rng: random.Random, photo: bytes) -> None:
    """Runs several clients that send a part, and then little or nothing."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(run.connect()) for _ in range(rng.randint(5, 40))]
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.sendall((head(len(photo), "image/jpeg") + photo)[: rng.randint(0, len(photo))])
        until = time.monotonic() + rng.uniform(0.5, 8)
        while time.monotonic() < until and not run.ended.wait(0.2):
            with contextlib.suppress(OSError):
                rng.choice(sockets).sendall(b"x")


def broken(run: Run, rng: random.Random, photo: bytes) -> None:
    """Sends a damaged request or image, perhaps truncated."""
    request = bytearray(head(len(photo), rng.choice(["image/jpeg", "application/json", "text/x"])) + photo)
    for _ in range(rng.randint(1, 20)):
        request[rng.randrange(len(request))] = rng.randrange(256)
    if rng.random() < 0.3:
        del request[rng.randrange(len(request)) :]
    with run.connect(3) as sock:
        sock.sendall(request)
        if rng.random() < 0.7:
            sock.recv(65536)


def huge(run: Run, rng: random.Random, requests: list[bytes]) -> None:
    """Sends one of the huge requests."""
    with run.connect(DEADLINE_SECONDS + 5) as sock:
        status, _ = exchange(sock, rng.choice(requests))
    if status not in (200, 400, 413, 429, 504):
        run.findings.problems.append(f"a huge request got {status}")
    run.ended.wait(rng.uniform(0, 1))


def hostile(run: Run, rng: random.Random, photo: bytes) -> None:
    """Sends one of the attacks."""
    match rng.randrange(7):
        case 0:
            attack, count = b"GET /livez HTTP/1.1\r\n" + b"X: " + b"a" * 70_000, 20
        case 1:
            attack, count = head(20 * MIB), 66
        case 2:
            attack, count = head() + b"1\r\nx\r\n" * 100_000, 3
        case 3:
            attack, count = b"", 300
        case 4:
            attack, count = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nG" * 500, 20
        case 5:
            attack, count = head(10 * MIB) + bytes(3 * MIB), 40
        case _:
            attack, count = (head(len(photo), "image/jpeg") + photo).replace(b"Connection: close\r\n", b"") * 5, 10
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(run.connect(2))
            with contextlib.suppress(OSError):
                sock.sendall(attack)
        run.ended.wait(rng.uniform(0.1, 5))


def repeat(run: Run, name: str, act: Callable[[], None]) -> None:
    """Repeats an action until the run ends."""
    while not run.ended.is_set():
        with contextlib.suppress(OSError, TimeoutError):  # the outcome for a bad client does not matter
            act()
        run.findings.actions[name] += 1
