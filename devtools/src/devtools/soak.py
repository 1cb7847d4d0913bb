"""`make soak`: runs a service among good, slow, broken, huge, and hostile clients, and checks how it copes.

Every client chooses its next action with a seeded generator. The service may use 3 GiB: in its own memory cgroup if
this user may create one, otherwise by its own option; its resident memory is monitored either way. Probes come from a
process of their own, as a kubelet's do: a thread among the clients would measure how long it waits for them. The run
fails if a good request gets anything but 200 or 429, or waits past its deadline; if memory exceeds 3 GiB or does not
return to within a tenth of its initial value; if a worker is replaced; or if the 99th percentile of `/livez` exceeds a
limit, which is only set on an idle machine (`--livez-seconds 0.1`).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

MIB = 2**20
LIMIT_BYTES = 3 * 2**30
DEADLINE_SECONDS = 30.0
PATH = "/prod/face_comparison"


@dataclass
class Findings:
    """What the clients observed."""

    good: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    slowest_good: float = 0.0
    resident: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Run:
    """One service under test."""

    process: subprocess.Popen[bytes]
    port: int
    findings: Findings = field(default_factory=Findings)
    ended: threading.Event = field(default_factory=threading.Event)

    def connect(self, seconds: float = DEADLINE_SECONDS) -> socket.socket:
        """Opens a connection to the service."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def workers(self) -> list[int]:
        """Returns the process IDs of the workers."""
        return sorted(child.pid for child in psutil.Process(self.process.pid).children())

    def resident(self) -> int:
        """Returns the resident memory of all processes in bytes; shared pages count for each."""
        processes = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        return int(sum(process.memory_info().rss for process in processes))


def head(length: int | None = None, content_type: str = "application/json") -> bytes:
    """Returns the head of a POST; without a length the body is chunked."""
    declared = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"POST {PATH} HTTP/1.1", "Host: soak", "Connection: close", f"Content-Type: {content_type}", declared]
    return "\r\n".join([*lines, "", ""]).encode()


