"""The configuration files of the node's programs, with the reason for each setting.

Nothing here touches the machine; `files.py` writes the files, and `node.py` starts the programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# The address block for benchmarks (RFC 2544) is on no real network, so it hides nothing that the host can reach.
ADDRESS = "198.18.0.10"
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"
API_PORT = 6443
SANDBOX_IMAGE = "localhost/face-comparison/pause:1"
RUNTIME_SOCKET = "/run/containerd/containerd.sock"


@dataclass(frozen=True, slots=True)
class Layout:
    """The locations of one node's files."""

    state: Path

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """The configuration files of this module."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """The logs, one file per program."""
        return self.state / "logs"

    def kubeconfig(self, user: str) -> Path:
        """Returns the kubeconfig file of `user`: admin, controllers, scheduler, kubelet, or proxy."""
        return self.state / f"{user}.kubeconfig"


def files(layout: Layout, name: str, runc: Path) -> dict[str, str]:
    """Returns the content of each file in `layout.config`, by name."""
    return {
        "audit.json": json.dumps(audit_policy()),
        "kubelet.yaml": yaml.safe_dump(kubelet(layout, name)),
        "proxy.yaml": yaml.safe_dump(proxy(layout, name)),
        "containerd.toml": containerd(layout, runc),
        "cni/10-pods.conflist": json.dumps(pod_network()),
        "resolv.conf": "",  # kubelet passes it on to pods; the only server is the cluster's own
        "Corefile": corefile(layout),
    }


def audit_policy() -> dict[str, Any]:
    """Logs every request without its body."""
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
    return policy | {"rules": [{"level": "Metadata"}]}


def kubelet(layout: Layout, name: str) -> dict[str, Any]:
    """Configures kubelet without systemd, on either version of cgroups; it never removes imported images."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(layout.pki / "kubelet.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{name}",
        "failCgroupV1": False,
        "containerRuntimeEndpoint": f"unix://{RUNTIME_SOCKET}",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": DOMAIN,
        "resolvConf": str(layout.config / "resolv.conf"),
        "failSwapOn": False,
        "protectKernelDefaults": True,  # check kernel settings without changing them
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "maxPods": 100,
    }


def proxy(layout: Layout, name: str) -> dict[str, Any]:
    """Configures kube-proxy with nftables; connection tracking limits apply to the whole machine and stay unchanged."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("proxy"))},
        "clusterCIDR": PODS,
        "hostnameOverride": name,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": [f"{ADDRESS}/32"],
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "10s"},
    }


def containerd(layout: Layout, runc: Path) -> str:
    """Configures containerd for kubelet alone.

    It may not be permitted to lower out-of-memory scores, so it does not try.
    """
    return f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{RUNTIME_SOCKET}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{SANDBOX_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
    conf_dir = "{layout.config / "cni"}"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "{runc}"
"""


def pod_network() -> dict[str, Any]:
    """Puts pods on one bridge of the node, without access to other networks."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/pod-addresses",
    }
    bridge = {"type": "bridge", "bridge": "pods0", "isGateway": True, "ipMasq": False, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge | {"ipam": addresses}, ports]}


def corefile(layout: Layout) -> str:
    """Configures CoreDNS to resolve the cluster's names; it logs queries for any other name and returns NXDOMAIN."""
    return f"""\
{DOMAIN}:1053 in-addr.arpa:1053 {{
  errors
  kubernetes {DOMAIN} in-addr.arpa {{
    kubeconfig {layout.kubeconfig("admin")} test
    pods insecure
  }}
  cache 2
  ready 127.0.0.1:8181
}}
.:1053 {{
  log
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""
