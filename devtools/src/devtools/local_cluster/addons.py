"""The add-ons of a cluster: DNS (CoreDNS), metrics (metrics-server), and an ingress controller (Traefik).

Each runs as a program of the node instead of a pod, so it needs no container image: a Service without a selector and an
EndpointSlice connect pods to it. Traefik implements both Ingress and the Gateway API.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from devtools.k8s import programs
from devtools.local_cluster import config
from devtools.local_cluster.node import Node

HTTP_PORT = 80
HTTPS_PORT = 443
INGRESS_CLASS = "traefik"
GATEWAY = ("gateways", "traefik")  # namespace and name of the Gateway that every HTTPRoute may use

Object = dict[str, Any]


def start_dns(node: Node) -> None:
    """Starts CoreDNS, which resolves the names of services for pods; the node has no external network."""
    ports = [{"name": name, "port": 53, "targetPort": 1053, "protocol": name.upper()} for name in ("udp", "tcp")]
    apply(node, *host_service("kube-dns", ports, clusterIP=config.DNS_SERVICE))
    node.spawn("coredns", [programs.binary("coredns"), "-conf", node.layout.config / "Corefile"])


def start_metrics(node: Node) -> None:
    """Serves CPU time and memory of pods, which the HorizontalPodAutoscaler and `kubectl top` read."""
    kubeconfig = node.kubeconfig
    apply(
        node,
        *host_service("metrics-server", [{"name": "https", "port": 443, "targetPort": 4443, "protocol": "TCP"}]),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"name": "metrics-server", "namespace": "kube-system"},
            },
        },
    )
    node.spawn(
        "metrics-server",
        [
            programs.binary("metrics-server"),
            *(f"--{purpose}kubeconfig={kubeconfig}" for purpose in ("", "authentication-", "authorization-")),
            f"--cert-dir={node.layout.pki / 'metrics-server'}",
            "--secure-port=4443",
            f"--kubelet-certificate-authority={node.layout.pki / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--metric-resolution=10s",
            "--kubelet-request-timeout=5s",  # must be shorter than the resolution
        ],
    )


def start_ingress(node: Node) -> None:
    """Starts Traefik on ports 80 and 443 of the node's address, for Ingress and HTTPRoute."""
    definitions = "\n---\n".join(path.read_text() for path in programs.data("gateway-crds"))
    node.kubectl("apply", "--server-side", "-f", "-", stdin=definitions)
    node.kubectl("wait", "--for=condition=Established", "crd/gateways.gateway.networking.k8s.io", "--timeout=30s")
    namespace, name = GATEWAY
    listener = {"name": "web", "port": HTTP_PORT, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    apply(
        node,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {
                "name": INGRESS_CLASS,
                "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"},
            },
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": INGRESS_CLASS},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"gatewayClassName": INGRESS_CLASS, "listeners": [listener]},
        },
    )
    routing = node.layout.config / "traefik.yaml"
    # A killed pod refuses connections until the kubelet has noticed; requests that could not be sent to it are retried
    # on another pod. Requests that were sent are not.
    routing.write_text(json.dumps({"http": {"middlewares": {"another-pod": {"retry": {"attempts": 3}}}}}))
    node.spawn(
        "traefik",
        [
            programs.binary("traefik"),
            f"--entrypoints.web.address={config.ADDRESS}:{HTTP_PORT}",
            "--entrypoints.web.http.middlewares=another-pod@file",
            f"--entrypoints.websecure.address={config.ADDRESS}:{HTTPS_PORT}",
            "--entrypoints.websecure.http.middlewares=another-pod@file",
            "--entrypoints.websecure.http.tls=true",  # including the certificates that Ingresses name
            "--entrypoints.own.address=127.0.0.1:8082",
            "--ping",
            "--ping.entrypoint=own",
            f"--providers.file.filename={routing}",
            "--providers.kubernetesingress",
            f"--providers.kubernetesingress.ingressendpoint.ip={config.ADDRESS}",
            "--providers.kubernetesgateway",
            f"--providers.kubernetesgateway.statusaddress.ip={config.ADDRESS}",
            "--providers.providersthrottleduration=100ms",  # a new route takes effect at once, not within two seconds
            "--log.level=INFO",
            "--accesslog",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        ],
    )


def wait_ready(node: Node) -> None:
    """Waits until all three respond."""
    for name, url in (("CoreDNS", "http://127.0.0.1:8181/ready"), ("Traefik", "http://127.0.0.1:8082/ping")):
        node.wait(name, lambda url=url: bool(node.run(*_get(url))))  # type: ignore[misc]  # bound now, not at the call
    # Metrics of pods follow about ten seconds later; only an autoscaler waits for them.
    node.kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=60s")


PROGRAMS: dict[str, Callable[[Node], None]] = {
    "coredns": start_dns,
    "metrics-server": start_metrics,
    "traefik": start_ingress,
}
"""The program of each add-on, and what starts it, also again."""


def _get(url: str) -> list[str]:
    return [sys.executable, "-c", f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=2).status)"]


def host_service(name: str, ports: list[Object], namespace: str = "kube-system", **spec: Any) -> tuple[Object, Object]:
    """Returns a Service whose only endpoint is a program of the node."""
    where = {"name": name, "namespace": namespace}
    slice_ports = [{"name": port["name"], "port": port["targetPort"], "protocol": port["protocol"]} for port in ports]
    return (
        {"apiVersion": "v1", "kind": "Service", "metadata": where, "spec": {"ports": ports, **spec}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**where, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": slice_ports,
            "endpoints": [{"addresses": [config.ADDRESS], "conditions": {"ready": True}}],
        },
    )


def apply(node: Node, *objects: Object) -> None:
    """Applies objects of any kind."""
    node.kubectl(
        "apply", "--server-side", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    )
