"""What phones and apps write, through `detect`, `album` and the service: the face of the plain photograph is found in
each. The Explorer is in `tests/browser/test_phone_images.py`."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.phone_images import FILES, jpeg, photograph
from support.served import Served

PROGRAM = str(Path(sys.executable).with_name("face-comparison"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    created = tmp_path_factory.mktemp("phone")
    (created / "plain.jpg").write_bytes(jpeg(photograph()))
    for name, make in FILES.items():
        (created / name).write_bytes(make())
    return created


def check_same_face(found: dict[str, Any], plain: dict[str, Any], name: str) -> None:
    face, expected = found["Faces"][0], plain["Faces"][0]
    distance = np.linalg.norm(np.array(face["face_hash"]) - np.array(expected["face_hash"]))
    assert distance < 0.3, name
    for side, value in expected["BoundingBox"].items():
        assert abs(face["BoundingBox"][side] - value) < 0.03, name


def test_detect_finds_the_face_in_every_file(folder: Path) -> None:
    paths = [folder / "plain.jpg", *(folder / name for name in FILES)]
    done = subprocess.run(
        [PROGRAM, "detect", "--max-side", "8192", *paths], capture_output=True, text=True, timeout=200, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    plain, *others = (json.loads(line) for line in done.stdout.splitlines())
    assert [Path(each["Image"]).name for each in others] == list(FILES)
    for each in others:
        check_same_face(each, plain, Path(each["Image"]).name)


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    served = Served([PROGRAM, "serve", "--max-side", "8192"], {})
    try:
        yield served.wait_ready()
        served.signal(signal.SIGTERM)
        assert served.wait_end() == 0
    finally:
        served.end()


def test_service_finds_the_face_in_every_file(service: Served, folder: Path) -> None:
    def detected(name: str) -> dict[str, Any]:
        body = (folder / name).read_bytes()
        reply = service.session.request("POST", service.url + "/prod/face_comparison", body=body)
        assert reply.status == 200, (name, reply.data)
        return reply.json()

    plain = detected("plain.jpg")
    for name in FILES:
        check_same_face(detected(name), plain, name)


def test_album_groups_every_file_of_one_person(folder: Path, tmp_path: Path) -> None:
    """Images larger than a request may have are reduced."""
    out = tmp_path / "album"
    done = subprocess.run(
        [PROGRAM, "album", folder, "--out", out], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    with (out / "skipped.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == []
    with (out / "faces.csv").open(newline="", encoding="utf-8") as file:
        faces = list(csv.DictReader(file))
    assert {str(Path(face["path"])) for face in faces} == {"plain.jpg", *FILES}
    assert len({face["person"] for face in faces}) == 1
    assert faces[0]["person"]
