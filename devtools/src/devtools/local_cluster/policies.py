"""Enforces NetworkPolicies with kube-router's firewall, and none of its other parts, as a program of the node.

Pods of one node share a bridge; the kernel shows such traffic to packet rules only if configured to.
"""

from __future__ import annotations

from devtools.k8s import programs
from devtools.local_cluster import config
from devtools.local_cluster.node import Node

HEALTH_PORT = 20244


def start(node: Node) -> None:
    """Starts enforcement, and returns once the rules of every existing policy are in place."""
    if node.runs("kube-router"):
        return
    node.run("sysctl", "--quiet", "--write", "net.bridge.bridge-nf-call-iptables=1")
    node.spawn(
        "kube-router",
        [
            programs.binary("kube-router"),
            f"--kubeconfig={node.kubeconfig}",
            f"--hostname-override={node.name}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            f"--service-cluster-ip-range={config.SERVICES}",
            f"--health-port={HEALTH_PORT}",
        ],
    )
    node.wait(
        "the chains of kube-router", lambda: bool(node.run("iptables", "--numeric", "--list", "KUBE-ROUTER-FORWARD"))
    )
