"""Rounds in which every contender takes its turn, a service of its own among them, and the table that comes of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cv2
from msgspec import structs

from face_comparison.benchmark import load, loops
from face_comparison.benchmark.contenders import Entry, Plan, Turn, calls, looped, served, service
from face_comparison.benchmark.load import Call, Outcome
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle

IN_FLIGHT = (1, 8, 32)

FLOOD, FLOODED_QUEUE = 64, 16
"""Requests in flight, and a queue that cannot hold them."""

BETWEEN_PROBES = 0.02
"""Seconds."""


def load_analyzer(bundle: Bundle, plan: Plan) -> ImageAnalyzer:
    """What the service runs; loaded for as many threads: for one alone, OpenVINO answers 3 to 5 ms sooner an image."""
    return build_analyzer(bundle, device=plan.device, engine=plan.engine, threads=plan.threads)


def contest(bundle: Bundle, plan: Plan, progress: Callable[[str], None]) -> dict[str, Entry]:
    """Run every contender once unmeasured, then in every round once; results by name."""
    cv2.setNumThreads(1)  # each contender's threads are images at once
    analyzer = load_analyzer(bundle, plan)
    # As OpenCV's own does: what landmarks on crops of the full image cost, without which small faces are mistaken.
    once = structs.replace(bundle.manifest.detector, refinement=None)
    without = structs.replace(bundle, manifest=structs.replace(bundle.manifest, detector=once))
    hasty = load_analyzer(without, plan)
    with service(plan) as running:
        contenders = {
            **{f"service, {count} in flight": served(plan, running, count) for count in IN_FLIGHT},
            "service, 8 in flight, image as the body": served(plan, running, 8, raw=True),
            f"plain loop, {plan.threads} threads": looped(plan, loops.pipeline(analyzer, plan.threads)),
            "plain loop, 1 thread": looped(plan, loops.pipeline(analyzer, 1)),
            f"plain loop, {plan.threads} threads, one look at each face": looped(
                plan, loops.pipeline(hasty, plan.threads)
            ),
            f"OpenCV's own, {plan.threads} threads": looped(plan, loops.opencv(bundle, plan.threads)),
            # As its samples do.
            f"OpenCV's own, one loop, {plan.threads} threads inside": looped(
                plan, loops.opencv(bundle, 1), plan.threads
            ),
        }
        return take_turns(contenders, plan, progress)


def take_turns(contenders: Mapping[str, Turn], plan: Plan, progress: Callable[[str], None]) -> dict[str, Entry]:
    """Run every contender once unmeasured, then in every round of the plan once; results by name."""
    entries: dict[str, Entry] = {}
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


def ratio(entry: Entry, other: Entry) -> float:
    """Median of the rounds' ratios of the rates: a machine whose speed drifts does not tilt it."""
    return statistics.median(a / b for a, b in zip(entry.rates, other.rates, strict=True))


def added_latency(bundle: Bundle, plan: Plan, progress: Callable[[str], None]) -> float:
    """Measures what the service adds to the time of the plain pipeline, with one request in flight.

    Returns:
        The median in seconds of the differences, image by image, each measured right after the other.
    """
    analyzer = load_analyzer(bundle, plan)
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
    """Markdown; for the ratios, see `ratio`."""
    plain, opencv = entries[f"plain loop, {threads} threads"], entries[f"OpenCV's own, {threads} threads"]

    def milliseconds(values: list[float]) -> str:
        return f"{1000 * statistics.median(values):.0f}" if values else ""

    lines = ["| | images/s | p50 ms | p99 ms | of the plain loop | of OpenCV's |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {name} | {entry.rate:.1f} | {milliseconds(entry.p50)} | {milliseconds(entry.p99)} "
        f"| {ratio(entry, plain):.2f} | {ratio(entry, opencv):.2f} |"
        for name, entry in entries.items()
    ]
    return "\n".join(lines)
