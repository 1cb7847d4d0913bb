"""Determines why running containers are not ready, from the probe failures that events report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from face_comparison_operator.pod_events import last_seen
from face_comparison_operator.pod_problems import PROBE_FAILED, Problem
from face_comparison_operator.pod_status import container_statuses, runs_unready
from face_comparison_operator.resource import CONTAINER, Object

# Time that a running container may take to become ready before its failing probes are reported, and that the service
# may take to start listening on a slow node.
PROBE_GRACE_SECONDS, LISTEN_SECONDS = 10.0, 30.0
MESSAGE_LENGTH = 300
_SLOW_START = ("connection refused", "Client.Timeout exceeded")


def unready_problems(pod: Object, events: Sequence[Object], now: datetime | None) -> Iterator[Problem]:
    """Yields a problem for each container that is running but not ready, with its probe failures."""
    if not runs_unready(pod) or "deletionTimestamp" in pod["metadata"]:
        return
    uid = pod["metadata"].get("uid")
    own_events = [event for event in events if event.get("involvedObject", {}).get("uid") == uid]
    unhealthy = sorted((each for each in own_events if each.get("reason") == "Unhealthy"), key=last_seen, reverse=True)
    for status in container_statuses(pod.get("status", {})):
        name, running = status.get("name", ""), (status.get("state") or {}).get("running")
        if running is None or status.get("ready"):
            continue
        since = running.get("startedAt")
        runs = (now - datetime.fromisoformat(since)).total_seconds() if now and since else float("inf")
        if runs < PROBE_GRACE_SECONDS:
            continue
        own = [each for each in unhealthy if f"{{{name}}}" in each.get("involvedObject", {}).get("fieldPath", "")]
        relevant = (own or [each for each in unhealthy if not each.get("involvedObject", {}).get("fieldPath")])[:1]
        if not relevant and status in (pod["status"].get("initContainerStatuses") or []):
            # It is still working, for example downloading; the message says which container it is.
            yield Problem(PROBE_FAILED, f"the init container {name} is still running", starting=True)
            continue
        if not relevant:
            yield Problem(PROBE_FAILED, f"container {name} is running, but not ready", starting=name == CONTAINER)
            continue
        message = next(iter((relevant[0].get("message") or "").splitlines()), "a probe fails")[:MESSAGE_LENGTH]
        # At first, the service does not listen, or not in time; then it responds with 503 while it loads its models.
        awaited = any(each in message for each in _SLOW_START) and runs < LISTEN_SECONDS
        loads = "statuscode: 503" in message or awaited
        starting = name == CONTAINER and loads
        yield Problem(PROBE_FAILED, f"container {name} is running, but not ready: {message}", starting=starting)
