"""The command enrolls folders of people, resumes, and searches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from face_comparison.cli import analyzers, inputs
from face_comparison.cli.collection.access import RemoteCollections
from face_comparison.cli.main import main
from face_comparison.client import (
    Client,
    ServiceUnreachable,
)
from face_comparison.collections.service import CollectionService
from face_comparison.errors import CollectionFull, FaceComparisonError, ModelMismatch
from support.analyzer import MODEL, NarrowAnalyzer, image
from support.fake_manifest import fake_manifest


def test_command_enrolls_folders_and_resumes(run: Callable[..., Result], people: Path) -> None:
    assert run("enroll", str(people)).stdout == "4 enrolled, 0 unchanged, 0 failed\n"
    assert run("enroll", str(people)).stdout == "0 enrolled, 4 unchanged, 0 failed\n"
    (people / "carl" / "new.jpg").write_bytes(image("carl*"))
    (people / "carl" / "empty.jpg").write_bytes(image())
    (people / "carl" / "broken.jpg").write_bytes(b"corrupt")
    result = run("enroll", str(people), status=2)
    assert result.stdout == "1 enrolled, 4 unchanged, 2 failed\n"
    assert "empty.jpg: no_face: " in result.stderr and "broken.jpg: corrupt_image: " in result.stderr
    found = {line.split()[0]: line for line in run("users").stdout.splitlines()}
    assert set(found) == {"anna", "Bert_Muller", "carl"}
    assert "2 faces" in found["anna"] and "2 faces" in found["carl"]


def test_command_searches_images(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
    run("enroll", str(people))
    photo, stranger = tmp_path / "door.jpg", tmp_path / "stranger.jpg"
    photo.write_bytes(image("anna*", "zoe"))
    stranger.write_bytes(image("zoe"))
    lines = run("search", str(photo), str(stranger)).stdout.splitlines()
    assert sorted(line.partition(": ")[2].split()[0].rstrip(":") for line in lines) == ["match", "unknown", "unknown"]
    assert any("anna" in line for line in lines)
    entry = json.loads(run("search", "--json", str(photo)).stdout)
    assert (entry["Image"], entry["GallerySize"]) == (str(photo), 4)
    assert "missing_image" in run("search", str(tmp_path / "none.jpg"), str(photo), status=2).stderr


def test_command_creates_lists_and_deletes(run: Callable[..., Result], people: Path) -> None:
    run("create", "staff", "--max-false-positive-rate", "0.001", "--retention-days", "30")
    assert run("create", "staff", status=2).stderr.count("collection_exists") == 1
    run("enroll", str(people), "--collection", "staff")
    [listed] = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert (listed["CollectionId"], listed["FaceCount"], listed["MaxFalsePositiveRate"]) == ("staff", 4, 0.001)
    assert [column.partition(" ")[0] for column in run("list").stdout.split("  ")] == [
        "staff", "4", "threshold", "false", MODEL.version + "\n",
    ]  # fmt: skip
    assert "aborted" in run("delete", "staff", status=2, input="n\n").stderr
    receipt = json.loads(run("delete", "staff", "--user", "anna", "--yes").stdout)
    assert (receipt["State"], receipt["FaceCount"]) == ("scrubbed", 2)
    assert json.loads(run("delete", "staff", "--yes").stdout)["FaceCount"] == 2
    assert run("list").stdout == ""


def test_interrupted_enrollment_resumes(
    run: Callable[..., Result], people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        (people / "carl" / f"more-{number}.jpg").write_bytes(image(f"carl{number}"))
    read, read_file = [], inputs.read_file

    def interrupted(path: Path) -> bytes:
        read.append(path)
        if len(read) == 3:
            raise KeyboardInterrupt
        return read_file(path)

    monkeypatch.setattr(inputs, "read_file", interrupted)
    assert "interrupted" in run("enroll", str(people), "--threads", "1", status=130).stderr
    assert len(read) < 20
    monkeypatch.setattr(inputs, "read_file", read_file)
    done = run("enroll", str(people)).stdout
    assert "0 failed" in done and not done.startswith("64 enrolled")


@pytest.mark.parametrize("error", [CollectionFull("it is full"), ModelMismatch("another model")], ids=["full", "model"])
def test_error_of_every_image_ends_command(
    run: Callable[..., Result], people: Path, monkeypatch: pytest.MonkeyPatch, error: FaceComparisonError
) -> None:
    for number in range(60):
        (people / "carl" / f"more-{number}.jpg").write_bytes(image(f"carl{number}"))
    enroll, search, calls = CollectionService.enroll, CollectionService.search, []

    def failing(self: CollectionService, *arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise error
        return enroll(self, *arguments, **options)

    def never(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(CollectionService, "enroll", failing)
    result = run("enroll", str(people), "--threads", "1", status=2)
    assert "stopped after 2 enrolled, 0 unchanged, 0 failed" in result.stderr
    assert result.stderr.count(error.code) == 1
    assert len(calls) < 20
    monkeypatch.setattr(CollectionService, "search", never)
    result = run("search", *(str(path) for path in sorted((people / "carl").iterdir())), "--threads", "1", status=2)
    assert result.stderr.count(error.code) == 1
    monkeypatch.setattr(CollectionService, "search", search)
    monkeypatch.setattr(CollectionService, "enroll", enroll)
    assert run("enroll", str(people)).stdout.endswith("0 failed\n")


def test_unreachable_service_ends_command(url: str, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise ServiceUnreachable("does not respond")

    monkeypatch.setattr(Client, "call", gone)
    monkeypatch.setattr(Client, "collections", lambda _: [])
    monkeypatch.setattr(RemoteCollections, "create", lambda *_: None)
    monkeypatch.setattr(RemoteCollections, "enrolled", lambda *_: set())
    result = CliRunner().invoke(main, ["collection", "enroll", str(people), "--service", url, "--threads", "1"])
    assert result.exit_code == 2
    assert result.stderr.count("does not respond") == 1


def test_command_without_store_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyzers, "prepare_analyzer", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
    result = CliRunner().invoke(main, ["collection", "list"])
    assert result.exit_code == 2 and "--collections" in result.stderr and "--service" in result.stderr
