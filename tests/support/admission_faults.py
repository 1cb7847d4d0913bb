"""Faults by what is admitted in the namespace: quotas, limits, policies, and injected containers."""

from __future__ import annotations

from support.faults import (
    AGAIN,
    LIMITS,
    MUTATING,
    PAUSE,
    RUNTIME_CLASS,
    VALIDATING,
    Row,
    crashing_sidecar,
    mutating,
    quota,
    rejecting,
    sidecar,
)

ADMISSION: list[Row] = [
    Row(
        "quota",
        "the namespace's quota is exhausted",
        "PodCreationFailed",
        ["exceeded quota"],
        given=[quota(pods="0")],
        delete=["resourcequota/quota"],
        mended=AGAIN,
    ),
    Row(
        "limit-range",
        "a LimitRange permits less memory",
        "PodCreationFailed",
        ["maximum memory usage"],
        given=[LIMITS],
        delete=["limitrange/limits"],
        mended=AGAIN,
    ),
    Row(
        "priority",
        "the PriorityClass does not exist",
        "PodCreationFailed",
        ["no PriorityClass"],
        {"priorityClassName": "no-such-class"},
        mended={},
    ),
    Row(
        "account",
        "the ServiceAccount does not exist",
        "PodCreationFailed",
        ["nobody"],
        {"serviceAccountName": "nobody"},
        mended={},
    ),
    Row(
        "runtime-class",
        "the RuntimeClass does not exist",
        "PodCreationFailed",
        ["RuntimeClass"],
        {"accelerator": {"type": "cpu", "runtimeClassName": "no-such-class"}},
        mended={},
    ),
    Row(
        "runtime-handler",
        "the node lacks the RuntimeClass's handler",
        "ContainerFailed",
        ["no-such-handler"],
        {"accelerator": {"type": "cpu", "runtimeClassName": "NAMESPACE"}},
        given=[RUNTIME_CLASS],
        delete=["runtimeclass/NAMESPACE"],
        mended={},
    ),
    Row(
        "pod-policy",
        "an admission policy rejects the pods",
        "PodCreationFailed",
        ["not on Mondays"],
        given=rejecting("pods", "", "v1", "false", "not on Mondays"),
        delete=VALIDATING,
        mended=AGAIN,
    ),
    Row(
        "probe",
        "the startup probe fails",
        "ProbeFailed",
        ["Startup probe failed", "connection refused"],
        given=mutating(
            'Object{spec: Object.spec{containers: [Object.spec.containers{name: "service", startupProbe: '
            "Object.spec.containers.startupProbe{httpGet: "
            'Object.spec.containers.startupProbe.httpGet{path: "/readyz", port: 9999}}}]}}'
        ),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "sidecar-image",
        "the image of a sidecar does not exist",
        "ImagePullFailed",
        ["of container sidecar"],
        given=sidecar("nowhere/no-such-sidecar:1"),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "sidecar-not-ready",
        "a sidecar does not become ready",
        "ProbeFailed",
        ["container sidecar", "Readiness probe"],
        given=sidecar(
            PAUSE,
            ", readinessProbe: Object.spec.containers.readinessProbe{tcpSocket: "
            "Object.spec.containers.readinessProbe.tcpSocket{port: 9999}}",
        ),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "sidecar-crashes",
        "a sidecar crashes",
        "CrashLooping",
        ["container sidecar"],
        given=crashing_sidecar(PAUSE),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "init-image",
        "the image of an injected init container does not exist",
        "ImagePullFailed",
        ["of container before"],
        given=mutating(
            'Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: "before", '
            'image: "nowhere/no-such-image:1"}]}}'
        ),
        delete=MUTATING,
        mended=AGAIN,
    ),
]