def exchange(sock: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Sends a request and reads until the service closes; returns the status and everything received."""
    sock.sendall(request)
    received = b""
    while data := sock.recv(65536):
        received += data
    return int(received[9:12] or b"0"), received


def png(side: int, depth: int = 16, channels: int = 4) -> bytes:
    """Returns a PNG of one color, small as a file and large once decoded."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    color = {1: 0, 3: 2, 4: 6}[channels]
    header = side.to_bytes(4, "big") * 2 + bytes([depth, color, 0, 0, 0])
    packer = zlib.compressobj(1)
    row = b"\0" + bytes(side * channels * depth // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# --- clients: the generator chooses each action -------------------------------------------------------------------


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


def huge_requests() -> list[bytes]:
    """Returns valid requests that need much memory: large images, a third of them in bodies that are mostly padding."""
    requests = []
    for image in (png(4096), png(4096, 8, 3), png(3000, 16, 1), png(2000, 8, 4)):
        text = base64.b64encode(image).decode()
        for padding in (0, 0, 14 * MIB):
            body = json.dumps({"img": text, "pad": "x" * padding}).encode()
            requests.append(head(len(body)) + body)
    return requests


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


PROBES = ("/livez", "/readyz", "/metrics")


def probe(port: int, ended: Connection) -> None:
    """Polls both probes in a separate process until told to end, then returns the times in seconds and problems."""
    seconds: dict[str, list[float]] = {path: [] for path in PROBES}
    problems: list[str] = []
    while not ended.poll(0.1 / len(PROBES)):
        path = PROBES[sum(map(len, seconds.values())) % len(PROBES)]
        began = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as sock:
                status, _ = exchange(sock, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        except OSError as error:
            status, answer = 0, repr(error)
        else:
            answer = str(status)
        seconds[path].append(time.monotonic() - began)
        if status != 200:
            problems.append(f"{path} got {answer}")
    ended.send((seconds, problems))


def percentiles(seconds: list[float]) -> dict[str, int]:
    """Returns percentiles of times in seconds, in milliseconds."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]) for name, share in shares.items()
    }


def watch(run: Run) -> None:
    """Records the memory in use until the run ends."""
    while not run.ended.wait(0.05):
        with contextlib.suppress(psutil.NoSuchProcess):
            run.findings.resident.append(run.resident())


def repeat(run: Run, name: str, act: Callable[[], None]) -> None:
    """Repeats an action until the run ends."""
    while not run.ended.is_set():
        with contextlib.suppress(OSError, TimeoutError):  # the outcome for a bad client does not matter
            act()
        run.findings.actions[name] += 1


# --- the run -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def memory_cgroup(limit: int) -> Iterator[list[str]]:
    """Yields a command prefix that starts a program in a memory cgroup; empty if this user may not create one."""
    for root, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / f"soak-{os.getpid()}"
        try:
            group.mkdir()
            (group / file).write_text(str(limit))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        finally:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                try:
                    group.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
        return
    yield []


@contextlib.contextmanager
def service(prefix: list[str]) -> Iterator[Run]:
    """Yields the service on the default bundle, once it is ready. prefix: precedes its command."""
    program = Path(sys.executable).with_name("face-comparison")
    environ = os.environ | {"FACE_COMPARISON_MEMORY_BYTES": str(LIMIT_BYTES), "FACE_COMPARISON_LOG_LEVEL": "info"}
    command = [*prefix, str(program), "serve", "--host", "127.0.0.1", "--port", "0"]
    log = Path(tempfile.mkdtemp(prefix="soak-")) / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environ, stdout=stream)
    try:
        entries: list[dict[str, object]] = []
        while not any(entry["message"] == "ready" for entry in entries):
            if process.poll() is not None:
                sys.exit(f"the service did not start: {log.read_text()}")
            time.sleep(0.1)
            entries = [json.loads(line) for line in log.read_text().splitlines()]
        yield Run(process, next(int(str(entry["port"])) for entry in entries if "port" in entry))
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def soak(run: Run, seconds: float, seed: int) -> dict[str, Any]:
    """Runs all clients for a period; returns the findings."""
    photo = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
    requests = huge_requests()
    for number in range(10):
        good(run, random.Random(number), photo)
    for request in requests:
        huge(run, random.Random(0), [request])
    time.sleep(3)
    run.findings = Findings()
    before, workers = run.resident(), run.workers()
    kinds: list[tuple[str, int, Callable[[random.Random], None]]] = [
        ("good", 3, lambda rng: good(run, rng, photo)),
        ("slow", 2, lambda rng: slow(run, rng, photo)),
        ("broken", 1, lambda rng: broken(run, rng, photo)),
        ("huge", 2, lambda rng: huge(run, rng, requests)),
        ("hostile", 2, lambda rng: hostile(run, rng, photo)),
    ]
    threads = [threading.Thread(target=watch, args=(run,))]
    for name, count, act in kinds:
        for number in range(count):
            rng = random.Random(f"{seed} {name} {number}")
            threads.append(threading.Thread(target=repeat, args=(run, name, lambda act=act, rng=rng: act(rng))))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    prober = context.Process(target=probe, args=(run.port, theirs))
    prober.start()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    ours.send(None)
    run.ended.set()
    for thread in threads:
        thread.join()
    time.sleep(5)
    after, found = run.resident(), run.findings
    probes, problems = ours.recv()
    prober.join()
    found.problems += problems
    if run.workers() != workers:
        found.problems.append("a worker was replaced")
    if max(found.resident) > LIMIT_BYTES:
        found.problems.append("memory exceeded its limit")
    if after > 1.1 * before:
        found.problems.append("memory did not return to its initial value")
    return {
        "seconds": seconds,
        "seed": seed,
        "good": dict(found.good),
        "slowest_good_seconds": round(found.slowest_good, 2),
        "actions": dict(found.actions),
        "probes_ms": {path: percentiles(times) for path, times in probes.items()},
        "resident_mib": {"before": before // MIB, "peak": max(found.resident) // MIB, "after": after // MIB},
        "problems": found.problems[:20],
    }


def main() -> None:
    """Runs the soak, prints its report, and fails on any problem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--livez-seconds", type=float, default=None, help="fail if the 99th percentile of /livez is slower"
    )
    options = parser.parse_args()
    with memory_cgroup(LIMIT_BYTES) as prefix, service(prefix) as run:
        report = soak(run, options.seconds, options.seed)
    report["cgroup"] = bool(prefix)
    print(json.dumps(report, indent=2))
    slow_probes = (
        options.livez_seconds is not None and report["probes_ms"]["/livez"]["p99"] > 1000 * options.livez_seconds
    )
    if report["problems"] or slow_probes:
        sys.exit(1)


if __name__ == "__main__":
    main()
