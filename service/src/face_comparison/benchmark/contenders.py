"""The contenders that take turns in a contest: a service over HTTP, and loops in this process."""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeAlias

import cv2
import psutil

from face_comparison.benchmark import load, loops
from face_comparison.benchmark.load import Call

DETECT = "/prod/face_comparison"

QUEUE = 64
"""Queue length of the service, enough for all clients of the contest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a contest measures.

    Attributes:
        images: Encoded images, taken in turn.
        rounds: Number of turns per contender.
        total: Number of images per turn.
        threads: Number of images analyzed at once in the loops.
        workers: Number of worker processes of the service; None for what it chooses.
        worker_threads: Number of images analyzed at once per worker; None for what the service chooses.
        device: `auto`, `cpu`, or `cuda`.
        engine: `auto`, or the name of an engine.
        bundle: A name or a path, as for `--bundle`.
        precision: `auto` or `float32`.
    """

    images: Sequence[bytes]
    rounds: int
    total: int
    threads: int
    workers: int | None = None
    worker_threads: int | None = None
    device: str = "auto"
    engine: str = "auto"
    bundle: str = "default"
    precision: str = "auto"


@dataclass(slots=True)
class Entry:
    """The results of a contender, one per turn.

    Attributes:
        rates: Images per second.
        p50: Median latency in seconds; only for contenders that respond to requests.
        p99: 99th percentile of the latency in seconds; only for contenders that respond to requests.
    """

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median rate, in images per second."""
        return statistics.median(self.rates)


Turn: TypeAlias = Callable[[int], Entry]
"""Analyzes a number of images, cycling through those of the plan, and returns the results."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        port: The port that it listens on.
        process: Its main process.
    """

    port: int
    process: psutil.Process

    def resident(self) -> int:
        """Returns the resident bytes of all its processes, counting shared memory once (proportional set size)."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(member.memory_full_info().pss for member in family)


@contextmanager
def service(plan: Plan, queue: int = QUEUE) -> Iterator[Service]:
    """Starts a service on this machine, waits until it is ready, and stops it at the end."""
    command = [sys.executable, "-m", "face_comparison", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--workers", str(plan.workers or "auto"), "--threads", str(plan.worker_threads or "auto")]
    command += ["--device", plan.device, "--precision", plan.precision]
    command += ["--engine", plan.engine, "--queue", str(queue), "--bundle", plan.bundle]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, env={**os.environ}) as process:
        try:
            port = int(_logged(log, process, "listening")["port"])
            while not load.is_ready(port):
                if process.poll() is not None:
                    raise RuntimeError("the service did not start")
                time.sleep(0.05)
            yield Service(port, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()


def _logged(log: IO[bytes], process: subprocess.Popen[bytes], message: str) -> dict[str, Any]:
    """Waits until the service's log has a line with this message, and returns it.

    Raises:
        RuntimeError: The service exited before.
    """
    while process.poll() is None:
        lines = os.pread(log.fileno(), 1 << 20, 0).splitlines()
        found = [line for line in map(_parsed, lines) if line.get("message") == message]
        if found:
            return found[0]
        time.sleep(0.05)
    raise RuntimeError("the service did not start")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:  # a line that is still being written
        return {}


def calls(images: Sequence[bytes], raw: bool = False) -> list[Call]:
    """Returns one request per image: JSON with base64, as most clients send it, or the image as the body if `raw`."""
    if raw:
        return [Call(DETECT, {"Content-Type": "image/jpeg"}, image) for image in images]
    return [
        Call(
            DETECT,
            {"Content-Type": "application/json"},
            json.dumps({"img": base64.b64encode(image).decode()}).encode(),
        )
        for image in images
    ]


def served(plan: Plan, running: Service, in_flight: int, raw: bool = False) -> Turn:
    """Returns the turns of a service with this number of requests in flight; for `raw`, see `calls`.

    A turn raises RuntimeError if a response does not have the status 200.
    """

    def turn(total: int) -> Entry:
        outcome = load.run("127.0.0.1", running.port, calls(plan.images, raw), in_flight, total)
        if outcome.statuses[200] != total:
            raise RuntimeError(f"the service did not answer every request: {dict(outcome.statuses)}")
        return Entry([outcome.rate], [outcome.quantile(0.5)], [outcome.quantile(0.99)])

    return turn


def looped(plan: Plan, work: list[loops.Work], each: int = 1) -> Turn:
    """Returns the turns of a loop with one thread per function in `work`.

    Args:
        plan: What the contest measures.
        work: The function of each thread.
        each: Number of threads that OpenCV uses for one image.
    """

    def turn(total: int) -> Entry:
        cv2.setNumThreads(each)
        try:
            return Entry([total / loops.loop(work, plan.images, total)])
        finally:
            cv2.setNumThreads(1)

    return turn
