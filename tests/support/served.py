"""A service started as its users start it: a separate process that logs its port."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import urllib3

TESTS = Path(__file__).parent.parent
LIMIT = 120.0
"""Seconds after which whatever a test waits for will not come."""


def until(met: Callable[[], Any], what: str, seconds: float = LIMIT) -> Any:
    """Waits until something is true and returns it."""
    end = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.01)
    return found


def img(order: bytes) -> dict[str, str]:
    return {"img": base64.b64encode(order).decode()}


class Served:
    """A running service. Requests are not retried, and only `session` keeps connections."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "FACE_COMPARISON_PORT": "0", "FACE_COMPARISON_HOST": "127.0.0.1", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a signal to its group is what Ctrl-C in a terminal sends
        )
        self.lines: list[dict[str, Any]] = []
        self.errors = ""
        self.log_is_read = threading.Event()
        self.log_is_read.set()
        self._listening: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_log, self._read_errors)]
        for reader in self._readers:
            reader.start()
        self.session = urllib3.PoolManager(maxsize=100, retries=False, timeout=LIMIT)
        self.port = 0

    def _read_log(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.log_is_read.wait()
            entry = json.loads(line)
            self.lines.append(entry)
            if entry["message"] == "listening":
                self._listening.put(entry["port"])

    def _read_errors(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.errors += line

    # --- life

    def wait_listening(self) -> Served:
        self.port = self._listening.get(timeout=LIMIT)
        return self

    def wait_ready(self) -> Served:
        self.wait_listening()
        until(lambda: self.process.poll() is not None or self.get("/readyz").status == 200, "the service is ready")
        assert self.process.poll() is None, self.errors
        return self

    def workers(self) -> list[int]:
        return sorted(child.pid for child in psutil.Process(self.process.pid).children())

    def signal(self, sig: int) -> None:
        self.process.send_signal(sig)

    def interrupt(self) -> None:
        """Sends Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait_end(self, seconds: float = LIMIT) -> int:
        """Returns the exit status, after reading all output."""
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(LIMIT)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()
        return status

    def end(self) -> None:
        self.session.clear()
        self.log_is_read.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait_end()

    # --- requests

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        return self.session.request("GET", self.url + path, headers={"Connection": "close"})

    def detect(
        self, order: bytes, session: urllib3.PoolManager | None = None, headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        url = self.url + "/prod/face_comparison"
        return (session or self.session).request("POST", url, json=img(order), headers=headers)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)

    def metric(self, name: str) -> float:
        """Returns a value of /metrics, by name and labels as they are written there; 0 if it is missing."""
        for line in self.get("/metrics").data.decode().splitlines():
            written, _, value = line.rpartition(" ")
            if written == name:
                return float(value)
        return 0.0


def _environ(options: Mapping[str, Any]) -> dict[str, str]:
    return {
        name if name.isupper() else f"FACE_COMPARISON_{name.upper()}": str(value) for name, value in options.items()
    }


@contextlib.contextmanager
def serving_models(**options: Any) -> Iterator[Served]:
    """Yields the program with the default models, ready, and kills it afterwards; options as for `serving`."""
    served = Served([str(Path(sys.executable).with_name("face-comparison")), "serve"], _environ(options))
    try:
        served.wait_listening()
        # Loading the models takes a second, or minutes on a very busy machine.
        until(lambda: served.get("/readyz").status == 200, "the service is ready", seconds=240)
        yield served
    finally:
        served.end()


@contextlib.contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Served]:
    """Yields a service with the scripted analyzer (`slow_service`), and kills it afterwards.

    Options in capitals are environment variables, the others options of `serve`. `folder/sabotage` is LIVE_SABOTAGE,
    `folder/loading` LIVE_LOADING.
    """
    environ = _environ(options)
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    environ |= {"PYTHONPATH": path}
    environ |= {"LIVE_SABOTAGE": str(folder / "sabotage"), "LIVE_LOADING": str(folder / "loading")}
    served = Served([sys.executable, str(TESTS / "live" / "slow_service.py")], environ)
    try:
        yield served
    finally:
        served.end()


def raw_request(order: bytes, *, length: int | None = None, close: bool = False) -> bytes:
    """Returns a request as bytes. length: the Content-Length to claim, if not the true one."""
    body = json.dumps(img(order)).encode()
    length = len(body) if length is None else length
    head = f"POST /prod/face_comparison HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    return head.encode() + (b"Connection: close\r\n" if close else b"") + b"\r\n" + body


def read_reply(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Returns status, lower-case headers, and body of the next response; raises EOFError if the connection ends."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (data := sock.recv(65536)):
            raise EOFError(received)
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        if not (data := sock.recv(65536)):
            raise EOFError(body)
        body += data
    return int(first.split()[1]), headers, body
