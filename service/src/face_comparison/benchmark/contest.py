"""Rounds in which every contender takes its turn, a service of its own among them, and the table that comes of it."""

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
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import IO, Any

import cv2
import psutil
from msgspec import structs

from face_comparison.benchmark import load, loops
from face_comparison.benchmark.load import Call, Outcome
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle

IN_FLIGHT = (1, 8, 32)
DETECT = "/prod/face_comparison"

QUEUE = 64
"""Holds every client of the contest."""

FLOOD, FLOODED_QUEUE = 64, 16
"""Requests in flight, and a queue that cannot hold them."""

BETWEEN_PROBES = 0.02
"""Seconds."""


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
    """

    images: Sequence[bytes]
    rounds: int
    total: int
    threads: int
    workers: int = 1
    device: str = "auto"
    engine: str = "auto"


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
    command += ["--engine", plan.engine, "--queue", str(queue)]
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


def _analyzer(bundle: Bundle, plan: Plan) -> ImageAnalyzer:
    """What the service runs; loaded for as many threads: for one alone, OpenVINO answers 3 to 5 ms sooner an image."""
    return build_analyzer(bundle, device=plan.device, engine=plan.engine, threads=plan.threads)


def contest(bundle: Bundle, plan: Plan, progress: Callable[[str], None]) -> dict[str, Entry]:
    """Run every contender once unmeasured, then in every round once; results by name."""
    cv2.setNumThreads(1)  # each contender's threads are images at once
    analyzer = _analyzer(bundle, plan)
    # As OpenCV's own does: what landmarks on crops of the full image cost, without which small faces are mistaken.
    once = structs.replace(bundle.manifest.detector, refinement=None)
    without = structs.replace(bundle, manifest=structs.replace(bundle.manifest, detector=once))
    hasty = _analyzer(without, plan)
    entries: dict[str, Entry] = {}
    with service(plan) as running:

        def served(in_flight: int, raw: bool = False) -> Callable[[int], Entry]:
            def turn(total: int) -> Entry:
                outcome = load.run("127.0.0.1", running.port, calls(plan.images, raw), in_flight, total)
                if outcome.statuses[200] != total:
                    raise RuntimeError(f"the service did not answer every request: {dict(outcome.statuses)}")
                return Entry([outcome.rate], [outcome.quantile(0.5)], [outcome.quantile(0.99)])

            return turn

        def looped(work: list[loops.Work], each: int = 1) -> Callable[[int], Entry]:
            """each: threads that OpenCV takes for one image."""

            def turn(total: int) -> Entry:
                cv2.setNumThreads(each)
                try:
                    return Entry([total / loops.loop(work, plan.images, total)])
                finally:
                    cv2.setNumThreads(1)

            return turn

        contenders = {
            **{f"service, {count} in flight": served(count) for count in IN_FLIGHT},
            "service, 8 in flight, image as the body": served(8, raw=True),
            f"plain loop, {plan.threads} threads": looped(loops.pipeline(analyzer, plan.threads)),
            "plain loop, 1 thread": looped(loops.pipeline(analyzer, 1)),
            f"plain loop, {plan.threads} threads, one look at each face": looped(loops.pipeline(hasty, plan.threads)),
            f"OpenCV's own, {plan.threads} threads": looped(loops.opencv(bundle, plan.threads)),
            # As its samples do.
            f"OpenCV's own, one loop, {plan.threads} threads inside": looped(loops.opencv(bundle, 1), plan.threads),
        }
        for name, turn in contenders.items():
            progress(f"warming up: {name}")
            turn(len(plan.images) * 2)
            entries[name] = Entry()
        for number in range(plan.rounds):
            for name, turn in contenders.items():
                progress(f"round {number + 1} of {plan.rounds}: {name}")
                result = turn(plan.total)
                entries[name].rates += result.rates
                entries[name].p50 += result.p50
                entries[name].p99 += result.p99
    return entries


def added_latency(bundle: Bundle, plan: Plan, progress: Callable[[str], None]) -> float:
    """Measures what the service adds to the time of the plain pipeline, with one request in flight.

    Returns:
        The median in seconds of the differences, image by image, each measured right after the other.
    """
    analyzer = _analyzer(bundle, plan)
    differences = []
    with service(plan) as running:
        requests = calls(plan.images)
        for index in range(plan.total + len(plan.images)):
            progress(f"added latency: {index + 1} of {plan.total + len(plan.images)}")
            position = index % len(plan.images)
            own = loops.loop([analyzer.analyze], [plan.images[position]], 1)
            outcome = load.run("127.0.0.1", running.port, [requests[position]], 1, 1)
            if index >= len(plan.images):  # the first of each warms up
                differences.append(outcome.latencies[0] - own)
    return statistics.median(differences)


def flood(plan: Plan, progress: Callable[[str], None]) -> tuple[Outcome, Outcome]:
    """Sends more requests than the service accepts, from clients that retry at once when they are rejected.

    Returns:
        What became of the requests, and of the liveness probes sent meanwhile, each on a new connection.
    """
    # In a process of its own, whose threads do not keep the probe from running.
    with service(plan, FLOODED_QUEUE) as running, ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        address, probes = ("127.0.0.1", running.port), Outcome()
        elsewhere.submit(load.run, *address, calls(plan.images), 1, len(plan.images)).result()  # warms up
        flooding = elsewhere.submit(load.run, *address, calls(plan.images), FLOOD, FLOOD * plan.total)
        while not flooding.done():
            progress(f"flood: {len(probes.latencies)} probes")
            probes.add(load.run(*address, [Call("/livez", method="GET")], 1, 1))
            time.sleep(BETWEEN_PROBES)
        return flooding.result(), probes


def flood_report(flooding: Outcome, probes: Outcome) -> str:
    """Returns one sentence about a flood and the probes during it."""
    replies = ", ".join(f"{count} x {status}" for status, count in sorted(flooding.statuses.items(), key=str))
    count = probes.statuses.total()
    p50, p99, worst = (1000 * probes.quantile(share) for share in (0.5, 0.99, 1))
    return (
        f"{FLOOD} in flight on a queue of {FLOODED_QUEUE}: {replies}; GET /livez meanwhile, {count} times: "
        f"p50 {p50:.0f}, p99 {p99:.0f}, worst {worst:.0f} ms, {count - probes.statuses[200]} unanswered"
    )


def memory(plan: Plan, marks: Sequence[int], progress: Callable[[str], None]) -> dict[int, int]:
    """Resident bytes of the service after so many requests, at 8 in flight."""
    found, done = {}, 0
    with service(plan) as running:
        for mark in marks:
            progress(f"memory: {done} of {marks[-1]} requests")
            load.run("127.0.0.1", running.port, calls(plan.images), 8, mark - done)
            done = mark
            found[mark] = running.resident()
    return found


def table(entries: dict[str, Entry], threads: int) -> str:
    """Markdown. Ratios are medians of the rounds' ratios, so that a machine whose speed drifts does not tilt them."""
    plain, opencv = entries[f"plain loop, {threads} threads"], entries[f"OpenCV's own, {threads} threads"]

    def ratio(entry: Entry, other: Entry) -> str:
        return f"{statistics.median(a / b for a, b in zip(entry.rates, other.rates, strict=True)):.2f}"

    def milliseconds(values: list[float]) -> str:
        return f"{1000 * statistics.median(values):.0f}" if values else ""

    lines = ["| | images/s | p50 ms | p99 ms | of the plain loop | of OpenCV's |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {name} | {entry.rate:.1f} | {milliseconds(entry.p50)} | {milliseconds(entry.p99)} "
        f"| {ratio(entry, plain)} | {ratio(entry, opencv)} |"
        for name, entry in entries.items()
    ]
    return "\n".join(lines)
