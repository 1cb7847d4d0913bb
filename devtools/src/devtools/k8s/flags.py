"""Command-line flags of the control plane's programs that do not depend on where it runs."""

from __future__ import annotations

from pathlib import Path


def etcd(data: Path, client_port: int, peer_port: int) -> list[str]:
    """Returns the flags of a single etcd on the loopback address."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        "--name=only",
        f"--data-dir={data}",
        "--unsafe-no-fsync",  # its data need not survive the process
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=only={peer}",
        "--log-level=warn",
    ]


def api_server(pki: Path, port: int, etcd_port: int, services: str, audit_policy: Path, audit_log: Path) -> list[str]:
    """Returns kube-apiserver's flags; `pki` has certificates `apiserver`, `ca` and the keys `service-accounts`."""
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--service-cluster-ip-range={services}",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--audit-policy-file={audit_policy}",
        f"--audit-log-path={audit_log}",
        "--audit-log-mode=blocking-strict",  # a request is logged by the time its response is sent
        "--audit-log-maxsize=2000",
        "--profiling=false",
    ]


def controller_manager(pki: Path, kubeconfig: Path) -> list[str]:
    """Returns kube-controller-manager's flags, with each controller under its own account as in a real cluster."""
    return [
        *_identity(kubeconfig),
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--root-ca-file={pki}/ca.crt",
        "--use-service-account-credentials=true",
        "--kube-api-qps=500",  # the default of 20 would add five seconds to the startup
        "--kube-api-burst=1000",
        f"--cert-dir={pki}/controllers",
        "--horizontal-pod-autoscaler-sync-period=3s",  # 15 s by default
    ]


def scheduler(pki: Path, kubeconfig: Path) -> list[str]:
    """Returns kube-scheduler's flags."""
    return [*_identity(kubeconfig), f"--cert-dir={pki}/scheduler"]


def _identity(kubeconfig: Path) -> list[str]:
    return [
        *(f"--{purpose}kubeconfig={kubeconfig}" for purpose in ("", "authentication-", "authorization-")),
        "--leader-elect=false",  # there is only one instance
        "--bind-address=127.0.0.1",
    ]
