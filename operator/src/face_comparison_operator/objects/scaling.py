"""Builds the CPU autoscaler, KEDA's autoscaler by requests in flight, and the disruption budget."""

from __future__ import annotations

from collections.abc import Sequence

from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.settings import Settings

CPU_PERCENT = 70
IN_FLIGHT = 4


def autoscaler(resource: FaceComparison) -> list[Object]:
    """Builds the HorizontalPodAutoscaler, for the metric CPU."""
    scaling = resource.spec.autoscaling
    if not scaling or scaling.metric != "CPU":
        return []
    target = {"type": "Utilization", "averageUtilization": scaling.target or CPU_PERCENT}
    return [
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "spec": {
                "scaleTargetRef": _target(resource),
                "minReplicas": scaling.min_replicas,
                "maxReplicas": scaling.max_replicas,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            },
        }
    ]


def scaled_object(resource: FaceComparison, settings: Settings) -> list[Object]:
    """Builds KEDA's ScaledObject, for the metric InFlight."""
    scaling = resource.spec.autoscaling
    if not scaling or scaling.metric != "InFlight":
        return []
    series = f'face_comparison_requests_in_flight{{namespace="{resource.namespace}",service="{resource.child}"}}'
    trigger: Object = {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": settings.prometheus_address,
            "query": f"sum({series})",
            "threshold": str(scaling.target or IN_FLIGHT),
        },
    }
    own = scaling.authentication_ref
    if own:
        trigger["authenticationRef"] = {"name": own.name, "kind": own.kind}
        modes: Sequence[str] = own.modes
    else:
        modes = settings.prometheus_auth_modes if settings.prometheus_authentication else ()
        if settings.prometheus_authentication:
            reference = {"name": settings.prometheus_authentication, "kind": "ClusterTriggerAuthentication"}
            trigger["authenticationRef"] = reference
    if modes:
        trigger["metadata"]["authModes"] = ",".join(modes)
    return [
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "spec": {
                "scaleTargetRef": _target(resource),
                "minReplicaCount": scaling.min_replicas,
                "maxReplicaCount": scaling.max_replicas,
                "triggers": [trigger],
            },
        }
    ]


def _target(resource: FaceComparison) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": resource.child}


def disruption_budget(resource: FaceComparison) -> list[Object]:
    """Builds the PodDisruptionBudget: nodes are drained one pod at a time."""
    if not resource.spec.disruption_budget:
        return []
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": resource.selector},
                # Pods that do not serve may always be evicted; otherwise a broken service would block a node drain
                # forever.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        }
    ]
