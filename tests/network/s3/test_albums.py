"""Photographs of a bucket as arguments, albums, and shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools import ROOT
from face_comparison.album import places, shards
from face_comparison.album.builder import AlbumOptions, assemble_album, build_album
from face_comparison.cli import inputs
from face_comparison.client.detection import Detection
from face_comparison.settings import Settings
from support.s3 import configure


@pytest.fixture
def photographs(endpoint: str, admin: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Photographs below a prefix, and what is none."""
    configure(monkeypatch, endpoint)
    sample = (ROOT / "service/src/face_comparison/sample.jpg").read_bytes()
    admin.create_bucket(Bucket="photos")
    for number in range(5):
        admin.put_object(Bucket="photos", Key=f"trip/{number % 2}/{number} ä.jpg", Body=sample + bytes([number]))
    admin.put_object(Bucket="photos", Key="trip/notes.txt", Body=b"no image")
    admin.put_object(Bucket="photos", Key="trip/.hidden.jpg", Body=sample)
    admin.put_object(Bucket="photos", Key="trips.jpg", Body=sample)
    admin.create_bucket(Bucket="results")
    yield "s3://photos/trip"
    for bucket in ("photos", "results"):
        for entry in admin.list_objects_v2(Bucket=bucket).get("Contents", []):
            admin.delete_object(Bucket=bucket, Key=entry["Key"])
        admin.delete_bucket(Bucket=bucket)


def test_argument_is_object_or_prefix(photographs: str) -> None:
    below = ["trip/0/0 ä.jpg", "trip/0/2 ä.jpg", "trip/0/4 ä.jpg", "trip/1/1 ä.jpg", "trip/1/3 ä.jpg"]
    for argument in (photographs, f"{photographs}/"):
        found = inputs.expand([argument], Settings())
        assert [image.name for image in found.images if image.name != "s3://photos/trip/.hidden.jpg"] == [
            f"s3://photos/{key}" for key in below
        ]
        assert found.ignored == ["s3://photos/trip/notes.txt"]
    (image,) = inputs.expand(["s3://photos/trip/1/1 ä.jpg"], Settings()).images
    assert isinstance(image, inputs.InputImage)
    assert image.read().endswith(b"\x01")
    for gone in ("s3://photos/gone", "s3://nowhere/x.jpg"):
        (problem,) = inputs.expand([gone], Settings()).images
        assert isinstance(problem, inputs.Problem) and problem.code == "url_fetch_failed"


class Everybody:
    """Finds nobody, in an image of any size."""

    version, threshold, sure_confidence, max_bytes, concurrency = "m-1", 1.128, 0.75, 10**9, 2

    def faces(self, data: bytes) -> Detection:
        return Detection(faces=(), face_model_version=self.version)


def test_albums_and_shards_of_bucket(photographs: str, tmp_path: Path) -> None:
    place, results = places.place(photographs), places.place("s3://results/of/trip")
    for number in range(2):
        assert shards.analyze_shard(place, results, Everybody(), number, 2) in (2, 3)
        assert shards.analyze_shard(place, results, Everybody(), number, 2) == 0
    options = [AlbumOptions(place.path, tmp_path / name, photographs=place) for name in ("one", "many")]
    build_album(options[0], Everybody())
    assemble_album(options[1], results, 2, Everybody())
    one, many = ((each.out / "skipped.csv").read_text() for each in options)
    assert one == many
    assert "./0/0 ä.jpg,s3://photos/trip/0/0%20%C3%A4.jpg,no_face" in one
    assert "notes.txt" in one and ".hidden.jpg" in one and "trips.jpg" not in one
