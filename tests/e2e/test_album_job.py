"""An Indexed Job on the real node makes the same album as one machine, even if a pod is killed.

FACE_COMPARISON_ALBUM_JOB=FILE (`make album-job`) uses 2,000 images, also measures one worker, and writes the times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devtools.k8s.controlplane import attempts
from devtools.local_cluster import images
from devtools.photos import collection
from face_comparison_operator.api_resources import POD, ApiResource
from support.cluster_stores import claim, forget_volume, volume
from support.product import S3_VARIABLES, Object, Product

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REPORT = os.environ.get("FACE_COMPARISON_ALBUM_JOB")
pytestmark = [pytest.mark.node, pytest.mark.timeout(3600 if REPORT else 600)]

PROGRAM = str(Path(sys.executable).with_name("face-comparison"))
JOB = ApiResource("batch/v1", "Job", "jobs")
IMAGES = 2000 if REPORT else 200
SHARDS = 4 if REPORT else 2
SECONDS = 1800 if REPORT else 300
PHOTOGRAPHS, SECRET, CLAIM = "s3://photographs/2026", "faces-s3", "albums"
INDEX = "batch.kubernetes.io/job-completion-index"


class Albums:
    """A namespace with photographs in a bucket, and a claim for the albums."""

    def __init__(self, product: Product, s3: S3Client, namespace: str, folder: Path, image: str) -> None:
        self.product, self.s3, self.namespace, self.folder, self.image = product, s3, namespace, folder, image

    def job(self, name: str, results: str, workers: int) -> None:
        """Applies the output of the command."""
        arguments = ["album", "job", PHOTOGRAPHS, "--results", f"s3://results/{results}", "--shards", str(SHARDS)]
        arguments += ["--parallelism", str(workers), "--image", self.image, "--secret", SECRET, "--name", name]
        arguments += ["--namespace", self.namespace, "--claim", CLAIM]
        printed = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout
        self.product.node.kubectl("apply", "-f", "-", stdin=printed)

    def wait_complete(self, name: str) -> Object:
        """Waits for a Job and returns its status; a failure includes the pods' logs."""

        def finished() -> bool:
            conditions = self.status(name).get("conditions", [])
            assert not [each for each in conditions if (each["type"], each["status"]) == ("Failed", "True")]
            return any((each["type"], each["status"]) == ("Complete", "True") for each in conditions)

        try:
            self.product.node.wait(f"the Job {name}", finished, seconds=SECONDS)
        except (AssertionError, TimeoutError) as error:
            message = self.product.said(
                "logs", f"--namespace={self.namespace}", f"job/{name}", "--all-pods", "--tail=20"
            )
            raise AssertionError(f"{name}: {self.status(name)}\n{message}") from error
        return self.status(name)

    def status(self, name: str) -> Any:
        return self.product.get(self.namespace, JOB, name).get("status", {})

    def parts(self, results: str) -> set[str]:
        found = self.s3.list_objects_v2(Bucket="results", Prefix=f"{results}/")
        return {each["Key"] for each in found.get("Contents", [])}

    def kill_a_pod(self, job: str, results: str) -> str:
        """Kills a pod whose shard has partial results, and returns the index of the shard."""
        for _ in attempts(SECONDS, pause=0.05):
            started = {int(key.split("/")[1].split("-")[1]) for key in self.parts(results)}
            if started:
                break
        index = str(min(started))
        pods = self.product.get(self.namespace, POD, **{"batch.kubernetes.io/job-name": job, INDEX: index})
        names = [pod["metadata"]["name"] for pod in pods]
        self.product.node.kubectl(
            "delete", "pod", *names, f"--namespace={self.namespace}", "--grace-period=0", "--force"
        )
        return index

    def one_machine(self, name: str) -> float:
        """Makes the album in one pod with two threads; returns the seconds that its container ran."""
        container = {
            "name": "album",
            "image": self.image,
            "args": ["album", "build", PHOTOGRAPHS, "--out", f"/albums/{name}", "--threads", "2"],
            "envFrom": [{"secretRef": {"name": SECRET}}],
            "volumeMounts": [{"name": "albums", "mountPath": "/albums"}],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "albums", "persistentVolumeClaim": {"claimName": CLAIM}}],
        }
        metadata = {"name": name, "namespace": self.namespace}
        self.product.apply_object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

        def ended() -> Any:
            statuses = self.product.get(self.namespace, POD, name)["status"].get("containerStatuses", [])
            return statuses[0]["state"].get("terminated") if statuses else None

        self.product.node.wait("the album of one machine", lambda: bool(ended()), seconds=SECONDS)
        end = ended()
        assert end["exitCode"] == 0, self.product.said("logs", f"--namespace={self.namespace}", name)
        return seconds_between(end["startedAt"], end["finishedAt"])

    def content(self, name: str) -> dict[str, bytes]:
        """Returns an album's content by file; the page contains its folder's name, and the database has no order."""
        album = self.folder / name
        files = [album / each for each in ("faces.csv", "faces.parquet", "skipped.csv")]
        return {str(path.relative_to(album)): path.read_bytes() for path in (*files, *(album / "faces").iterdir())}


