"""Disturbances of pods, nodes, and the control plane lose no request under constant load.

The client never retries, so every failure counts. A killed pod may lose the requests that it is processing.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from devtools.k8s import programs
from devtools.k8s.controlplane import attempts
from devtools.local_cluster import config, install
from face_comparison_operator.api_resources import INGRESS, POD, RESOURCE, SERVICE
from support.product import Object, Product
from support.steady import ONE_AT_A_TIME, PATH, Outcome
from support.steady import load as constant_load

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

HOST = "steady.example.com"
NAMESPACE, NAME = "e2e-steady", "faces"
LEADERS = ("kube-controller-manager", "kube-scheduler")


@pytest.fixture(scope="module")
def steady(product: Product) -> Iterator[Product]:
    """The product with a Ready resource of two pods, shared by the tests of this file."""
    product.make_namespace(NAMESPACE)
    apply(product)
    product.wait_ready(NAMESPACE, NAME)
    yield product
    product.node.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def apply(product: Product, **spec: object) -> None:
    """Applies the resource of this file; `spec` overrides fields."""
    product.apply(NAMESPACE, NAME, **{"replicas": 2, "route": {"host": HOST}, "env": ONE_AT_A_TIME, **spec})


@pytest.fixture
def load(
    steady: Product, record: Callable[[str, object], None], request: pytest.FixtureRequest
) -> Callable[[], contextlib.AbstractContextManager[Outcome]]:
    """Runs a constant load during a block; its result is complete after the block, and recorded."""

    @contextlib.contextmanager
    def running() -> Iterator[Outcome]:
        with constant_load(steady, HOST) as outcome:
            yield outcome
        record(f"disturbance: {request.node.name}", outcome.summary())

    return running


Load = Callable[[], contextlib.AbstractContextManager[Outcome]]


def settled(product: Product, *gone: str) -> None:
    """Waits until the resource is Ready and all pods are ready, of one version, and not in `gone`."""
    pods = []
    for _ in attempts(240, pause=0.3):
        replicas = product.wait_ready(NAMESPACE, NAME)["replicas"]
        pods = product.get(NAMESPACE, POD, **{"app.kubernetes.io/instance": NAME})
        versions = {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods}
        ready = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]
        names = {pod["metadata"]["name"] for pod in pods}
        if len(pods) == len(ready) == replicas and len(versions) == 1 and names.isdisjoint(gone):
            return
    pytest.fail(f"not settled: {[(pod['metadata']['name'], is_ready(pod)) for pod in pods]}")


def is_ready(pod: Object) -> bool:
    """Returns whether the pod accepts requests."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def restarts(product: Product) -> dict[str, int]:
    """Returns the number of restarts of each pod's container."""
    pods = product.pods(NAMESPACE, NAME)
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


def test_scaling_up_and_down(steady: Product, load: Load) -> None:
    with load() as outcome:
        for replicas in (3, 1, 2):
            scale = ["scale", f"facecomparison/{NAME}", f"--replicas={replicas}", f"--namespace={NAMESPACE}"]
            steady.node.kubectl(*scale)
            for _ in attempts(180, pause=0.3):
                status = steady.get(NAMESPACE, RESOURCE, NAME)["status"]
                if status["readyReplicas"] == replicas == len(steady.pods(NAMESPACE, NAME)):
                    break
            else:
                pytest.fail(f"it has not come to {replicas} pods: {status}")
            settled(steady)
    assert outcome.failed == []


@pytest.mark.parametrize("what", ["resources", "model", "image"])
def test_rolling_update(steady: Product, load: Load, what: str) -> None:
    """Each change reverts an earlier test's change."""
    before = {pod["metadata"]["uid"] for pod in steady.pods(NAMESPACE, NAME)}
    change: dict[str, object]
    if what == "resources":
        change = {"resources": {"requests": {"cpu": "60m", "memory": "300Mi"}, "limits": {"memory": "1600Mi"}}}
    elif what == "model":
        change = {"model": {"bundle": "default", "sha256": digest_of_the_bundle(steady)}}
    else:
        pod = steady.pods(NAMESPACE, NAME)[0]
        image = pod["spec"]["containers"][0]["image"]
        steady.node.ctr("images", "tag", "--force", image, f"{image}-again")
        change = {"image": f"{image}-again"}
    with load() as outcome:
        apply(steady, **change)
        settled(steady)
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in steady.pods(NAMESPACE, NAME))
    assert outcome.failed == []


