"""`make bench-operator`: the operator's latency and cost on a real control plane.

Many resources are created at once. Latency is read from the API server's audit log: from the creation of a resource to
the creation of its last child. Requests are counted there as well; CPU time and memory are those of the operator's
process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

from devtools import ROOT
from devtools.bench_operator.audit import WRITES, added_latency, by_kind, operator_requests
from devtools.bench_operator.objects import (
    CHILDREN_EACH,
    NAMESPACE,
    SPEC,
    count_served,
    make_unrelated,
    parallel,
    services_without_operator,
)
from devtools.bench_operator.process import Peak, mib, reconciles, say, wait_for_leadership, wait_until_calm
from devtools.k8s.api import DEFINITION, Api, Faces, install, until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import LEASE, RESOURCE, SERVICE


def main() -> None:
    """Measures and prints the figures, and writes them to build/bench-operator.json."""
    parser = argparse.ArgumentParser(prog="bench_operator", description=__doc__)
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


def wait_until_idle(plane: ControlPlane, namespace: str, seconds: float = 6.0) -> None:
    """Waits until the operator has sent no request about the namespace for some seconds."""
    while True:
        since = plane.audit_position()
        time.sleep(seconds)
        if not operator_requests(plane, since, namespace):
            return


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
