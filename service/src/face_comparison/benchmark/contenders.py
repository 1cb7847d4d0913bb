"""Who takes turns in a contest: a service over HTTP, and loops in this process."""

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
"""Holds every client of the contest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a contest measures.

    Attributes:
        images: Encoded images, taken in turn.
        rounds: Turns of each contender.
        total: Images per turn.
        threads: Images analyzed at once, in the service and in the loops.
        workers: Processes of the service.
        device: `auto`, `cpu` or `cuda`.
        engine: `auto`, or the name of an engine.
        bundle: A name or a path, as for `--bundle`.
    """

    images: Sequence[bytes]
    rounds: int
    total: int
    threads: int
    workers: int = 1
    device: str = "auto"
    engine: str = "auto"
    bundle: str = "default"


@dataclass(slots=True)
class Entry:
    """What a contender reached in each of its turns.

    Attributes:
        rates: Images per second.
        p50: Median seconds to a response, of contenders that answer requests.
        p99: 99th percentile of the seconds to a response, of contenders that answer requests.
    """

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median rate, in images per second."""
        return statistics.median(self.rates)


Turn: TypeAlias = Callable[[int], Entry]
"""Analyzes a number of images, taken in turn, and returns what it reached."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: the port that it listens on, and its main process."""

    port: int
    process: psutil.Process

    def resident(self) -> int:
        """Resident bytes of all its processes, what they share counted once (proportional set size)."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(member.memory_full_info().pss for member in family)


@contextmanager
def service(plan: Plan, queue: int = QUEUE) -> Iterator[Service]:
    """A service of this machine, ready."""
    command = [sys.executable, "-m", "face_comparison", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--workers", str(plan.workers), "--threads", str(plan.threads), "--device", plan.device]
    command += ["--engine", plan.engine, "--queue", str(queue), "--bundle", plan.bundle]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, env={**os.environ}) as process:
        try:
            listening = _logged(log, process, "listening", 1)
            _logged(log, process, "ready", plan.workers)
            yield Service(int(listening["port"]), psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()


def _logged(log: IO[bytes], process: subprocess.Popen[bytes], message: str, count: int) -> dict[str, Any]:
    """The last line of the service's log with this message, once there are so many."""
    while process.poll() is None:
        lines = os.pread(log.fileno(), 1 << 20, 0).splitlines()
        found = [line for line in map(_parsed, lines) if line.get("message") == message]
        if len(found) >= count:
            return found[-1]
        time.sleep(0.05)
    raise RuntimeError("the service did not start")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:  # a line that is still being written
        return {}


def calls(images: Sequence[bytes], raw: bool = False) -> list[Call]:
    """A request an image: JSON with base64, as most clients send it, or the image itself as the body."""
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
    """A service, with a number of requests in flight. raw: see `calls`.

    Raises RuntimeError in its turn when a response is not 200.
    """

    def turn(total: int) -> Entry:
        outcome = load.run("127.0.0.1", running.port, calls(plan.images, raw), in_flight, total)
        if outcome.statuses[200] != total:
            raise RuntimeError(f"the service did not answer every request: {dict(outcome.statuses)}")
        return Entry([outcome.rate], [outcome.quantile(0.5)], [outcome.quantile(0.99)])

    return turn


def looped(plan: Plan, work: list[loops.Work], each: int = 1) -> Turn:
    """A loop, one thread for each function in `work`. each: threads that OpenCV takes for one image."""

    def turn(total: int) -> Entry:
        cv2.setNumThreads(each)
        try:
            return Entry([total / loops.loop(work, plan.images, total)])
        finally:
            cv2.setNumThreads(1)

    return turn
