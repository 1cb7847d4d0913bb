"""Defines the APIs that the operator uses: group, version, plural name, and whether every cluster has them."""

from __future__ import annotations

from dataclasses import dataclass

from face_comparison_operator import resource


@dataclass(frozen=True, slots=True)
class ApiResource:
    """An API. Those that are `optional` belong to add-ons that not every cluster has."""

    api_version: str
    name: str
    plural: str
    optional: bool = False

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Returns the path of a collection or of an object in it; namespace None: all namespaces."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        parts = [root, *(["namespaces", namespace] if namespace else []), self.plural, *([name] if name else [])]
        return "/".join(parts)


RESOURCE = ApiResource(resource.API_VERSION, resource.KIND, resource.PLURAL)
POD = ApiResource("v1", "Pod", "pods")
EVENT = ApiResource("v1", "Event", "events")
LEASE = ApiResource("coordination.k8s.io/v1", "Lease", "leases")
GATEWAY = ApiResource("gateway.networking.k8s.io/v1", "Gateway", "gateways", optional=True)

SERVICE_ACCOUNT = ApiResource("v1", "ServiceAccount", "serviceaccounts")
SERVICE = ApiResource("v1", "Service", "services")
DEPLOYMENT = ApiResource("apps/v1", "Deployment", "deployments")
INGRESS = ApiResource("networking.k8s.io/v1", "Ingress", "ingresses")
NETWORK_POLICY = ApiResource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
HTTP_ROUTE = ApiResource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", optional=True)
AUTOSCALER = ApiResource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECT = ApiResource("keda.sh/v1alpha1", "ScaledObject", "scaledobjects", optional=True)
DISRUPTION_BUDGET = ApiResource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
SERVICE_MONITOR = ApiResource("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", optional=True)

CHILDREN = (
    SERVICE_ACCOUNT,
    SERVICE,
    DEPLOYMENT,
    INGRESS,
    NETWORK_POLICY,
    HTTP_ROUTE,
    AUTOSCALER,
    SCALED_OBJECT,
    DISRUPTION_BUDGET,
    SERVICE_MONITOR,
)
"""The kinds of objects that the operator creates for a resource."""

WATCHED = (RESOURCE, *CHILDREN, POD)


def kind_of(body: resource.Object) -> ApiResource:
    """Returns the kind of a child object by its apiVersion and kind."""
    return _BY_NAME[body["apiVersion"], body["kind"]]


_BY_NAME = {(kind.api_version, kind.name): kind for kind in WATCHED}
