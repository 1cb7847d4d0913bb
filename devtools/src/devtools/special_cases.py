"""`make special-cases`: measures the service with and without each of its special cases, for ADR 6.

* Resets: sixteen clients connect as fast as they can while the service stops. With the packet filter on the listening
  socket, new connections are blocked before the socket is closed; without it, some clients get a connection reset.
* Liveness: clients send photographs all the time, and another process probes `/livez`, which is answered in the event
  loop, or by a thread, as the other probes are.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import resources
from multiprocessing import get_context

READY_SECONDS = 300
PROBE_PAUSE_SECONDS = 0.05
REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

WITHOUT = {
    "filter": "from face_comparison.server import worker; worker.block_new_connections = lambda listener: None",
    "liveness": "from face_comparison.server import http_server; http_server.LIVENESS = ''",
}
"""What switches a special case off, in the arbiter before it forks its workers."""


@contextlib.contextmanager
def service(switch_off: str = "") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Runs a service that is ready; yields its process and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    program = f"{switch_off}\nfrom face_comparison.cli.main import main\nmain()"
    command = [sys.executable, "-c", program, "serve", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while b" 200 " not in _respond(port, REQUEST.replace(b"livez", b"readyz")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the service did not become ready")
            time.sleep(0.2)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _respond(port: int, request: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=READY_SECONDS) as sock:
            sock.sendall(request)
            return sock.recv(65536)
    except ConnectionRefusedError:
        return b""


def resets_of_shutdown(switch_off: str, clients: int = 16) -> int:
    """Stops a service among clients that connect as fast as they can; returns how many connections were reset."""
    resets: list[OSError] = []

    def connect() -> None:
        while True:
            try:
                if not _respond(port, REQUEST):
                    return
            except (ConnectionResetError, BrokenPipeError) as error:
                resets.append(error)

    with service(switch_off) as (process, port):
        threads = [threading.Thread(target=connect) for _ in range(clients)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait(READY_SECONDS)
        for thread in threads:
            thread.join()
    return len(resets)


def probe(port: int, count: int) -> list[float]:
    """Returns how long each of these probes of `/livez` took, in ascending seconds."""
    seconds = []
    for _ in range(count):
        began = time.monotonic()
        _respond(port, REQUEST)
        seconds.append(time.monotonic() - began)
        time.sleep(PROBE_PAUSE_SECONDS)
    return sorted(seconds)


def liveness_under_load(switch_off: str, clients: int, count: int) -> list[float]:
    """Returns the duration of each probe, in ascending seconds, while clients send photographs."""
    photo = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
    lines = ["POST /prod/face_comparison HTTP/1.1", "Host: x", "Connection: close", "Content-Type: image/jpeg"]
    request = "\r\n".join([*lines, f"Content-Length: {len(photo)}", "", ""]).encode() + photo
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            _respond(port, request)

    with service(switch_off) as (_, port), ProcessPoolExecutor(1, get_context("spawn")) as other:
        threads = [threading.Thread(target=send) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            return other.submit(probe, port, count).result()
        finally:
            ended.set()
            for thread in threads:
                thread.join()


def main() -> None:
    """Prints both measurements, with and without the special case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shutdowns", type=int, default=10)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--probes", type=int, default=400)
    options = parser.parse_args()
    for title, switch_off in (("with", ""), ("without", WITHOUT["filter"])):
        resets = [resets_of_shutdown(switch_off) for _ in range(options.shutdowns)]
        print(f"{title} the packet filter: {sum(map(bool, resets))} of {len(resets)} shutdowns had resets: {resets}")
    for title, switch_off in (("the event loop", ""), ("a thread", WITHOUT["liveness"])):
        seconds = liveness_under_load(switch_off, options.clients, options.probes)
        p50, p99 = (1000 * seconds[int(share * (len(seconds) - 1))] for share in (0.5, 0.99))
        print(f"/livez answered by {title}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, maximum {1000 * seconds[-1]:.1f} ms")


if __name__ == "__main__":
    main()
