"""`make bench-operator`: the operator's latency and cost on a real control plane.

Many resources are created at once. Latency is read from the API server's audit log: from the creation of a resource to
the creation of its last child. Requests are counted there as well; CPU time and memory are those of the operator's
process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import yaml

from devtools import ROOT
from devtools.k8s.api import DEFINITION, Api, Faces, install, until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import CHILDREN, DEPLOYMENT, LEASE, RESOURCE, SERVICE, ApiResource

# Small enough that kwok's two nodes hold a thousand pods.
SPEC: dict[str, Any] = {"accelerator": {"type": "cpu"}, "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}
CHILDREN_EACH = 5
CLIENTS = 8
CALM_PERCENT = 15.0  # in CPUs
SECRET = ApiResource("v1", "Secret", "secrets")
NAMESPACE = ApiResource("v1", "Namespace", "namespaces")
CREATED, CONFLICT = HTTPStatus.CREATED, HTTPStatus.CONFLICT
WRITES = ("create", "update", "patch", "delete")


def main() -> None:
    """Measures and prints the figures, and writes them to build/bench-operator.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--resources", type=int, nargs="+", default=[100, 1000], help="number of resources created at once"
    )
    parser.add_argument(
        "--unrelated", type=int, default=5000, help="number of unrelated Deployments, and of Secrets, in the cluster"
    )
    parser.add_argument("--rest", type=float, default=300.0, help="idle seconds in which writes are counted")
    options = parser.parse_args()
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as logs:
        figures = measure(plane, Path(logs), options)
    target = ROOT / "build" / "bench-operator.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=2) + "\n")
    print(table(figures))