def digest_of_the_bundle(product: Product) -> str:
    """Returns the SHA-256 of the container image's default bundle, as `models verify` prints it."""
    pod = product.pods(NAMESPACE, NAME)[0]["metadata"]["name"]
    words = ["exec", pod, f"--namespace={NAMESPACE}", "--", "face-comparison", "models", "verify"]
    message = product.node.kubectl(*words).split()
    return message[message.index("sha256") + 1]


def test_pod_is_deleted(steady: Product, load: Load) -> None:
    victim = steady.pods(NAMESPACE, NAME)[0]["metadata"]["name"]
    with load() as outcome:
        steady.node.kubectl("delete", "pod", victim, f"--namespace={NAMESPACE}", "--wait=false")
        settled(steady, victim)
    assert outcome.failed == []


def test_pod_is_killed(steady: Product, load: Load) -> None:
    pod = steady.pods(NAMESPACE, NAME)[0]
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    tasks = (line.split() for line in steady.node.ctr("tasks", "ls").splitlines())
    (pid,) = (words[1] for words in tasks if words[0] == container)
    with load() as outcome:
        killed = time.monotonic()
        subprocess.run(steady.node.inside("kill", "-KILL", pid), check=True)
        for _ in attempts(10, pause=0.01):  # its workers exit with it, after a moment
            if subprocess.run(steady.node.inside("test", "-e", f"/proc/{pid}"), check=False).returncode:
                break
        dead = time.monotonic()
        for _ in attempts(120, pause=0.3):
            if restarts(steady)[pod["metadata"]["name"]]:
                break
        settled(steady)
    # Until the kubelet has reported the pod's death, the ingress controller also chooses it, is refused, and uses the
    # other one.
    assert [each for each in outcome.failed if not killed - each[1] <= each[0] <= dead] == []


def test_node_is_drained(steady: Product, load: Load) -> None:
    before = {pod["metadata"]["name"] for pod in steady.pods(NAMESPACE, NAME)}
    kubectl = str(programs.binary("kubectl"))
    words = [kubectl, "drain", steady.node.name, f"--pod-selector=app.kubernetes.io/instance={NAME}", "--timeout=170s"]
    with load() as outcome:
        drain = steady.start("drain", [*words, "--delete-emptydir-data", "--ignore-daemonsets"])
        try:
            for _ in attempts(60):
                if len(before & {pod["metadata"]["name"] for pod in steady.pods(NAMESPACE, NAME)}) == 1:
                    break
            # One pod is terminating and its successor finds no node; the budget protects the other one.
            steady.node.kubectl("uncordon", steady.node.name)
            output, _ = drain.communicate(timeout=200)
            assert drain.returncode == 0, output
        finally:
            drain.kill()
            drain.communicate()
            steady.node.kubectl("uncordon", steady.node.name)
        settled(steady, *before)
    assert outcome.failed == []


def test_operator_is_killed(steady: Product, load: Load) -> None:
    before, first = restarts(steady), leader(steady)
    with load() as outcome:
        delete = ["delete", "pods", "--all", f"--namespace={install.SYSTEM}", "--grace-period=0", "--force"]
        steady.node.kubectl(*delete)
        steady.node.wait("another operator that works", lambda: leader(steady) not in ("", first))
        steady.wait_ready(NAMESPACE, NAME)
    assert outcome.failed == []
    assert restarts(steady) == before


def leader(product: Product) -> str:
    """Returns the operator that holds the Lease."""
    holder = "--output=jsonpath={.items[*].spec.holderIdentity}"
    return product.node.kubectl("get", "leases", f"--namespace={install.SYSTEM}", holder).strip()


