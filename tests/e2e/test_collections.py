"""Collections on a real cluster: an embedded store on a volume, and a PostgreSQL that two replicas share."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pytest

from devtools.local_cluster import images, install
from support.cluster_stores import DATABASE, STATEFUL_SET, claim, database, forget_volume, volume
from support.product import IMAGE, READY_SECONDS, Product
from support.steady import ONE_AT_A_TIME, load

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

BASE = "/prod/face_comparison"
C = f"{BASE}/collections"
PHOTO = {"img": base64.b64encode(IMAGE.read_bytes()).decode()}
MIGRATIONS = "face_comparison.collections.stores.migrations"
NAME = "faces"


@dataclass
class Desk:
    """A client that enrolls and searches through the ingress."""

    product: Product
    namespace: str
    host: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        options = {} if body is None else {"json": body}
        reply = self.product.request(method, path, self.host, **options)
        assert reply.status == 200, reply.data
        return reply.json()

    def enroll(self, user: str) -> None:
        found = self.call("POST", f"{C}/staff/faces", {**PHOTO, "UserId": user})
        assert [each["Face"]["UserId"] for each in found["FaceRecords"]] == [user]

    def found(self) -> set[str]:
        """Returns the people in the image."""
        faces = self.call("POST", f"{C}/staff/search", PHOTO)["Faces"]
        return {face["Matches"][0]["UserId"] for face in faces if face["Decision"] == "match"}

    def compare(self) -> bool:
        verdict = self.call("POST", f"{BASE}/compare", {"source": PHOTO, "target": PHOTO})
        return bool(verdict["Targets"][0]["SamePerson"])

    def wait_store(self, status: str) -> Any:
        """Waits until the condition CollectionsReady has this status, and returns it."""
        found: Any = {}

        def has() -> bool:
            found.update(self.product.condition(self.namespace, NAME, "CollectionsReady"))
            return found.get("status") == status

        self.product.node.wait(f"CollectionsReady={status}", has, seconds=READY_SECONDS)
        return found

    def lose_pods(self, count: int) -> None:
        """Kills pods, as the loss of a node does, and waits until others are ready."""
        lost = [pod["metadata"]["name"] for pod in self.product.pods(self.namespace, NAME)][:count]
        self.product.node.kubectl(
            "delete", "pod", *lost, f"--namespace={self.namespace}", "--grace-period=0", "--force"
        )

        def replaced() -> bool:
            pods = self.product.pods(self.namespace, NAME)
            ready = [pod for pod in pods if is_ready(pod) and pod["metadata"]["name"] not in lost]
            return len(ready) >= count and len(ready) == len(pods)

        self.product.node.wait("other pods", replaced, seconds=READY_SECONDS)
        self.product.node.wait("an answer", lambda: self.product.request("GET", BASE, self.host).status == 200)


def is_ready(pod: Any) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", [])
    )


def test_embedded_store_survives_its_pod(product: Product, namespace: str) -> None:
    desk = Desk(product, namespace, "embedded.example.com")
    created, folder = volume(product, namespace, NAME)
    product.apply_object(created, claim(namespace, NAME))
    try:
        product.apply(
            namespace,
            NAME,
            route={"host": desk.host},
            collections={"embedded": {"volumeClaim": {"claimName": NAME}}},
        )
        product.wait_ready(namespace, NAME)
        desk.wait_store("True")
        desk.call("POST", C, {"CollectionId": "staff"})
        desk.enroll("anna")
        assert desk.found() == {"anna"}

        desk.lose_pods(1)
        assert desk.found() == {"anna"}

        receipt = desk.call("DELETE", f"{C}/staff/users/anna")
        assert (receipt["FaceCount"], receipt["State"]) == (1, "scrubbed")
        desk.lose_pods(1)
        assert desk.found() == set()
        assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o007] == []
    finally:
        product.node.kubectl("delete", "facecomparison", NAME, f"--namespace={namespace}")
        product.wait_gone(namespace, NAME)
        forget_volume(product, namespace, NAME)


@pytest.fixture(scope="module")
def shared(product: Product, built: list[images.Image]) -> Iterator[Desk]:
    """Two replicas on a PostgreSQL, shared by the tests below; each empties the collection `staff`."""
    namespace = "e2e-collections"
    product.make_namespace(namespace)
    postgres = images.postgres()
    install.load(product.node, [*built, postgres], print)
    created, _ = volume(product, namespace, DATABASE)
    product.apply_object(created, *database(namespace, postgres))
    desk = Desk(product, namespace, "shared.example.com")
    apply(desk)
    product.wait_ready(namespace, NAME)
    assert "pgvector" in desk.wait_store("True")["message"]
    desk.call("POST", C, {"CollectionId": "staff"})
    yield desk
    product.node.kubectl("delete", "namespace", namespace, "--wait=false")
    product.node.wait("the end of the database", lambda: product.get(namespace, STATEFUL_SET, DATABASE) is None)
    forget_volume(product, namespace, DATABASE)


def apply(desk: Desk, **spec: object) -> None:
    product, collections = desk.product, {"postgres": {"secretName": DATABASE}}
    product.apply(
        desk.namespace,
        NAME,
        **{"replicas": 2, "route": {"host": desk.host}, "env": ONE_AT_A_TIME, "collections": collections, **spec},
    )


def test_shared_database_survives_pods(shared: Desk) -> None:
    shared.enroll("anna")
    for _ in range(6):  # whichever pod responds
        assert shared.found() == {"anna"}
    shared.lose_pods(1)
    assert shared.found() == {"anna"}
    shared.lose_pods(2)
    assert shared.found() == {"anna"}
    receipt = shared.call("DELETE", f"{C}/staff/users/anna")
    assert receipt["FaceCount"] == 1
    for _ in range(6):
        assert shared.found() == set()


def test_missing_database_affects_only_collections(shared: Desk) -> None:
    product, namespace = shared.product, shared.namespace
    shared.enroll("bert")
    scale = ["scale", "statefulset", DATABASE, f"--namespace={namespace}"]
    product.node.kubectl(*scale, "--replicas=0")
    try:
        reported = shared.wait_store("False")
        assert reported["reason"] == "StoreUnavailable"
        assert product.condition(namespace, NAME)["status"] == "True"
        assert shared.compare()
        reply = product.post(f"{C}/staff/search", PHOTO, shared.host)
        assert (reply.status, reply.json()["error"]["code"]) == (503, "store_unavailable")
        assert int(reply.headers["Retry-After"]) > 0
    finally:
        product.node.kubectl(*scale, "--replicas=1")
    shared.wait_store("True")
    product.node.wait("the answer of both pods", lambda: all(shared.found() == {"bert"} for _ in range(4)))
    shared.call("DELETE", f"{C}/staff/users/bert")


def test_schema_is_upgraded_under_load(shared: Desk) -> None:
    """Pods of a version with an additional migration replace the others one by one while people are searched.

    The remaining old pods search on the newer schema.
    """
    product, namespace = shared.product, shared.namespace
    shared.enroll("carl")
    folder = resources.files(MIGRATIONS) / "postgres"
    scripts = {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.name.endswith(".sql")}
    newer = {**scripts, "9999_more.sql": "ALTER TABLE face ADD COLUMN note text;\n"}
    where = {"name": "migrations", "namespace": namespace}
    product.apply_object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": newer})
    before = int(shared.wait_store("True")["message"].split("schema: ")[1].split(",")[0])
    assert before == len(scripts)
    mounted = "/opt/face-comparison/lib/python3.13/site-packages/face_comparison/collections/stores/migrations/postgres"
    with load(product, shared.host, f"{C}/staff/search") as outcome:
        apply(shared, volumes=[{"name": "migrations", "mountPath": mounted, "configMap": {"name": "migrations"}}])
        product.wait_ready(namespace, NAME)
        product.node.wait(
            "the newer schema",
            lambda: f"schema: {before + 1}" in shared.wait_store("True")["message"],
            seconds=READY_SECONDS,
        )
    assert outcome.failed == []
    assert shared.found() == {"carl"}
    shared.enroll("carl")
    shared.call("DELETE", f"{C}/staff/users/carl")
