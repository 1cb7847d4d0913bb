"""The arguments of the programs of a node and its control plane."""

from __future__ import annotations

from pathlib import Path

from devtools.k8s import flags
from devtools.local_cluster import config
from devtools.local_cluster.config import Layout


def control_plane(layout: Layout, audit_log: Path) -> dict[str, list[str]]:
    """Returns the arguments of each program, in the order of startup."""
    pki, configuration = layout.pki, layout.config
    return {
        "etcd": flags.etcd(layout.state / "etcd", client_port=2379, peer_port=2380),
        "kube-apiserver": [
            *flags.api_server(pki, config.API_PORT, 2379, config.SERVICES, configuration / "audit.json", audit_log),
            f"--advertise-address={config.ADDRESS}",
            "--authorization-mode=Node,RBAC",
            # The second, as on OpenShift: blocking an owner's deletion needs a separate permission.
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            # For the metrics API, which another program serves behind this one.
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/front-proxy.crt",
            f"--proxy-client-key-file={pki}/front-proxy.key",
            "--enable-aggregator-routing=true",
        ],
        "kube-controller-manager": [
            *flags.controller_manager(pki, layout.kubeconfig("controllers")),
            # An autoscaler that reacts within seconds instead of minutes.
            "--horizontal-pod-autoscaler-sync-period=5s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
            "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
            "--horizontal-pod-autoscaler-downscale-stabilization=10s",
        ],
        "kube-scheduler": flags.scheduler(pki, layout.kubeconfig("scheduler")),
    }


def node_programs(layout: Layout, name: str) -> dict[str, list[str]]:
    """Returns the arguments of each program of the node `name` itself."""
    return {
        "containerd": [f"--config={layout.config}/containerd.toml"],
        "kubelet": [
            f"--kubeconfig={layout.kubeconfig('kubelet')}",
            f"--config={layout.config}/kubelet.yaml",
            f"--hostname-override={name}",
            f"--node-ip={config.ADDRESS}",
            "--housekeeping-interval=5s",
        ],
        "kube-proxy": [f"--config={layout.config}/proxy.yaml"],
    }
