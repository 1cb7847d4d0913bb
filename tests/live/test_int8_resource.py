"""The documented resource with the bundle in int8: the operator's rendering starts a service with that bundle."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from devtools import ROOT, int8_bundle
from face_comparison.models import bundle_store
from face_comparison_operator import objects, resource
from face_comparison_operator.observation import Expectation
from face_comparison_operator.probe import classify_response
from face_comparison_operator.settings import Settings
from support.served import Served, img

PAGE = ROOT / "docs" / "how-to" / "models.md"
SAMPLE = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
UID = "0b6e2f0c-6f0e-4d5c-9a53-6f6a7b6c1d11"


def documented_resource() -> dict[str, Any]:
    """Returns the resource of the page that names the bundle, as the API server would store it."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    parsed = [yaml.safe_load(block) for block in blocks]
    (found,) = [each for each in parsed if each["spec"].get("model", {}).get("bundle") == int8_bundle.NAME]
    return {**found, "metadata": {**found["metadata"], "namespace": "default", "uid": UID}}


def container(body: dict[str, Any]) -> dict[str, Any]:
    """Returns the service's container in the Deployment that the operator renders."""
    children = objects.desired(resource.parse(body), Settings())
    (deployment,) = [child for child in children if child["kind"] == "Deployment"]
    (rendered,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(rendered)


@pytest.fixture(scope="module")
def version() -> str:
    """The FaceModelVersion of the bundle, which is in the user's folder of bundles as it is in a container image."""
    return bundle_store.ensure_bundle(int8_bundle.NAME, bundle_store.bundles_folder()).manifest.version


@pytest.fixture(scope="module")
def service(version: str) -> Iterator[Served]:
    rendered = container(documented_resource())
    program, *arguments = rendered["command"]
    # The address of a pod is replaced by a free port of this machine's loopback interface.
    environ = {each["name"]: each["value"] for each in rendered["env"]}
    environ = {name: value for name, value in environ.items() if not name.endswith(("_HOST", "_PORT"))}
    served = Served([str(Path(sys.executable).with_name(program)), *arguments], environ)
    try:
        yield served.wait_ready()
    finally:
        served.end()


def post(service: Served, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    reply = service.session.request("POST", service.url + path, json=body)
    return reply.status, reply.json()


def test_service_answers_with_version_of_the_bundle(service: Served, version: str) -> None:
    reply = service.detect(SAMPLE)
    assert (reply.status, reply.json()["FaceModelVersion"]) == (200, version)
    assert version == "yunet-sface-int8-4"
    (face,) = reply.json()["Faces"]
    assert np.linalg.norm(face["face_hash"]) == pytest.approx(1, abs=1e-5)


def test_operator_reads_the_version_for_the_status(service: Served, version: str) -> None:
    reply = service.get("/prod/face_comparison")
    read = classify_response(reply.status, reply.headers, reply.data, Expectation(UID))
    assert (read.outcome, read.version) == ("ok", version)


def test_hashes_compare_with_the_same_bundle_only(service: Served, version: str) -> None:
    (face,) = service.detect(SAMPLE).json()["Faces"]
    stored = {"face_hash": face["face_hash"]}
    target = {"target": img(SAMPLE)}
    path = "/prod/face_comparison/compare"
    status, reply = post(service, path, {"source": {**stored, "FaceModelVersion": version}, **target})
    assert (status, reply["FaceModelVersion"], reply["Targets"][0]["SamePerson"]) == (200, version, True)
    assert reply["Targets"][0]["Distance"] < 0.001
    status, reply = post(service, path, {"source": {**stored, "FaceModelVersion": "yunet-sface-4"}, **target})
    assert (status, reply["error"]["code"]) == (422, "hash_version_mismatch")
