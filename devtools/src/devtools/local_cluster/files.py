"""The files of a node: written before its programs start, and removed once it has stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

from devtools.k8s.certificates import Authority, key_pair
from devtools.k8s.controlplane import write_kubeconfig
from devtools.local_cluster import config
from devtools.local_cluster.config import Layout


def clean(layout: Layout) -> None:
    """Removes the files of an earlier run, which would be misleading, except containerd's container images."""
    state = layout.state
    for path in state.iterdir() if state.exists() else ():
        if path.name != "containerd":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write(layout: Layout, name: str) -> None:
    """Writes the configuration files, certificates, and kubeconfigs of the node `name`."""
    for folder in ("etcd", "kubelet", "containerd", "logs", "pids", "config/cni"):
        (layout.state / folder).mkdir(parents=True, exist_ok=True)
    runc = Path(shutil.which("runc", path="/usr/local/sbin:/usr/sbin:/usr/bin") or "runc")
    for file, content in config.files(layout, name, runc).items():
        (layout.config / file).write_text(content)
    authority = Authority(layout.pki)
    service_names = [f"kubernetes{end}" for end in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    api_names = ["localhost", *service_names, "127.0.0.1", config.ADDRESS, config.API_SERVICE]
    authority.sign("apiserver", "kube-apiserver", hosts=api_names)
    authority.sign("kubelet-client", "kube-apiserver", "system:masters")
    Authority(layout.pki, "front-proxy-ca").sign("front-proxy", "front-proxy")
    key_pair(layout.pki, "service-accounts")
    users = {
        "admin": ("admin", "system:masters", ()),
        "controllers": ("system:kube-controller-manager", "", ()),
        "scheduler": ("system:kube-scheduler", "", ()),
        "kubelet": (f"system:node:{name}", "system:nodes", (name, config.ADDRESS, "127.0.0.1")),
        "proxy": ("system:kube-proxy", "", ()),
    }
    for user, (common_name, group, hosts) in users.items():
        certificate, key = authority.sign(user, common_name, group, hosts)
        server = f"https://127.0.0.1:{config.API_PORT}"
        write_kubeconfig(layout.kubeconfig(user), server, authority.certificate, certificate, key)
