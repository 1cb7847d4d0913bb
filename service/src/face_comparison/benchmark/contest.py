"""Runs rounds in which every contender takes its turn, among them a service started for it, and formats the results."""

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
"""Number of requests in flight in a flood, and the length of a queue that cannot hold them."""

BETWEEN_PROBES = 0.02
"""Pause between two probes in seconds."""


def load_analyzer(bundle: Bundle, plan: Plan) -> ImageAnalyzer:
    """Returns the same analyzer as in the service, loaded for the threads of the plain loop."""
    return build_analyzer(
        bundle, device=plan.device, engine=plan.engine, precision=plan.precision, threads=plan.threads
    )


def load_single_pass(bundle: Bundle, plan: Plan) -> ImageAnalyzer:
    """Returns an analyzer without refinement on crops, as in OpenCV's own pipeline.

    It shows what the refinement costs: without it, small faces are confused with others. Its view runs in float32,
    because no crops correct the detections.
    """
    unrefined = structs.replace(bundle.manifest.detector, refinement=None)
    return load_analyzer(structs.replace(bundle, manifest=structs.replace(bundle.manifest, detector=unrefined)), plan)


def contest(bundle: Bundle, plan: Plan, progress: Callable[[str], None]) -> dict[str, Entry]:
    """Runs all contenders (see `take_turns`) and returns their results by name."""
    cv2.setNumThreads(1)  # a contender's threads analyze different images, so OpenCV must not add its own
    analyzer = load_analyzer(bundle, plan)
    single_pass = load_single_pass(bundle, plan)
    with service(plan) as running:
        contenders = {
            **{f"service, {count} in flight": served(plan, running, count) for count in IN_FLIGHT},
            "service, 8 in flight, image as the body": served(plan, running, 8, raw=True),
            f"plain loop, {plan.threads} threads": looped(plan, loops.pipeline(analyzer, plan.threads)),
            "plain loop, 1 thread": looped(plan, loops.pipeline(analyzer, 1)),
            f"plain loop, {plan.threads} threads, one look at each face": looped(
                plan, loops.pipeline(single_pass, plan.threads)
            ),
            f"OpenCV's own, {plan.threads} threads": looped(plan, loops.opencv(bundle, plan.threads)),
            # The way OpenCV's samples use it.
            f"OpenCV's own, one loop, {plan.threads} threads inside": looped(
                plan, loops.opencv(bundle, 1), plan.threads
            ),
        }
        return take_turns(contenders, plan, progress)


def take_turns(contenders: Mapping[str, Turn], plan: Plan, progress: Callable[[str], None]) -> dict[str, Entry]:
    """Runs every contender once as a warm-up, then once per round of the plan; returns the results by name."""
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
    """Returns the median ratio of both rates over all rounds, which a drift in the machine's speed does not bias."""
    return statistics.median(a / b for a, b in zip(entry.rates, other.rates, strict=True))


def added_latency(bundle: Bundle, plan: Plan, progress: Callable[[str], None]) -> float:
    """Measures the latency that the service adds to the plain pipeline, with one request in flight.

    Returns:
        The median difference in seconds. For each image, both are measured right after each other.
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
            if index >= len(plan.images):  # the first request with each image is a warm-up
                differences.append(outcome.latencies[0] - own)
    return statistics.median(differences)


def flood(plan: Plan, progress: Callable[[str], None]) -> tuple[Outcome, Outcome]:
    """Sends more requests than the service accepts, from clients that retry immediately when they are rejected.

    Returns:
        The outcome of the requests, and of the liveness probes sent in the meantime, each on a new connection.
    """
    # The clients run in another process, so that their threads do not delay the probes.
    with service(plan, FLOODED_QUEUE) as running, ProcessPoolExecutor(1, get_context("spawn")) as prober:
        address, probes = ("127.0.0.1", running.port), Outcome()
        prober.submit(load.run, *address, calls(plan.images), 1, len(plan.images)).result()  # warms up
        flooding = prober.submit(load.run, *address, calls(plan.images), FLOOD, FLOOD * plan.total)
        while not flooding.done():
            progress(f"flood: {len(probes.latencies)} probes")
            probes.add(load.run(*address, [Call("/livez", method="GET")], 1, 1))
            time.sleep(BETWEEN_PROBES)
        return flooding.result(), probes


def flood_report(flooding: Outcome, probes: Outcome) -> str:
    """Returns a sentence that describes a flood and the probes during it."""
    replies = ", ".join(f"{count} x {status}" for status, count in sorted(flooding.statuses.items(), key=str))
    count = probes.statuses.total()
    p50, p99, worst = (1000 * probes.quantile(share) for share in (0.5, 0.99, 1))
    return (
        f"{FLOOD} in flight on a queue of {FLOODED_QUEUE}: {replies}; GET /livez meanwhile, {count} times: "
        f"p50 {p50:.0f}, p99 {p99:.0f}, worst {worst:.0f} ms, {count - probes.statuses[200]} unanswered"
    )


def memory(plan: Plan, marks: Sequence[int], progress: Callable[[str], None]) -> dict[int, int]:
    """Returns the resident bytes of the service after each number of requests in `marks`, with 8 in flight."""
    found, done = {}, 0
    with service(plan) as running:
        for mark in marks:
            progress(f"memory: {done} of {marks[-1]} requests")
            load.run("127.0.0.1", running.port, calls(plan.images), 8, mark - done)
            done = mark
            found[mark] = running.resident()
    return found


def table(entries: dict[str, Entry], threads: int) -> str:
    """Returns the results as a Markdown table; for the ratios, see `ratio`."""
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
