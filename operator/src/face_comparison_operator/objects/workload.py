"""Builds the Deployment and the Service."""

from __future__ import annotations

import hashlib

import msgspec

from face_comparison_operator.objects.container import LEAVE_SECONDS, init_containers, service_container
from face_comparison_operator.objects.placement import affinity, spread
from face_comparison_operator.objects.strategy import strategy
from face_comparison_operator.objects.volumes import volumes
from face_comparison_operator.resource import SERVICE_PORT, TEMPLATE_ANNOTATION, FaceComparison, Object
from face_comparison_operator.settings import Settings

# Time that the process needs to exit after the last response.
EXIT_SECONDS = 10


def service(resource: FaceComparison) -> Object:
    """Builds the Service of the pods, in the address family that the cluster prefers."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {
            "type": "ClusterIP",
            "selector": resource.selector,
            "ports": [
                {"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}
            ],
        },
    }


def deployment(resource: FaceComparison, settings: Settings) -> Object:
    """Builds the Deployment, without `replicas` if an autoscaler controls their number."""
    spec = resource.spec
    replicas = {} if spec.autoscaling else {"replicas": 1 if spec.replicas is None else spec.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            **replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": max(spec.deploy_deadline_seconds, 1),
            # Undoes `kubectl rollout pause`, after which a change would never reach the pods.
            "paused": False,
            "strategy": strategy(resource),
            "selector": {"matchLabels": resource.selector},
            "template": _template(resource, settings),
        },
    }


def _template(resource: FaceComparison, settings: Settings) -> Object:
    own = {
        **resource.selector,
        "app.kubernetes.io/component": "service",
        "app.kubernetes.io/part-of": "face-comparison",
    }
    spec = _pod_spec(resource, settings)
    labels = {**resource.spec.pod_labels, **own}
    annotations = resource.spec.pod_annotations
    digest = hashlib.sha256(msgspec.json.encode([labels, annotations, spec], order="deterministic")).hexdigest()[:16]
    return {"metadata": {"labels": labels, "annotations": {**annotations, TEMPLATE_ANNOTATION: digest}}, "spec": spec}


def _pod_spec(resource: FaceComparison, settings: Settings) -> Object:
    spec = resource.spec
    image: Object = {"image": spec.image or _image(resource, settings)}
    if spec.image_pull_policy:
        image["imagePullPolicy"] = spec.image_pull_policy
    pull_secrets = dict.fromkeys([*(secret.name for secret in spec.image_pull_secrets), *settings.image_pull_secrets])
    passed = {
        "runtimeClassName": spec.accelerator.runtime_class_name,
        "imagePullSecrets": [{"name": name} for name in pull_secrets],
        "tolerations": spec.tolerations,
        "affinity": affinity(resource),
        "priorityClassName": spec.priority_class_name,
        "schedulerName": spec.scheduler_name,
        "dnsPolicy": spec.dns_policy,
        "dnsConfig": spec.dns_config,
        "hostAliases": spec.host_aliases,
        "resourceClaims": spec.resource_claims,
        "initContainers": init_containers(resource, image),
    }
    return {
        "serviceAccountName": spec.service_account_name or resource.child,
        "automountServiceAccountToken": False,
        # The service-link variables of other Services in the namespace could look like options of the service.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": LEAVE_SECONDS + spec.limits.request_seconds + EXIT_SECONDS,
        "nodeSelector": spec.node_selector,
        # The container image has a numeric non-root user; some clusters (OpenShift) assign their own.
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **(
                {"fsGroup": settings.store_group, "fsGroupChangePolicy": "OnRootMismatch"}
                if spec.collections.embedded and settings.store_group is not None
                else {}
            ),
        },
        "topologySpreadConstraints": spread(resource),
        "containers": [service_container(resource, image)],
        "volumes": volumes(resource),
        **{name: value for name, value in passed.items() if value},
    }


def _image(resource: FaceComparison, settings: Settings) -> str:
    on_gpu = resource.spec.accelerator.type != "cpu"
    return (on_gpu and settings.service_gpu_image) or settings.service_image
