"""The product on a real node: container images, a real kubelet, an ingress controller, and the installed chart.

One node serves the whole run. It ends with the run, even if that is killed; container images stay imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from devtools.k8s import programs
from devtools.k8s.processes import Processes
from devtools.k8s.programs import PartUnavailable
from devtools.local_cluster import config, images, install
from devtools.local_cluster.commands import NodeFailed
from devtools.local_cluster.node import Node
from support.product import IMAGE, KEYS, S3_PORT, WEB_PORT, Product

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NAME = "face-comparison-test"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the operator's log and the cluster's objects to a failure, because the node is gone afterwards."""
    report = yield
    product: Product | None = getattr(item, "funcargs", {}).get("product")
    if report.failed and product:
        kinds = "facecomparisons,deployments,pods,ingresses,httproutes,hpa,events"
        report.sections += [
            (
                "the operator",
                product.said("logs", f"--namespace={install.SYSTEM}", f"deployment/{install.RELEASE}", "--tail=60"),
            ),
            ("the cluster", product.said("get", kinds, "--all-namespaces")),
        ]
    return report


@pytest.fixture(scope="session")
def built() -> list[images.Image]:
    """The container images of this checkout; tests are skipped where a node cannot run, except in CI."""
    try:
        return install.prepare(print)
    except (NodeFailed, PartUnavailable) as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def product(built: list[images.Image], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The chart, installed on this run's node."""
    with Processes(tmp_path_factory.mktemp("node")) as processes:
        node = Node(NAME, processes=processes)
        with node.alone():
            node.stop()  # left behind if the machine was stopped during an earlier run
            try:
                install.start(node, built, print)
                install.helm(node, install.CHART, *install.chart_values(built))
                yield Product(node, processes)
            finally:
                node.stop()


@pytest.fixture
def namespace(product: Product) -> Iterator[str]:
    """A namespace that admits only restricted pods; its deletion afterwards continues in the background."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    product.make_namespace(name)
    yield name
    product.node.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def record() -> Callable[[str, object], None]:
    """Records a measurement under a name in `build/e2e.json`, with time and commit, for the report and for people."""
    root = Path(__file__).resolve().parents[2]
    path = root / "build" / "e2e.json"
    path.parent.mkdir(exist_ok=True)
    described = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = (
        subprocess.run(described, cwd=root, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    )

    def keep(name: str, value: object) -> None:
        measurements = json.loads(path.read_text()) if path.exists() else {}
        measured = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit, "value": value}
        path.write_text(json.dumps(measurements | {name: measured}, indent=2, sort_keys=True))

    return keep


@pytest.fixture(scope="session")
def servers(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Client]:
    """A web server with /sample.jpg and an S3 server with s3://images/sample.jpg on the node, and its client."""
    folder = tmp_path_factory.mktemp("servers")
    (folder / "images").mkdir()
    (folder / "web").mkdir()
    (folder / "web" / "sample.jpg").write_bytes(IMAGE.read_bytes())
    address = f"{config.ADDRESS}:{S3_PORT}"
    identity = [f"ROOT_ACCESS_KEY={KEYS['AWS_ACCESS_KEY_ID']}", f"ROOT_SECRET_KEY={KEYS['AWS_SECRET_ACCESS_KEY']}"]
    program = programs.binary("versitygw")
    product.node.spawn("s3", ["env", *identity, program, "--port", address, "posix", folder / "images"])
    web: list[str | Path] = [
        sys.executable,
        "-m",
        "http.server",
        str(WEB_PORT),
        "--bind",
        config.ADDRESS,
        "--directory",
        folder / "web",
    ]
    product.node.spawn("web", web)
    endpoint = f"http://127.0.0.1:{product.port(S3_PORT)}"
    style = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 10})
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        config=style,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    for port in (S3_PORT, WEB_PORT):
        product.wait_listening(port)
    s3.create_bucket(Bucket="images")
    s3.put_object(Bucket="images", Key="sample.jpg", Body=IMAGE.read_bytes())
    yield s3
    for name in ("s3", "web"):
        product.node.stop_program(name)