def measure(plane: ControlPlane, logs: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Returns all figures of one control plane."""
    api = Api(plane.kubeconfig)
    install(api, yaml.safe_load(DEFINITION.read_text()))
    say(f"making {options.unrelated} unrelated Deployments and Secrets")
    make_unrelated(plane, options.unrelated)
    program = as_deployed()
    figures: dict[str, Any] = {"cpus": os.cpu_count(), "unrelated": options.unrelated, "bursts": []}
    for count in options.resources:
        with Operator(plane.kubeconfig, logs, program=program, name=f"operator-{count}") as operator:
            wait_for_leadership(operator)
            figures["bursts"].append(burst(plane, api, operator, count, options.rest))
    figures["failover_seconds"] = failover(plane, api, logs)
    return figures


def as_deployed() -> Path:
    """Runs the operator's program in an environment like its container image's, without development packages."""
    folder = ROOT / "build" / "operator"
    sync = [str(ROOT / ".venv/tools/bin/uv"), "sync", "--quiet", "--locked", "--no-dev"]
    subprocess.run(
        [*sync, "--package=face-comparison-operator"],
        cwd=ROOT,
        env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder)},
        check=True,
    )
    return folder / "bin" / "face-comparison-operator"


def burst(plane: ControlPlane, api: Api, operator: Operator, count: int, rest: float) -> dict[str, Any]:
    """Creates `count` resources at once in a new namespace, waits until idle, and restarts the operator."""
    namespace = f"burst-{count}"
    api.create(NAMESPACE, {"metadata": {"name": namespace}})
    bare = services_without_operator(plane, api, count)
    process = psutil.Process(operator.pid)
    idle = process.memory_info().rss
    cpu = sum(process.cpu_times()[:2])
    since = plane.audit_position()
    say(f"making {count} resources")
    wait_until_calm(plane)
    peak = Peak(process)
    bodies = [
        {"metadata": {"name": f"faces-{number}", "namespace": namespace}, "spec": SPEC} for number in range(count)
    ]
    parallel(plane, lambda client, body: client.create(RESOURCE, body), bodies)
    faces = Faces(api, namespace)
    expected = count * CHILDREN_EACH
    until(lambda: len(faces.children()), expected.__eq__, f"{expected} children exist", seconds=900, pause=3.0)
    ready = until(lambda: count_served(faces), count.__eq__, f"{count} resources serve", seconds=900, pause=3.0)
    say(f"{ready} are ready; waiting until idle")
    wait_until_idle(plane, namespace)
    spent = sum(process.cpu_times()[:2]) - cpu
    events = operator_requests(plane, since, namespace)
    latencies = added_latency(plane, since, namespace)
    highest = peak.stop()
    say(f"{rest:.0f} s idle")
    resting = plane.audit_position()
    time.sleep(rest)
    at_rest = sum(each["verb"] in WRITES for each in operator_requests(plane, resting, namespace))
    settled = process.memory_info().rss
    say("restarting the operator")
    restarted = plane.audit_position()
    operator.stop()
    operator.start()
    wait_for_leadership(operator)
    until(
        operator.metrics,
        lambda text: reconciles(text) >= count,
        "the operator has reconciled every resource",
        seconds=120,
    )
    wait_until_idle(plane, namespace)
    return {
        "resources": count,
        "bare_services_seconds": round(bare, 2),
        "all_children_seconds": round(latencies["last"], 2),
        "latency_p50_seconds": round(latencies["p50"], 3),
        "latency_p99_seconds": round(latencies["p99"], 3),
        "latency_max_seconds": round(latencies["max"], 3),
        "added_p50_seconds": round(latencies["added_p50"], 3),
        "added_p99_seconds": round(latencies["added_p99"], 3),
        "requests_by_kind": by_kind(events, count),
        "requests_each": round(len(events) / count, 2),
        "writes_each": round(sum(each["verb"] in WRITES for each in events) / count, 2),
        "cpu_ms_each": round(1000 * spent / count, 1),
        "memory_idle_mib": mib(idle),
        "memory_peak_mib": mib(highest),
        "memory_settled_mib": mib(settled),
        "memory_after_restart_mib": mib(psutil.Process(operator.pid).memory_info().rss),
        "rest_seconds": rest,
        "writes_at_rest": at_rest,
        "writes_on_restart": sum(each["verb"] in WRITES for each in operator_requests(plane, restarted, namespace)),
    }


def failover(plane: ControlPlane, api: Api, logs: Path) -> float:
    """Returns the seconds from killing the leader to the first child that its successor creates."""
    api.create(NAMESPACE, {"metadata": {"name": "failover"}})
    options = ("--lease-namespace=failover", "--namespaces=failover")
    with Operator(plane.kubeconfig, logs, *options, name="leader") as leader:
        wait_for_leadership(leader)
        with Operator(plane.kubeconfig, logs, *options, name="successor"):
            say("killing the leader")
            leader.kill()
            killed = time.monotonic()
            Faces(api, "failover").create("faces", **SPEC)
            until(lambda: api.get(SERVICE, "failover", "faces"), bool, "the successor works", seconds=60)
            taken = time.monotonic() - killed
            lease = api.get(LEASE, "failover", "face-comparison-operator") or {}
            if lease["spec"]["leaseTransitions"] != 1:
                raise RuntimeError("leadership changed more than once")
            return round(taken, 1)


# --- what the audit log contains --------------------------------------------------------------------------------------


def operator_requests(plane: ControlPlane, since: int, namespace: str) -> list[dict[str, Any]]:
    """Returns the operator's requests in the namespace, without watches."""
    return [
        each
        for each in plane.audit_events(since)
        if each["userAgent"].startswith("face-comparison-operator/")
        and each.get("objectRef", {}).get("namespace") == namespace
        and each["verb"] != "watch"
    ]


def by_kind(events: list[dict[str, Any]], count: int) -> str:
    """Returns the requests per resource by verb, kind, and status, in words."""
    tally: dict[str, int] = defaultdict(int)
    for each in events:
        reference = each["objectRef"]
        kind = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
        tally[f"{each['verb']} {kind} {each['responseStatus']['code']}"] += 1
    return ", ".join(f"{name}: {number / count:.2f}" for name, number in sorted(tally.items()))


def added_latency(plane: ControlPlane, since: int, namespace: str) -> dict[str, float]:
    """Returns quantiles of the seconds from a resource to its last child, and the seconds until the last child of all.

    What the operator adds is that time without the parts in which the API server was at work on a child.
    """
    plurals = {kind.plural for kind in CHILDREN}
    created: dict[str, float] = {}
    attempts: dict[str, dict[str, list[tuple[int, float, float]]]] = defaultdict(lambda: defaultdict(list))
    for each in plane.audit_events(since):
        reference = each.get("objectRef", {})
        if each["verb"] != "create" or reference.get("namespace") != namespace:
            continue
        code, done = each["responseStatus"]["code"], seconds(each["stageTimestamp"])
        if reference["resource"] == RESOURCE.plural and code == CREATED:
            created[reference["name"]] = done
        elif reference["resource"] in plurals and each["userAgent"].startswith("face-comparison-operator/"):
            span = (code, seconds(each["requestReceivedTimestamp"]), done)
            attempts[reference["name"]][reference["resource"]].append(span)
    children = {name: [time for each in kinds.values() for time in spans(each)] for name, kinds in attempts.items()}
    incomplete = {name: list(kinds) for name, kinds in attempts.items() if len(kinds) != CHILDREN_EACH}
    if incomplete or created.keys() != children.keys():
        raise RuntimeError(f"children are missing: {incomplete or created.keys() ^ children.keys()}")
    whole = sorted(max(done for _, done in children[name]) - began for name, began in created.items())
    own = sorted(max(done for _, done in times) - created[name] - covered(times) for name, times in children.items())
    last = max(done for times in children.values() for _, done in times) - min(created.values())
    result = {"max": whole[-1], "last": last}
    for prefix, values in (("", whole), ("added_", own)):
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        result |= {f"{prefix}p50": cuts[49], f"{prefix}p99": cuts[98]}
    return result


def spans(attempts: list[tuple[int, float, float]]) -> list[tuple[float, float]]:
    """Returns when the API server was at work on a child, up to the first response that shows that it exists.

    A busy API server may create an object and give up before it responds; the next attempt then finds the name taken.
    """
    if sum(code == CREATED for code, _, _ in attempts) > 1:
        raise RuntimeError(f"a child was created twice: {attempts}")
    known = min((done for code, _, done in attempts if code in (CREATED, CONFLICT)), default=None)
    if known is None:
        raise RuntimeError(f"a child was never created: {attempts}")
    return [(began, done) for _, began, done in attempts if done <= known]


def covered(spans: list[tuple[float, float]]) -> float:
    """Returns the seconds that are covered by at least one of the spans."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def seconds(timestamp: str) -> float:
    """Returns a timestamp of the audit log in seconds."""
    return datetime.fromisoformat(timestamp).timestamp()


def services_without_operator(plane: ControlPlane, api: Api, count: int) -> float:
    """Returns the seconds that the API server takes to create the Services alone, for plain clients."""
    namespace = f"bare-{count}"
    api.create(NAMESPACE, {"metadata": {"name": namespace}})
    spec = {"ports": [{"port": 80}]}
    bodies = [{"metadata": {"name": f"bare-{number}", "namespace": namespace}, "spec": spec} for number in range(count)]
    began = time.monotonic()
    parallel(plane, lambda client, body: client.create(SERVICE, body), bodies)
    taken = time.monotonic() - began
    api.delete(NAMESPACE, None, namespace)
    until(
        lambda: api.get(NAMESPACE, None, namespace),
        lambda found: found is None,
        "its namespace is deleted",
        seconds=300,
    )
    return taken


def wait_until_idle(plane: ControlPlane, namespace: str, seconds: float = 6.0) -> None:
    """Waits until the operator has sent no request about the namespace for some seconds."""
    while True:
        since = plane.audit_position()
        time.sleep(seconds)
        if not operator_requests(plane, since, namespace):
            return


# --- the cluster and the process ------------------------------------------------------------------------------------


def parallel(plane: ControlPlane, work: Callable[[Api, Any], object], items: Iterable[Any]) -> None:
    """Calls `work` on every item from several clients at once, each with its own connections."""
    local = threading.local()

    def one(item: Any) -> None:
        if not hasattr(local, "api"):
            local.api = Api(plane.kubeconfig)
        work(local.api, item)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one, items))


def make_unrelated(plane: ControlPlane, count: int) -> None:
    """Creates unrelated objects: Deployments without pods, and Secrets of one kilobyte."""
    if not count:
        return
    Api(plane.kubeconfig).create(NAMESPACE, {"metadata": {"name": "unrelated"}})

    def make(api: Api, number: int) -> None:
        metadata = {"name": f"other-{number}", "namespace": "unrelated"}
        labels = {"app": f"other-{number}"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "other", "image": "other"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        api.create(DEPLOYMENT, {"metadata": metadata, "spec": spec})
        api.create(SECRET, {"metadata": metadata, "stringData": {"text": "x" * 1024}})

    parallel(plane, make, range(count))


def count_served(faces: Faces) -> int:
    """Returns how many resources report a ready pod."""
    found = faces.api.all(RESOURCE, faces.namespace)
    return sum(each.get("status", {}).get("readyReplicas", 0) > 0 for each in found)


def wait_until_calm(plane: ControlPlane) -> None:
    """Waits until the API server has finished the background work that new definitions and objects cause."""
    server = psutil.Process(plane.processes.pid("kube-apiserver"))
    server.cpu_percent()
    until(
        lambda: server.cpu_percent(1.0), lambda percent: percent < CALM_PERCENT, "the API server is idle", seconds=300
    )


def wait_for_leadership(operator: Operator) -> None:
    """Waits until this operator is the leader."""
    until(operator.metrics, lambda text: "face_comparison_operator_leader 1.0" in text, "it leads", seconds=60)


def reconciles(metrics: str) -> float:
    """Returns how many reconciliations it has finished."""
    sample = 'face_comparison_operator_reconciles_total{result="done"}'
    return next((float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(sample)), 0.0)


class Peak:
    """The peak resident memory of a process while this runs, sampled ten times per second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._highest = process, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Stops sampling and returns the peak in bytes."""
        self._over.set()
        self._thread.join()
        return self._highest

    def _look(self) -> None:
        with suppress(psutil.NoSuchProcess):  # the operator may be stopped first, where a measurement fails
            while not self._over.wait(0.1):
                self._highest = max(self._highest, self._process.memory_info().rss)


def mib(size: int) -> float:
    """Returns bytes as MiB."""
    return round(size / 2**20, 1)


def say(text: str) -> None:
    """Prints progress to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def table(figures: dict[str, Any]) -> str:
    """Returns the figures as a Markdown table."""
    bursts = figures["bursts"]
    lines = [
        f"{figures['cpus']} CPUs, {figures['unrelated']} unrelated Deployments and Secrets; "
        f"failover after SIGKILL {figures['failover_seconds']} s",
        "",
        "| | " + " | ".join(f"{each['resources']} at once" for each in bursts) + " |",
        "|---|" + "---:|" * len(bursts),
    ]
    for name in bursts[0]:
        if name != "resources":
            lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(str(each[name]) for each in bursts) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
