"""What an album knows survives, belongs to one run at a time, and is really gone when it is forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from face_comparison.album.database import NAME, AlbumDatabase
from face_comparison.album.faces import Analyzed, Rejected
from face_comparison.api.responses import BoundingBox
from face_comparison.client.detection import DetectedFace, Detection
from face_comparison.errors import AlbumUnusable
from support.faces import quality


def face(number: int = 0) -> DetectedFace:
    vector = np.random.default_rng(number).standard_normal(768).astype(np.float32)
    return DetectedFace(BoundingBox(0.1, 0.2, 0.3, 0.4), 0.9, vector, (), quality(1.5, 2.5, 33.25), "m-1")


def image(digest: str, *numbers: int) -> Analyzed:
    return Analyzed(digest, Detection(tuple(face(number) for number in numbers), "m-1"), ())


def test_analyses_persist_between_runs(tmp_path: Path) -> None:
    with AlbumDatabase(tmp_path, "m-1") as database:
        database.save_analyses([image("a", 1, 2), image("b"), Rejected("c", "corrupt_image", "it is cut off")])
    with AlbumDatabase(tmp_path, "m-1") as database:
        assert database.analyzed_digests() == {"a", "b", "c"}
        assert database.rejected() == {"c": Rejected("c", "corrupt_image", "it is cut off")}
        faces = database.faces()
    assert list(faces) == [("a", 0), ("a", 1)]
    assert (faces["a", 1].face_hash == face(2).face_hash).all()
    assert (faces["a", 1].bounding_box, faces["a", 1].quality) == (face().bounding_box, face().quality)


def test_other_models_start_empty(tmp_path: Path) -> None:
    with AlbumDatabase(tmp_path, "m-1") as database:
        database.save_analyses([image("a", 1)])
    with AlbumDatabase(tmp_path, "m-2") as database:
        assert database.analyzed_digests() == set()
        assert database.faces() == {}


def test_second_analysis_replaces_first(tmp_path: Path) -> None:
    with AlbumDatabase(tmp_path, "m-1") as database:
        database.save_analyses([image("a", 1, 2)])
        database.save_analyses([image("a", 3)])
        assert list(database.faces()) == [("a", 0)]


def test_people_are_remembered(tmp_path: Path) -> None:
    with AlbumDatabase(tmp_path, "m-1") as database:
        database.save_analyses([image("a", 1, 2)])
        database.save_people({("a", 0): 4, ("a", 1): None})
        assert database.people() == {("a", 0): 4}
        database.save_people({("a", 0): None, ("a", 1): 2})
        assert database.people() == {("a", 1): 2}


def test_deleted_data_is_not_in_file(tmp_path: Path) -> None:
    secret = face(9).face_hash.tobytes()[:64]
    with AlbumDatabase(tmp_path, "m-0") as database:
        database.save_analyses([image("old", 1)])
    with AlbumDatabase(tmp_path, "m-1") as database:
        database.save_analyses([image("a", 1), image("b", 9)])
    assert secret in (tmp_path / NAME).read_bytes()
    with AlbumDatabase(tmp_path, "m-1") as database:
        database.delete_others(["a"])
        assert database.analyzed_digests() == {"a"}
    assert secret not in (tmp_path / NAME).read_bytes()
    with AlbumDatabase(tmp_path, "m-0") as database:
        assert database.analyzed_digests() == set()


def test_only_one_run_at_a_time(tmp_path: Path) -> None:
    with AlbumDatabase(tmp_path, "m-1"), pytest.raises(AlbumUnusable, match="another run"):
        AlbumDatabase(tmp_path, "m-1")
    with AlbumDatabase(tmp_path, "m-1"):
        pass


def test_damaged_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"this is no database" * 99)
    with pytest.raises(AlbumUnusable, match="delete it"):
        AlbumDatabase(tmp_path, "m-1")


def test_newer_schema_is_left_unchanged(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(AlbumUnusable, match="another version"):
        AlbumDatabase(tmp_path, "m-1")
