"""Amazon Rekognition's API, called by the AWS CLI and the SDKs for JavaScript and Java, from their registries.

Each is installed once, into the user's cache, from the pinned versions of tests/sdks. Requests are signed with an API
key, so that each client's own signature is verified.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from devtools import ROOT
from support.analyzer import image

SDKS = ROOT / "tests" / "sdks"
AWS_CLI = "awscli==1.45.11"
KEY = "a-long-enough-key-1"
SECONDS = 300.0


PACKAGES = {"node": "nodejs", "npm": "npm", "java": "default-jdk-headless", "mvn": "maven"}
"""Of Debian and Ubuntu, by the program that they hold."""


def program(name: str) -> str:
    """A program of the machine, installed from its distribution where that is possible; in CI it must be."""
    if not shutil.which(name) and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", PACKAGES[name]]):
            subprocess.run(["apt-get", *command], check=False, timeout=SECONDS, stdout=subprocess.DEVNULL)
    found = shutil.which(name)
    if found is None:
        assert not os.environ.get("CI"), f"this machine has no {name}: install {PACKAGES[name]}"
        pytest.skip(f"needs {name}")
    return found


def installed(name: str, *pinned: Path, install: Callable[[Path], None]) -> Path:
    """A folder that `install` has filled once for these files."""
    key = hashlib.sha256(b"".join(path.read_bytes() for path in pinned)).hexdigest()[:16]
    folder = user_cache_path("face-comparison") / f"sdk-{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock", timeout=SECONDS):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            for path in pinned:
                shutil.copy(path, unfinished)
            install(unfinished)
            unfinished.rename(folder)
    return folder


def run(command: list[str | Path], folder: Path, **environ: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        command, cwd=folder, env={**clean, **environ}, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture
def endpoint(serve: Callable[..., str], tmp_path: Path) -> str:
    """Of a service that asks for signatures."""
    keys = tmp_path / "keys"
    keys.write_text(f"amazon:{KEY}\n")
    return serve(auth="api-key", api_keys_file=str(keys)) + "/prod/rekognition"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """An image of anna, and one of bert."""
    found = []
    for person in ("anna", "bert"):
        found.append(tmp_path / f"{person}.jpg")
        found[-1].write_bytes(image(person))
    return found


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "amazon",
    "AWS_SECRET_ACCESS_KEY": KEY,
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def check(seen: dict[str, Any], pages: list[int]) -> None:
    moment = datetime.fromisoformat(seen.pop("createdAt").replace("Z", "+00:00"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < SECONDS
    assert 99 < seen.pop("similarity") <= 100
    assert seen == {
        "created": 200,
        "enrolled": "anna",
        "found": ["anna"],
        "stranger": 0,
        "pages": pages,
        "error": "ResourceAlreadyExistsException",
        "errorStatus": 400,
        "deleted": 200,
    }


def test_javascript_sdk_works(endpoint: str, photos: list[Path]) -> None:
    npm, node, folder = program("npm"), program("node"), SDKS / "javascript"

    def install(to: Path) -> None:
        run([npm, "ci", "--no-audit", "--no-fund"], to)

    there = installed("javascript", folder / "package.json", folder / "package-lock.json", install=install)
    shutil.copy(folder / "check.mjs", photos[0].parent)
    (photos[0].parent / "node_modules").symlink_to(there / "node_modules")
    check(json.loads(run([node, "check.mjs", endpoint, *photos], photos[0].parent, **CREDENTIALS)), [1])


def test_java_sdk_works(endpoint: str, photos: list[Path]) -> None:
    maven, java, folder = program("mvn"), program("java"), SDKS / "java"

    def install(to: Path) -> None:
        run([maven, "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=libraries"], to)

    libraries = installed("java", folder / "pom.xml", install=install) / "libraries"
    command: list[str | Path] = [java, "-cp", f"{libraries}/*", folder / "Check.java", endpoint, *photos]
    check(json.loads(run(command, photos[0].parent, **CREDENTIALS)), [1])


def test_aws_cli_works(endpoint: str, photos: list[Path]) -> None:
    uv = ROOT / ".venv" / "tools" / "bin" / "uv"

    def aws(operation: str, *arguments: str) -> dict[str, Any]:
        command: list[str | Path] = [
            uv,
            "tool",
            "run",
            "--quiet",
            "--from",
            AWS_CLI,
            "aws",
            "rekognition",
            operation,
            *arguments,
        ]
        options = [f"--endpoint-url={endpoint}", "--output=json", "--collection-id=staff"]
        found: dict[str, Any] = json.loads(run([*command, *options], photos[0].parent, **CREDENTIALS))
        return found

    anna, bert = (f"fileb://{path}" for path in photos)
    assert aws("create-collection")["StatusCode"] == 200
    indexed = aws("index-faces", f"--image-bytes={anna}", "--external-image-id=anna")
    assert indexed["FaceRecords"][0]["Face"]["ExternalImageId"] == "anna"
    found = aws("search-faces-by-image", f"--image-bytes={anna}")["FaceMatches"]
    assert [match["Face"]["ExternalImageId"] for match in found] == ["anna"]
    assert aws("search-faces-by-image", f"--image-bytes={bert}")["FaceMatches"] == []
    assert len(aws("list-faces", "--page-size=1")["Faces"]) == 1
    with pytest.raises(AssertionError, match=r"\(ResourceAlreadyExistsException\)"):
        aws("create-collection")
    assert aws("delete-collection")["StatusCode"] == 200