def seconds_between(start: str, end: str) -> float:
    one, other = (datetime.fromisoformat(each) for each in (start, end))
    return (other - one).total_seconds()


@pytest.fixture
def albums(product: Product, servers: S3Client, namespace: str, built: list[images.Image]) -> Iterator[Albums]:
    """Photographs of ten people in the bucket, and a damaged file and a text file."""
    folder, _ = collection.make_collection(IMAGES)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for bucket in ("photographs", "results"):
        servers.create_bucket(Bucket=bucket)

    def put(path: Path) -> None:
        servers.put_object(Bucket="photographs", Key=f"2026/{path.relative_to(folder)}", Body=path.read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, files))
    servers.put_object(Bucket="photographs", Key="2026/cut.jpg", Body=files[0].read_bytes()[:500])
    servers.put_object(Bucket="photographs", Key="2026/notes.txt", Body=b"no image")
    created, place = volume(product, namespace, CLAIM)
    variables = {each["name"]: each["value"] for each in S3_VARIABLES}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": namespace}}
    product.apply_object(created, claim(namespace, CLAIM), {**secret, "stringData": variables})
    image = next(each for each in built if each.repository == "service")
    yield Albums(product, servers, namespace, place, image.name)
    forget_volume(product, namespace, CLAIM)


def test_job_album_equals_local_album_after_pod_kill(albums: Albums, record: Callable[[str, object], None]) -> None:
    measured: dict[str, Any] = {"images": IMAGES, "shards": SHARDS, "date": time.strftime("%Y-%m-%d")}
    measured["one_machine_two_threads_seconds"] = albums.one_machine("one")
    alone = albums.content("one")
    assert len(alone) > IMAGES

    if REPORT:
        albums.job("slow", "slow", workers=1)
        measured["one_worker_seconds"] = finished_after(albums.wait_complete("slow"))
        albums.wait_complete("slow-assemble")
        assert albums.content("slow") == alone

    albums.job("album", "fast", workers=2)
    killed = albums.kill_a_pod("album", "fast")
    status = albums.wait_complete("album")
    assert (status["succeeded"], status["failed"]) == (SHARDS, 1), f"the pod of shard {killed} ended first"
    measured["two_workers_one_killed_seconds"] = finished_after(status)
    albums.wait_complete("album-assemble")
    assert albums.content("album") == alone

    if REPORT:
        albums.job("again", "again", workers=2)
        measured["two_workers_seconds"] = finished_after(albums.wait_complete("again"))
        albums.wait_complete("again-assemble")
        assert albums.content("again") == alone
        measured["faces"] = len(alone["faces.csv"].splitlines()) - 1
        Path(REPORT).write_text(json.dumps(measured, indent=2, sort_keys=True) + "\n")
    record("album of an Indexed Job", measured)


def finished_after(status: Object) -> float:
    return seconds_between(status["startTime"], status["completionTime"])
