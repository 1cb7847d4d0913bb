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
import contextlib
import json
import multiprocessing
import random
import sys
import threading
import time
from collections.abc import Callable
from importlib import resources
from typing import Any

import psutil

from devtools.soak.clients import broken, good, hostile, huge, repeat, slow
from devtools.soak.probes import percentiles, probe
from devtools.soak.requests import huge_requests
from devtools.soak.service import LIMIT_BYTES, MIB, Findings, Run, memory_cgroup, service


def watch(run: Run) -> None:
    """Records the memory in use until the run ends."""
    while not run.ended.wait(0.05):
        with contextlib.suppress(psutil.NoSuchProcess):
            run.findings.resident.append(run.resident())


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
    parser = argparse.ArgumentParser(
        "make soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
