"""Autoscaling by requests in flight: a Prometheus that scrapes the services, and KEDA, which queries it.

Like the other add-ons, they are programs of the node. Prometheus comes from the Debian package, unpacked but not
installed, so that no Prometheus of the host is started or replaced.
"""

from __future__ import annotations

import base64
import json
import shlex
import shutil
from pathlib import Path

import yaml
from filelock import FileLock

from devtools.k8s import programs
from devtools.local_cluster import addons, config
from devtools.local_cluster.commands import run
from devtools.local_cluster.node import Node

NAMESPACE = "keda"
PROMETHEUS_PORT = 9090
PROMETHEUS = f"http://{config.ADDRESS}:{PROMETHEUS_PORT}"
ADAPTER_PORT = 4444
INTERNAL_PORT = 9666
PROGRAMS = ("keda-operator", "keda-adapter")


def start(node: Node) -> None:
    """Starts Prometheus and KEDA and waits until external metrics are served."""
    _start_prometheus(node)
    definitions = "\n---\n".join(path.read_text() for path in programs.data("keda-crds"))
    node.kubectl("apply", "--server-side", "-f", "-", stdin=definitions)
    certificates = node.layout.state / "keda"
    certificates.mkdir(exist_ok=True)
    addons.apply(
        node,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    )
    port = {"name": "https", "port": 443, "targetPort": ADAPTER_PORT, "protocol": "TCP"}
    addons.apply(
        node,
        *addons.host_service("keda-metrics-apiserver", [port], namespace=NAMESPACE),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": "keda-metrics-apiserver", "namespace": NAMESPACE},
            },
        },
    )
    # In a pod, KEDA reads its namespace from the pod's files.
    account = "/run/secrets/kubernetes.io/serviceaccount"
    claim = f"mkdir -p {account} && printf {NAMESPACE} >{account}/namespace"
    run(node.inside("sh", "-c", claim), "KEDA's account", None, 20)
    environment = ["env", f"POD_NAMESPACE={NAMESPACE}", "POD_NAME=keda", "WATCH_NAMESPACE="]
    # It exits once after generating its certificates, to be restarted with them.
    again = ["sh", "-c", 'while :; do "$@"; sleep 0.5; done', "sh"]
    operator: list[str | Path] = [
        programs.binary("keda-operator"),
        f"--cert-dir={certificates}",
        "--enable-cert-rotation=true",
        "--enable-webhook-patching=false",
        f"--metrics-service-bind-address=127.0.0.1:{INTERNAL_PORT}",
        "--metrics-bind-address=127.0.0.1:9667",
        "--health-probe-bind-address=127.0.0.1:9668",
    ]
    node.spawn("keda-operator", [*environment, *again, *operator])
    _write_certificates(node, certificates)
    kubeconfig = node.kubeconfig
    adapter: list[str | Path] = [
        programs.binary("keda-adapter"),
        f"--secure-port={ADAPTER_PORT}",
        f"--lister-kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--client-ca-file={certificates}/ca.crt",
        f"--tls-cert-file={certificates}/tls.crt",
        f"--tls-private-key-file={certificates}/tls.key",
        f"--cert-dir={certificates}",
        f"--metrics-service-address=127.0.0.1:{INTERNAL_PORT}",
        f"--metrics-service-grpc-authority=keda-operator.{NAMESPACE}.svc.{config.DOMAIN}",
    ]
    node.spawn("keda-adapter", [*environment, *again, *adapter])
    node.kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io", "--timeout=100s")


def _write_certificates(node: Node, folder: Path) -> None:
    """Writes the files of KEDA's Secret, which a kubelet would do for a pod."""
    secret = ["get", "secret", "kedaorg-certs", f"--namespace={NAMESPACE}", "--output=json"]
    node.wait("KEDA's certificates", lambda: "tls.key" in json.loads(node.kubectl(*secret)).get("data", {}))
    for name, value in json.loads(node.kubectl(*secret))["data"].items():
        (folder / name).write_bytes(base64.b64decode(value))


def update_targets(node: Node) -> None:
    """Updates Prometheus's list of the pods behind the operator's Services, with the labels that KEDA queries.

    Debian builds Prometheus without its Kubernetes service discovery, so tests that watch a resource call this
    repeatedly; Prometheus reloads the file when it changes.
    """
    selector = "--selector=app.kubernetes.io/managed-by=face-comparison-operator"
    slices = json.loads(node.kubectl("get", "endpointslices", "--all-namespaces", selector, "--output=json"))["items"]
    groups = []
    for each in slices:
        labels = {
            "namespace": each["metadata"]["namespace"],
            "service": each["metadata"]["labels"]["kubernetes.io/service-name"],
        }
        for endpoint in each.get("endpoints") or []:
            pod = {"pod": endpoint["targetRef"]["name"]}
            groups += [
                {"targets": [f"{address}:{port['port']}"], "labels": labels | pod}
                for address in endpoint["addresses"]
                for port in each["ports"]
            ]
    _targets(node).with_suffix(".new").write_text(json.dumps(groups))
    _targets(node).with_suffix(".new").rename(_targets(node))


def _targets(node: Node) -> Path:
    return node.layout.config / "targets.json"


def _start_prometheus(node: Node) -> None:
    """Starts Prometheus, which scrapes every pod in its list once per second."""
    update_targets(node)
    job = {"job_name": "services", "file_sd_configs": [{"files": [str(_targets(node))]}]}
    text = yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]})
    (node.layout.config / "prometheus.yaml").write_text(text)
    node.spawn(
        "prometheus",
        [
            _prometheus(),
            f"--config.file={node.layout.config}/prometheus.yaml",
            f"--storage.tsdb.path={node.layout.state}/prometheus",
            "--storage.tsdb.retention.time=1h",
            f"--web.listen-address={config.ADDRESS}:{PROMETHEUS_PORT}",
            "--log.level=warn",
        ],
    )


def _prometheus() -> Path:
    folder = programs.cache().parent / "prometheus"
    program = folder / "usr" / "bin" / "prometheus"
    with FileLock(f"{folder}.lock", timeout=600):
        if not program.exists():
            unfinished = folder.with_name("prometheus.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            fetch = f"cd {shlex.quote(str(unfinished))} && apt-get download prometheus && dpkg-deb --extract *.deb ."
            run(["sh", "-c", fetch], "Prometheus from Debian's packages", None, 300)
            unfinished.rename(folder)
    return program