def test_api_server_is_away_for_a_minute(steady: Product, load: Load) -> None:
    before = restarts(steady)
    with load() as outcome:
        # Without it, other components lose their leases and exit; their supervisor restarts them.
        # A surviving one would consider the node dead, based on what it saw a minute ago.
        for name in ("kube-apiserver", *LEADERS):
            steady.node.stop_program(name)
        time.sleep(60)  # the disturbance itself, not a wait for a condition
        steady.node.start_program("kube-apiserver")
        steady.node.wait("the API server", lambda: "ok" in steady.node.kubectl("get", "--raw=/readyz"))
        for name in LEADERS:
            steady.node.start_program(name)
        reported = heartbeat(steady)
        steady.node.wait("a heartbeat of the node", lambda: heartbeat(steady) != reported)
        settled(steady)
        wait_followed(steady)
    assert outcome.failed == []
    assert restarts(steady) == before


def heartbeat(product: Product) -> str:
    """Returns the time of the kubelet's last heartbeat."""
    words = ["get", "lease", product.node.name, "--namespace=kube-node-lease", "--output=jsonpath={.spec.renewTime}"]
    return product.node.kubectl(*words)


def wait_followed(product: Product) -> None:
    """Waits until kubelet and ingress controller follow the API again within seconds.

    After an outage, each of their watches restarts at its own pace, up to a minute later. Until then, a router sends
    requests to pods that have long exited.
    """
    name, host = "followed", "followed.example.com"
    service, ingress = product.get(NAMESPACE, SERVICE, NAME), product.get(NAMESPACE, INGRESS, NAME)
    (rule,) = ingress["spec"]["rules"]
    for path in rule["http"]["paths"]:
        path["backend"]["service"]["name"] = name
    unprivileged = {
        "runAsNonRoot": True,
        "runAsUser": 65535,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "pause", "image": config.SANDBOX_IMAGE, "securityContext": unprivileged}
    objects: list[Object] = [
        {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        }
        for kind, spec in (
            (SERVICE, {field: service["spec"][field] for field in ("selector", "ports")}),
            (INGRESS, ingress["spec"] | {"rules": [rule | {"host": host}]}),
            (POD, {"containers": [container], "terminationGracePeriodSeconds": 0}),
        )
    ]
    product.apply_object(*objects)
    product.node.wait("the kubelet", lambda: product.get(NAMESPACE, POD, name)["status"]["phase"] == "Running")
    product.node.wait("the ingress controller", lambda: product.request("GET", PATH, host).status == 200)
    product.node.kubectl("delete", f"ingress/{name}", f"service/{name}", f"pod/{name}", f"--namespace={NAMESPACE}")


def test_new_stage(steady: Product, record: Callable[[str, object], None]) -> None:
    """The previous URL responds until the new one does, and then no longer: there is never a gap.

    The last test, because all others use the URL that is given up here.
    """
    new_path = PATH.replace("prod", "v2")
    with constant_load(steady, HOST, threads=1) as former, constant_load(steady, HOST, new_path, threads=1) as new:
        apply(steady, stage="v2")
        settled(steady)
        assert steady.get(NAMESPACE, RESOURCE, NAME)["status"]["url"] == f"http://{HOST}{new_path}"
        steady.node.wait("the end of the former URL", lambda: steady.request("GET", PATH, HOST).status == 404)
    assert {each[2] for each in (*former.requests, *new.requests)} == {200, 404}
    first, last = min(each[0] for each in new.answered), max(each[0] for each in former.answered)
    assert [each for each in former.failed if each[0] < first] == []
    assert [each for each in new.failed if each[0] > last] == []
    # What a client sees that switches to the new URL as soon as it responds.
    followed = Outcome([*(each for each in former.requests if each[0] < first), *new.answered])
    record("disturbance: test_new_stage", followed.summary())
    assert followed.failed == []
