"""Why pods do not start: reports of scheduler, kubelet, and containers, and the resulting message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from face_comparison_operator.api_resources import POD
from face_comparison_operator.cache import strip_unused_fields
from face_comparison_operator.pod_diagnostics import Problem, awaits_volumes, diagnose, overdue_problem

IMAGE = "registry.example/service:1"
SCHEDULED = {"type": "PodScheduled", "status": "True"}


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **status: Any) -> dict[str, Any]:
    statuses = {"containerStatuses": list(containers), "initContainerStatuses": list(init)}
    return {"metadata": {"uid": "u"}, "status": {"phase": "Pending", "conditions": [SCHEDULED], **statuses, **status}}


def waiting(reason: str, message: str = "", name: str = "service", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(message: str = "", name: str = "service", code: int = 1, **more: Any) -> dict[str, Any]:
    last = {"lastState": {"terminated": {"exitCode": code, "reason": "Error", "message": message, **more}}}
    return waiting("CrashLoopBackOff", "back-off 5m0s", name, **last)


SEE_LOG = "; its log says why: kubectl logs --previous --container=service POD"

CASES: list[tuple[str, dict[str, Any], Problem | None]] = [
    ("a pod that starts", pod(waiting("ContainerCreating")), None),
    (
        "a pod that runs and is not ready yet",
        pod({"name": "service", "state": {"running": {}}}),
        Problem("ProbeFailed", "container service is running, but not ready", starting=True),
    ),
    (
        "an image that is not there",
        pod(waiting("ErrImagePull", "rpc error: not found")),
        Problem("ImagePullFailed", f"image {IMAGE} cannot be pulled: rpc error: not found"),
    ),
    (
        "the same image, in the words between two tries",
        pod(waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: rpc error: not found')),
        Problem("ImagePullFailed", f"image {IMAGE} cannot be pulled: rpc error: not found"),
    ),
    (
        "a device that is missing",
        pod(ended("Traceback\naccelerator_unavailable: no CUDA driver\n")),
        Problem("AcceleratorUnavailable", "no CUDA driver"),
    ),
    (
        "last words in the format of a log",
        pod(ended("ERROR invalid_settings: x\n  invalid_bundle: digest differs")),
        Problem("ModelInvalid", "digest differs"),
    ),
    (
        "the same, while the container is tried once more",
        pod({"name": "service", "state": {"running": {}}, "lastState": ended("invalid_bundle: bad")["lastState"]}),
        Problem("ModelInvalid", "bad"),
    ),
    (
        "a model that could not be downloaded",
        pod(waiting("PodInitializing"), init=(ended("model_download_failed: 403", "model"),)),
        Problem("ModelDownloadFailed", "403"),
    ),
    (
        "a model container without last words",
        pod(init=(ended("boom", "model", 3),)),
        Problem("ModelInvalid", "the model is missing or invalid: container model exits with code 3"),
    ),
    (
        "a model that came at the second try",
        pod(waiting("PodInitializing"), init=({**ended("model_download_failed: 503", "model"), "ready": True},)),
        None,
    ),
    (
        "too little memory",
        pod(ended(reason="OOMKilled", code=137)),
        Problem("OutOfMemory", "container service needs more memory than its limit: raise resources.limits.memory"),
    ),
    ("a crash", pod(ended("a\nb", code=2)), Problem("CrashLooping", f"container service exits with code 2{SEE_LOG}")),
    (
        "a signal",
        pod(ended(signal=11, code=0)),
        Problem("CrashLooping", f"container service exits with signal 11{SEE_LOG}"),
    ),
    (
        "a secret for a variable that is missing",
        pod(waiting("CreateContainerConfigError", 'secret "keys" not found')),
        Problem("SecretNotFound", "the Secret keys does not exist in this namespace"),
    ),
    (
        "a secret without the key",
        pod(waiting("CreateContainerConfigError", "couldn't find key token in Secret ns/keys")),
        Problem("SecretNotFound", "the Secret has no key token"),
    ),
    (
        "a command that is not in the image",
        pod(waiting("RunContainerError", "exec: not found")),
        Problem("ContainerFailed", "container service cannot start: exec: not found"),
    ),
    (
        "a pod that was evicted",
        pod(phase="Failed", reason="Evicted", message="the node was low on disk"),
        Problem("Evicted", "the node was low on disk"),
    ),
    (
        "a pod that the node does not take",
        pod(phase="Failed", reason="UnexpectedAdmissionError", message="no healthy device"),
        Problem("PodCreationFailed", "the node rejects the pod: UnexpectedAdmissionError: no healthy device"),
    ),
    (
        "a pod that serves although it crashed once",
        pod({**ended("old"), "ready": True}, conditions=[{"type": "Ready", "status": "True"}]),
        None,
    ),
]


@pytest.mark.parametrize(("body", "problem"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_diagnosis_of_pod(body: dict[str, Any], problem: Problem | None) -> None:
    assert diagnose([body]) == problem


def test_scheduler_message_omits_preemption_details() -> None:
    told = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available: 2 No victims."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}
    found = diagnose([pod(conditions=[condition])])
    expected = "no node can take the pod: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu"
    assert found == Problem("Unschedulable", expected)


def warning(reason: str, message: str, uid: str = "u", seen: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    about = {"involvedObject": {"uid": uid}, "metadata": {}, "lastTimestamp": seen}
    return {"reason": reason, "message": message, **about}


STUCK = pod(waiting("ContainerCreating"))


def test_unmountable_volume() -> None:
    missing = warning("FailedMount", 'MountVolume.SetUp failed for volume "auth" : secret "keys" not found')
    assert diagnose([STUCK], [missing]) == Problem("SecretNotFound", "the Secret keys does not exist in this namespace")
    key = warning("FailedMount", "references non-existent secret key: api-keys")
    assert diagnose([STUCK], [key]) == Problem("SecretNotFound", "the Secret has no key api-keys")
    other = diagnose([STUCK], [warning("FailedMount", "timeout")])
    assert other is not None
    assert other.reason == "VolumeFailed"


def test_volume_attached_to_another_node_is_explained() -> None:
    held = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) faces-1'
    found = diagnose([STUCK], [warning("FailedAttachVolume", held)])
    assert found is not None
    assert found.reason == "VolumeFailed"
    assert found.message.startswith(f"a volume cannot be mounted: {held}; ")
    assert "strategy.type Recreate" in found.message


def test_latest_event_wins() -> None:
    old = warning("FailedMount", "old", seen="2026-01-01T00:00:00Z")
    new = warning("FailedMount", "new", seen="2026-01-01T00:00:01Z")
    found = diagnose([STUCK], [old, new])
    assert found is not None
    assert "new" in found.message


def test_events_of_other_and_recovered_pods_are_ignored() -> None:
    event = warning("FailedMount", "timeout")
    assert diagnose([STUCK], [warning("FailedMount", "timeout", uid="other")]) is None
    running = diagnose([pod({"name": "service", "state": {"running": {}}}, phase="Running")], [event])
    assert running is not None
    assert "timeout" not in running.message


def test_pods_waiting_for_volumes() -> None:
    assert awaits_volumes(STUCK)
    assert awaits_volumes(pod())
    assert not awaits_volumes(pod(waiting("ErrImagePull")))
    assert not awaits_volumes(pod(conditions=[{"type": "PodScheduled", "status": "False"}]))
    assert not awaits_volumes(pod(phase="Running"))


def test_containers_take_precedence_over_the_scheduler_and_both_over_events() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    found = diagnose([pod(conditions=[condition]), STUCK], [warning("FailedMount", "timeout")])
    assert found is not None
    assert found.reason == "Unschedulable"


def test_running_pod_takes_precedence_over_evicted_pod() -> None:
    gone = pod(phase="Failed", reason="Evicted", message="disk")
    found = diagnose([gone, pod(waiting("ErrImagePull", "not found"))])
    assert found is not None
    assert found.reason == "ImagePullFailed"


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_evicted_pod_that_exited_cleanly(phase: str) -> None:
    """Its phase is Succeeded and its reason is lost if all containers exited with 0; the condition remains."""
    done = {"name": "service", "image": IMAGE, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    target = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": "the disk is full",
    }
    assert diagnose([pod(done, phase=phase, conditions=[target])]) == Problem("Evicted", "the disk is full")


def test_failed_pod_without_reason() -> None:
    """The status of a pod that exceeded its storage and exited with 0 has no reason, but an event does."""
    done = {"name": "service", "image": IMAGE, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    gone = pod(done, phase="Succeeded")
    told = [warning("Evicted", "usage exceeds 1Ki. "), warning("Unhealthy", "503", seen="2026-01-01T00:00:01Z")]
    assert diagnose([gone], told) == Problem("Evicted", "usage exceeds 1Ki.")
    assert diagnose([gone], [warning("Evicted", "of another", uid="v")]) == Problem(
        "Evicted", "the node terminated the pod, and its status gives no reason"
    )
    found = diagnose([gone, pod(waiting("ErrImagePull", "not found"))], told)
    assert found is not None
    assert found.reason == "ImagePullFailed"


def test_eviction_is_not_reported_as_crash() -> None:
    killed = {"name": "service", "image": IMAGE, "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    gone = pod(killed, phase="Failed", reason="Evicted", message="ephemeral local storage usage exceeds the limit")
    starts = pod(waiting("ContainerCreating"))
    assert diagnose([gone, starts]) == Problem("Evicted", "ephemeral local storage usage exceeds the limit")


# --- running pods that are not ready ----------------------------------------------------------------------------------

NOW = datetime(2026, 1, 2, 3, 4, 30, tzinfo=UTC)


def running(name: str = "service", since: str = "2026-01-02T03:04:00Z", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "ready": False, "state": {"running": {"startedAt": since}}, **more}


def unhealthy(message: str, container: str = "service", field: str = "containers") -> dict[str, Any]:
    event = warning("Unhealthy", message)
    return {**event, "involvedObject": {**event["involvedObject"], "fieldPath": f"spec.{field}{{{container}}}"}}


REFUSED = 'Startup probe failed: Get "http://10.0.0.1:9999/readyz": dial tcp 10.0.0.1:9999: connect: connection refused'
SLOW = (
    'Startup probe failed: Get "http://10.0.0.1:8080/readyz": context deadline exceeded (Client.Timeout exceeded while '
    "awaiting headers)"
)
LOADING = "Startup probe failed: HTTP probe failed with statuscode: 503"
READY = {"name": "service", "image": IMAGE, "ready": True, "state": {"running": {}}}

# Description; container statuses; init container statuses; events; words of the message (None: no problem); starting.
UNREADY: list[tuple[str, list[Any], list[Any], list[Any], str | None, bool]] = [
    ("a startup probe that is refused", [running()], [], [unhealthy(REFUSED)], "connection refused", False),
    ("models are loading", [running()], [], [unhealthy(LOADING)], "statuscode: 503", True),
    (
        "a slow node, on which the service does not listen yet",
        [running(since="2026-01-02T03:04:15Z")],
        [],
        [unhealthy(REFUSED)],
        "connection refused",
        True,
    ),
    (
        "a busy node, on which the service does not respond in time yet",
        [running(since="2026-01-02T03:04:15Z")],
        [],
        [unhealthy(SLOW)],
        "Client.Timeout",
        True,
    ),
    ("a startup probe that never comes through", [running()], [], [unhealthy(SLOW)], "Client.Timeout", False),
    (
        "a sidecar is not ready, and the service only starts",
        [running(since="2026-01-02T03:04:15Z"), running("mesh")],
        [],
        [unhealthy(REFUSED), unhealthy("Readiness probe failed: 503", "mesh")],
        "container mesh is running, but not ready",
        False,
    ),
    ("it has only just started", [running(since="2026-01-02T03:04:25Z")], [], [unhealthy(REFUSED)], None, False),
    (
        "a sidecar is not ready",
        [READY, running("istio-proxy")],
        [],
        [unhealthy("Readiness probe failed: 503", "istio-proxy")],
        "container istio-proxy is running, but not ready: Readiness probe failed",
        False,
    ),
    ("a sidecar without a probe event", [READY, running("mesh")], [], [], "container mesh is running", False),
    (
        "the event of another container is not quoted",
        [READY, running("mesh")],
        [],
        [unhealthy(REFUSED, "service")],
        "container mesh is running, but not ready",
        False,
    ),
    (
        "a native sidecar, which comes before the others",
        [waiting("PodInitializing")],
        [running("proxy")],
        [unhealthy(REFUSED, "proxy", "initContainers")],
        "container proxy is running, but not ready",
        False,
    ),
    (
        "a download takes its time",
        [waiting("PodInitializing")],
        [running("model")],
        [],
        "the init container model is still running",
        True,
    ),
    (
        "a download that has only just begun",
        [waiting("PodInitializing")],
        [running("model", since="2026-01-02T03:04:25Z")],
        [],
        None,
        False,
    ),
]


@pytest.mark.parametrize(
    ("containers", "init", "events", "words", "starting"), [e[1:] for e in UNREADY], ids=[e[0] for e in UNREADY]
)
def test_running_pod_not_ready(
    containers: list[Any], init: list[Any], events: list[Any], words: str | None, starting: bool
) -> None:
    found = diagnose([pod(*containers, init=tuple(init), phase="Running")], events, NOW)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert (found.reason, found.starting) == ("ProbeFailed", starting)
        assert words in found.message


# Description; pod status; age in seconds; reason and words that are reported (None: nothing).
SILENT: list[tuple[str, dict[str, Any], float, tuple[str, str, bool] | None]] = [
    ("no scheduler has looked", {}, 11, ("Unschedulable", "no scheduler has looked at the pod", False)),
    ("a scheduler may take its time", {}, 9, None),
    ("no node has started it", {"conditions": [SCHEDULED]}, 11, ("ContainerFailed", "started no container", True)),
    ("a node may take its time", {"conditions": [SCHEDULED]}, 9, None),
    (
        "it is held by a gate",
        {
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                }
            ]
        },
        1,
        ("Unschedulable", "non-empty scheduling gates", False),
    ),
    (
        "the scheduler fails",
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulerError", "message": "oops"}]},
        1,
        ("Unschedulable", "the pod is not scheduled: oops", False),
    ),
]


@pytest.mark.parametrize(("status", "age", "told"), [case[1:] for case in SILENT], ids=[case[0] for case in SILENT])
def test_pod_without_scheduler(status: dict[str, Any], age: float, told: tuple[str, str, bool] | None) -> None:
    made = (NOW - timedelta(seconds=age)).isoformat()
    body = {"metadata": {"uid": "u", "creationTimestamp": made}, "status": {"phase": "Pending", **status}}
    found = diagnose([body], now=NOW)
    if told is None:
        assert found is None
    else:
        assert found is not None
        assert (found.reason, found.starting) == (told[0], told[2])
        assert told[1] in found.message


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "no scheduler has looked at the pod: does the scheduler default-scheduler run?"),
        ({"schedulerName": "volcano"}, "no scheduler has looked at the pod: does the scheduler volcano run?"),
        (
            {"schedulerName": "default-scheduler", "volumes": [{"persistentVolumeClaim": {"claimName": "models"}}]},
            "the scheduler waits for the volume of the claim models",
        ),
        (
            {"schedulerName": "volcano", "volumes": [{"persistentVolumeClaim": {"claimName": "models"}}]},
            "does the scheduler volcano run?",
        ),
    ],
)
def test_silent_scheduler_is_named_with_what_it_may_wait_for(spec: dict[str, Any], words: str) -> None:
    made = (NOW - timedelta(seconds=11)).isoformat()
    body = {"metadata": {"name": "a", "creationTimestamp": made}, "spec": spec, "status": {"phase": "Pending"}}
    found = diagnose([strip_unused_fields(POD, body)], now=NOW)
    assert found is not None
    assert words in found.message


@pytest.mark.parametrize(
    ("seconds", "finalizers", "words"),
    [
        (11, ["example.com/hold"], "is still being deleted: it waits for example.com/hold"),
        (11, [], "its node has not ended it"),
        (9, [], None),
    ],
)
def test_pod_stuck_terminating(seconds: float, finalizers: list[str], words: str | None) -> None:
    metadata = {"name": "faces-1", "deletionTimestamp": (NOW - timedelta(seconds=seconds)).isoformat()}
    found = overdue_problem([{"metadata": {**metadata, "finalizers": finalizers}, "status": {}}], NOW)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert found.reason == "PodTerminating"
        assert words in found.message


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (waiting("ImageInspectError", "no manifest"), "ImagePullFailed"),
        (waiting("SignatureValidationFailed", "not signed"), "ImagePullFailed"),
        (waiting("PostStartHookError", "hook failed"), "ContainerFailed"),
        (waiting("SomethingNew", "a word of a later kubelet"), "ContainerFailed"),
        (ended(code=0), "CrashLooping"),
    ],
)
def test_container_waiting_for_other_reason(state: dict[str, Any], reason: str) -> None:
    found = diagnose([pod(state)])
    assert found is not None
    assert found.reason == reason
    assert (state["state"]["waiting"]["message"] in found.message) == (reason != "CrashLooping")


def test_event_of_another_container_is_not_quoted() -> None:
    found = diagnose([pod(READY, running("mesh"), phase="Running")], [unhealthy(REFUSED, "service")], NOW)
    assert found is not None
    assert "refused" not in found.message


def test_readiness_gate_is_reported() -> None:
    gate = {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": "gate example.com/lb"}
    found = diagnose([pod(READY, phase="Running", conditions=[SCHEDULED, gate])], [], NOW)
    assert found is not None
    assert (found.reason, "example.com/lb" in found.message) == ("ProbeFailed", True)


def test_crashing_sidecar_is_named() -> None:
    found = diagnose([pod(init=(ended("boom", "istio-init"),))])
    assert found is not None
    assert (found.reason, "istio-init" in found.message) == ("CrashLooping", True)


def test_sidecar_image_problem_names_the_container() -> None:
    found = diagnose([pod(READY, waiting("ErrImagePull", "not found", "mesh"))])
    assert found is not None
    assert "of container mesh" in found.message


@pytest.mark.parametrize(
    "message",
    [
        "password=hunter2",
        "invalid_settings: --log-level (FACE_COMPARISON_LOG_LEVEL) must be one of debug, info, not 'hunter2'",
        'invalid_settings: FACE_COMPARISON_COLLECTIONS must be a URI, not "hunter2"',
        "invalid_settings: cannot connect to postgresql://faces:hunter2@db/faces",
    ],
)
def test_container_messages_contain_no_secret(message: str) -> None:
    for name in ("service", "model", "sidecar"):
        found = diagnose([pod(ended(message, name))])
        assert found is not None
        assert "hunter2" not in found.message


def test_error_code_is_read_only_from_own_containers() -> None:
    found = diagnose([pod(ended("invalid_bundle: anything at all", "sidecar"))])
    assert found is not None
    assert (found.reason, "anything" in found.message) == ("CrashLooping", False)


@pytest.mark.parametrize(
    "tail",
    [
        ". preemption: 0/2 nodes are available: 2 No victims.",
        ", no new claims to deallocate, preemption: 0/2 nodes are available.",
        ". no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.",
        ", no new claims to deallocate,",
        ". not found",
    ],
)
def test_scheduler_message_is_cut_after_the_useful_part(tail: str) -> None:
    told = "0/2 nodes are available: 2 Insufficient cpu"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told + tail}
    assert diagnose([pod(conditions=[condition])]) == Problem("Unschedulable", f"no node can take the pod: {told}")


@pytest.mark.parametrize(
    ("ready", "reason", "told"),
    [
        ({"status": "False"}, True, "NodeNotReady"),
        ({"status": "Unknown", "reason": "NodeStatusUnknown"}, True, "NodeNotReady"),
        ({"status": "False", "reason": "ReadinessGatesNotReady"}, True, "ProbeFailed"),
        ({"status": "False", "reason": "ContainersNotReady"}, False, "ProbeFailed"),
        ({"status": "True"}, True, None),
    ],
)
def test_node_not_reporting(ready: dict[str, str], reason: bool, told: str | None) -> None:
    """The last status that its kubelet wrote is still shown."""
    container = {"name": "service", "ready": reason, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    pod = {
        "metadata": {"uid": "p"},
        "status": {"phase": "Running", "containerStatuses": [container], "conditions": [{"type": "Ready", **ready}]},
    }
    found = diagnose([pod])
    assert (found.reason if found else None) == told
