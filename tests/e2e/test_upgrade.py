"""Chart and operator of an earlier commit, with a ready resource, are upgraded to those of this checkout."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devtools.local_cluster import images, install
from face_comparison_operator.api_resources import DEPLOYMENT, DISRUPTION_BUDGET, POD
from face_comparison_operator.resource import TEMPLATE_ANNOTATION
from support.product import READY_SECONDS, Object, Product
from support.steady import ONE_AT_A_TIME, load

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
HOST, NAME = "upgraded.example.com", "faces"
PRODUCT = ("charts", "operator/src")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def earlier_commit() -> str:
    """Returns the commit before the last change of the chart or the operator, committed or not."""
    if git("status", "--porcelain", "--", *PRODUCT):
        return "HEAD"
    changed = git("rev-list", "--max-count=1", "HEAD", "--", *PRODUCT)
    return f"{changed}^"


@pytest.fixture
def earlier(product: Product, built: list[images.Image], tmp_path: Path) -> Iterator[Path]:
    """An earlier commit's checkout; its chart and operator are installed with this checkout's service for a while."""
    try:
        commit = git("rev-parse", "--verify", "--quiet", earlier_commit())
    except (subprocess.CalledProcessError, FileNotFoundError):
        if os.environ.get("CI"):
            raise
        pytest.skip("this copy of the repository holds no earlier commit of the chart and the operator")
    archive = tmp_path / "earlier.tar"
    git("archive", "--output", str(archive), commit)
    checkout = tmp_path / "earlier"
    with tarfile.open(archive) as packed:
        packed.extractall(checkout, filter="data")
    operator = images.build("operator", root=checkout)
    service = next(image for image in built if image.repository == "service")
    try:
        install.load(product.node, [*built, operator], print)
        install.helm(product.node, checkout / "charts" / "face-comparison", *install.chart_values([service, operator]))
        yield checkout
    finally:
        install.helm(product.node, install.CHART, *install.chart_values(built))
        install.load(product.node, built, print)


def test_from_an_earlier_commit(
    product: Product,
    namespace: str,
    earlier: Path,
    built: list[images.Image],
    record: Callable[[str, object], None],
) -> None:
    """Pods are kept, unless the operator changes their template; then they roll. Either way, no request fails.

    Afterwards, a release with a new service, to which resources with the default container image roll over.
    """
    product.apply(namespace, NAME, replicas=2, route={"host": HOST}, env=ONE_AT_A_TIME)
    product.wait_ready(namespace, NAME)
    pods, template = identities(product, namespace), asked_for(product, namespace)
    with load(product, HOST) as outcome:
        install.helm(product.node, install.CHART, *install.chart_values(built))
        # A change that only the new operator can have made, because the earlier one is gone.
        product.node.wait("the end of the earlier operator", lambda: len(product.get(install.SYSTEM, POD)) == 1)
        product.apply(namespace, NAME, replicas=2, route={"host": HOST}, env=ONE_AT_A_TIME, disruptionBudget=False)
        product.wait_ready(namespace, NAME)
        product.node.wait("what the new operator removes", lambda: product.get(namespace, DISRUPTION_BUDGET) == [])
    record("disturbance: test_upgrade_of_the_operator", outcome.summary())
    assert outcome.failed == []
    same_template = asked_for(product, namespace) == template
    record("upgrade: the new operator asks for the same pods", same_template)
    assert (identities(product, namespace) == pods) == same_template

    before = {pod["metadata"]["uid"] for pod in product.pods(namespace, NAME)}
    service = next(image for image in built if image.repository == "service")
    newer = replace(service, tag=f"{service.tag}-newer")
    product.node.ctr("images", "tag", "--force", service.name, newer.name)
    others = [image for image in built if image is not service]
    with load(product, HOST) as outcome:
        install.helm(product.node, install.CHART, *install.chart_values([*others, newer]))
        product.node.wait(
            "pods of the new image",
            lambda: before.isdisjoint(pod["metadata"]["uid"] for pod in product.pods(namespace, NAME)),
            seconds=READY_SECONDS,
        )
        product.wait_ready(namespace, NAME)
    record("disturbance: test_upgrade_of_the_service", outcome.summary())
    assert outcome.failed == []


def identities(product: Product, namespace: str) -> set[tuple[str, int]]:
    """Returns the pods of the resource, and the number of their restarts."""
    pods: list[Object] = product.pods(namespace, NAME)
    return {(pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]) for pod in pods}


def asked_for(product: Product, namespace: str) -> Object:
    """Returns the pod template of the resource, without its own digest."""
    template: Object = product.get(namespace, DEPLOYMENT, NAME)["spec"]["template"]
    template["metadata"]["annotations"].pop(TEMPLATE_ANNOTATION)
    return template
