"""Scripts written for Amazon Rekognition run unchanged, and so do the documented ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from devtools import ROOT
from support.analyzer import image
from support.rekognition_api import client, photo


def test_amazon_script_runs_unchanged(serve: Callable[..., str]) -> None:
    """At the root of the host, as an endpoint that stands in for Amazon's is."""
    rekognition = client(serve())
    created = rekognition.create_collection(CollectionId="staff")
    assert created["StatusCode"] == 200
    assert created["CollectionArn"].endswith("collection/staff")
    indexed = rekognition.index_faces(CollectionId="staff", Image=photo("anna"), ExternalImageId="anna.jpg")
    record = indexed["FaceRecords"][0]
    assert record["Face"]["ExternalImageId"] == "anna.jpg"
    assert 0 <= record["FaceDetail"]["BoundingBox"]["Width"] <= 1
    found = rekognition.search_faces_by_image(CollectionId="staff", Image=photo("anna*"), FaceMatchThreshold=90)
    match = found["FaceMatches"][0]
    assert match["Face"]["FaceId"] == record["Face"]["FaceId"]
    assert 90 <= match["Similarity"] <= 100
    assert rekognition.search_faces_by_image(CollectionId="staff", Image=photo("bert"))["FaceMatches"] == []
    assert rekognition.delete_collection(CollectionId="staff")["StatusCode"] == 200


def test_documented_script_runs(serve: Callable[..., str], tmp_path: Path) -> None:
    """Only the endpoint is another one."""
    page = (ROOT / "docs" / "how-to" / "rekognition.md").read_text()
    [script] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(script.splitlines()) <= 20
    script = script.replace("http://faces.example.com", serve())
    for name, person in (("anna", "anna"), ("gate", "anna*")):
        (tmp_path / f"{name}.jpg").write_bytes(image(person))
    environ = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "eu-central-1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, **environ, "AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    enrolled, found = done.stdout.splitlines()
    assert enrolled.startswith("enrolled ")
    assert found.startswith("anna ")
