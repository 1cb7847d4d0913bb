"""Builds the Kubernetes Jobs that `face-comparison album job` prints.

Their pods meet the restricted Pod Security Standard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

ALBUMS = "/albums"
"""Where the claim is mounted. The album gets its own folder in it, because the root of a file system may already
contain other folders."""

WAIT_SECONDS = 24 * 3600
"""How long the second Job waits for the shards, in seconds."""

_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
_USER = 65532
"""User of the container image, and the group that owns the claim, so that the pod that creates the album can write to
it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What the Jobs do, and with which resources and permissions.

    Attributes:
        photographs: s3://BUCKET/PREFIX of the photographs.
        results: s3://BUCKET/PREFIX of the results of the shards.
        shards: Number of shards.
        parallelism: Number of pods that run at the same time.
        cpus: CPU cores per pod.
        image: Container image of the service.
        name: Name of the Job.
        namespace: Namespace of the Jobs; None for the current one.
        secret: Secret whose keys become environment variables.
        service_account: ServiceAccount of the pods.
    """

    photographs: str
    results: str
    shards: int
    parallelism: int
    cpus: int
    image: str
    name: str
    namespace: str | None = None
    secret: str | None = None
    service_account: str | None = None


def shards_job(options: JobOptions) -> Manifest:
    """Returns the Indexed Job in which each pod finds the faces in one shard."""
    # Set explicitly, because not every node reports to its containers how many CPU cores they have.
    container = _container(options, "shard", ["--threads", str(options.cpus)])
    container["env"] = [{"name": "FACE_COMPARISON_SHARD", "valueFrom": {"fieldRef": {"fieldPath": _INDEX}}}]
    container["resources"] = {
        "requests": {"cpu": str(options.cpus), "memory": "1Gi"},
        "limits": {"memory": f"{1 + options.cpus}Gi"},
    }
    spec = {
        "completionMode": "Indexed",
        "completions": options.shards,
        "parallelism": options.parallelism,
        "backoffLimitPerIndex": 3,
        "maxFailedIndexes": options.shards,
        # A pod that is evicted or runs out of memory does not count as a failure of its shard: another pod continues.
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
    }
    return _job(options, options.name, container, spec)


def assembly_job(options: JobOptions, claim: str) -> Manifest:
    """Returns the Job whose single pod waits for all shards and then creates the album on a PersistentVolumeClaim."""
    out = f"{ALBUMS}/{options.name}"
    container = _container(options, "assemble", ["--out", out, "--wait", str(WAIT_SECONDS)])
    container["resources"] = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "4Gi"}}
    manifest = _job(options, f"{options.name}-assemble", container, {"backoffLimit": 3})
    pod = manifest["spec"]["template"]["spec"]
    pod["securityContext"]["fsGroup"] = _USER
    pod["volumes"].append({"name": "albums", "persistentVolumeClaim": {"claimName": claim}})
    container["volumeMounts"].append({"name": "albums", "mountPath": ALBUMS})
    return manifest


def _container(options: JobOptions, command: str, extra: list[str]) -> Manifest:
    arguments = ["album", command, options.photographs, "--results", options.results, "--shards", str(options.shards)]
    container: Manifest = {
        "name": command,
        "image": options.image,
        "args": [*arguments, *extra],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (the container's)
    }
    if options.secret:
        container["envFrom"] = [{"secretRef": {"name": options.secret}}]
    return container


def _job(options: JobOptions, name: str, container: Manifest, spec: Manifest) -> Manifest:
    labels = {"app.kubernetes.io/name": "face-comparison-album", "app.kubernetes.io/instance": name}
    pod: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if options.service_account:
        pod["serviceAccountName"] = options.service_account
    manifest: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {**spec, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    if options.namespace:
        manifest["metadata"]["namespace"] = options.namespace
    return manifest
