"""The embedded store: what its files hold, its limits, and several processes with one of them killed."""

from __future__ import annotations

import random
import sqlite3
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from devtools.bench_collections import WIDTH, fill_directly
from devtools.bench_collections import random_vectors as many_vectors
from face_comparison.collections.stores import Store, open_store
from face_comparison.collections.stores.base import ErasureRequest
from face_comparison.collections.stores.sqlite import SqliteStore
from face_comparison.collections.stores.sqlite.connections import Connections
from face_comparison.errors import CollectionFull, InvalidSettings, StoreUnavailable
from support.vectors import NOW, collection, face, random_vectors, vector_of


@pytest.fixture
def kind() -> str:
    return "sqlite"


def files_hold(folder: Path, fragment: bytes) -> list[str]:
    return [path.name for path in folder.iterdir() if fragment in path.read_bytes()]


def request() -> ErasureRequest:
    return ErasureRequest(str(uuid4()), "", NOW, None)


@pytest.mark.parametrize("readers", [False, True])
def test_erased_data_is_in_no_file(store: Store, other: Store, tmp_path: Path, readers: bool) -> None:
    """With enough faces that pages split and merge, deleted in a random order."""
    store.create_collection(collection())
    vectors = random_vectors(300)
    made = [
        face(str(number), user=f"user-{number}", vector=vector, external_image_id=f"photo-{number}")
        for number, vector in enumerate(vectors)
    ]
    random.Random(1).shuffle(made)
    for each in made:
        store.add_faces("staff", [each])
    random.Random(2).shuffle(made)
    for each in made[:100]:
        if readers:
            other.nearest("staff", vectors[:1], limit=1)
        erasure = store.delete_user("staff", str(each.user_id), request(), keep_faces=False)
        assert erasure.scrubbed == NOW
    folder = tmp_path / "store"
    for each in made[:100]:
        assert each.vector is not None
        packed = each.vector.tobytes()
        for start in range(0, len(packed), 128):  # a page that was written over in part is not good enough
            assert files_hold(folder, packed[start : start + 32]) == []
        assert files_hold(folder, f"{each.external_image_id}\0".encode()) == []
    kept = made[-1].vector
    assert kept is not None and files_hold(folder, kept.tobytes()) == ["collections.db"]


def test_erasure_waits_for_reader(store: Store, tmp_path: Path) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face("a", user="anna")])
    reader = sqlite3.connect(tmp_path / "store" / "collections.db")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM face").fetchall()
    quick = open_store(f"sqlite:{tmp_path / 'store'}", max_faces=10, timeout=0.1)
    erasure = quick.delete_user("staff", "anna", request(), keep_faces=False)
    assert erasure.scrubbed is None
    reader.close()
    assert quick.scrub(NOW + timedelta(minutes=1)) == 1
    stored = quick.get_erasure(erasure.erasure_id)
    assert stored is not None and stored.scrubbed == NOW + timedelta(minutes=1)
    assert files_hold(tmp_path / "store", vector_of("a").tobytes()[:32]) == []
    quick.close()


def test_call_above_limit_enrolls_nothing(store: Store) -> None:
    store.create_collection(collection())
    store.create_collection(collection("guests"))
    limited = open_store(f"sqlite:{store._path.parent}", max_faces=3)  # type: ignore[attr-defined]
    limited.add_faces("staff", [face("a"), face("b")])
    with pytest.raises(CollectionFull, match="PostgreSQL"):
        limited.add_faces("staff", [face("c"), face("d")])
    assert limited.get_collection("staff").faces == 2
    assert len(limited.list_faces("staff", limit=9)) == 2
    limited.add_faces("guests", [face("c")])
    limited.close()


def test_copy_is_reloaded_after_missed_changes(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("face_comparison.collections.stores.sqlite.gallery_copies.KEPT_CHANGES", 5)
    store.create_collection(collection())
    store.add_faces("staff", [face("a")])
    other.nearest("staff", random_vectors(1), limit=1)
    for number in range(12):
        store.add_faces("staff", [face(str(number))])
    store.delete_faces("staff", [face("a").face_id], request())
    assert other.nearest("staff", random_vectors(1), limit=99).gallery_size == 12
    for number in range(12):
        [found] = other.nearest("staff", vector_of(str(number))[None], limit=1).neighbors[0]
        assert found.face.face_id == face(str(number)).face_id


def test_other_workers_free_deleted_collections(store: Store, other: Store) -> None:
    assert isinstance(other, SqliteStore)
    store.create_collection(collection())
    store.add_faces("staff", [face("a")])
    other.nearest("staff", random_vectors(1), limit=1)
    store.delete_collection("staff", request())
    other.purge(NOW)
    assert len(other._galleries) == 0


def test_memory_is_close_to_vector_size(store: Store, tmp_path: Path) -> None:
    """100,000 faces are to fit into 60 MB; what does not grow with them weighs most in a small collection."""
    faces = 20_000
    opened = open_store(f"sqlite:{tmp_path / 'store'}", max_faces=faces)
    fill_directly(opened, many_vectors(faces))
    opened.close()
    program = [sys.executable, "-m", "devtools.bench_collections", "--memory-of", f"sqlite:{tmp_path / 'store'}"]
    grown = float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
    assert faces * WIDTH * 4 < 1e6 * grown < faces * (WIDTH * 4 + 50) + 6e6


def test_unusable_directory_is_startup_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(InvalidSettings, match="cannot be used"):
        open_store(f"sqlite:{tmp_path / 'file'}", max_faces=1)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "collections.db").write_bytes(b"not a database" * 500)
    with pytest.raises(InvalidSettings, match="cannot be opened"):
        open_store(f"sqlite:{tmp_path / 'store'}", max_faces=1)


@pytest.mark.parametrize("spelling", ["sqlite:~/faces", "sqlite://~/faces", "sqlite:{}/faces", "sqlite://{}/faces"])
def test_directory_spellings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    open_store(spelling.format(tmp_path), max_faces=1).close()
    assert (tmp_path / "faces" / "collections.db").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://", "sqlite::memory:"])
def test_missing_directory_is_startup_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSettings, match="sqlite:DIRECTORY"):
        open_store(url, max_faces=1)
    assert list(tmp_path.iterdir()) == []


def test_files_are_private(store: Store, tmp_path: Path) -> None:
    store.create_collection(collection())
    folder = tmp_path / "store"
    files = list(folder.iterdir())
    assert len(files) > 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_damaged_store_is_unavailable(store: Store, tmp_path: Path) -> None:
    store.create_collection(collection())
    store.close()
    for path in (tmp_path / "store").iterdir():
        path.unlink()
    with pytest.raises(StoreUnavailable):
        store.get_collection("staff")


def test_full_volume_is_reported_without_loss(store: Store, tmp_path: Path) -> None:
    """The limit of pages stands in for the volume: SQLite reports both with the same code."""
    store.create_collection(collection())
    store.add_faces("staff", [face("a", user="anna")])
    assert isinstance(store, SqliteStore)
    with store._write() as connection:  # the connection is kept, and used again
        [[pages]] = connection.execute("PRAGMA page_count").fetchall()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="is full"):
        store.add_faces("staff", [face(str(number), user=str(number)) for number in range(500)])
    # The failed connection is closed; the next one has the limit of the volume only.
    assert store.get_collection("staff").faces == 1
    assert [each.user_id for each in store.list_users("staff", "", 9)] == ["anna"]
    [found] = store.nearest("staff", vector_of("a")[None], limit=9).neighbors[0]
    assert found.face.user_id == "anna"
    store.add_faces("staff", [face("b")])


def test_deletion_succeeds_on_full_volume(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deletion itself finds room in the log; to empty that into the database, there is none."""
    store.create_collection(collection(retention_days=1))
    store.add_faces("staff", [face(name, user=name) for name in ("anna", "bert", "carl")])

    def full(_: Connections) -> bool:
        raise StoreUnavailable("the volume is full")

    with monkeypatch.context() as patched:
        patched.setattr(Connections, "empty_log", full)
        receipt = store.delete_user("staff", "anna", request(), keep_faces=False)
        assert (receipt.faces, receipt.scrubbed) == (1, None)
        assert store.delete_faces("staff", [face("bert").face_id], request())[1] == [face("bert").face_id]
        assert [each.faces for each in store.purge(NOW + timedelta(days=2))] == [1]
    assert store.get_collection("staff").faces == 0
    assert store.scrub(NOW) == 3
    stored = store.get_erasure(receipt.erasure_id)
    assert stored is not None and stored.scrubbed == NOW


def test_read_only_store_is_reported_and_searchable(store: Store) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face("a", user="anna")])
    assert isinstance(store, SqliteStore)
    with store._read() as connection:
        pass
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="only be read"):
        store.add_faces("staff", [face("b")])
    assert len(store.nearest("staff", vector_of("a")[None], limit=9).neighbors[0]) == 1


def test_damaged_pages_are_reported(store: Store, tmp_path: Path) -> None:
    store.create_collection(collection())
    store.add_faces("staff", [face(str(number), user=str(number)) for number in range(300)])
    store.close()
    path = tmp_path / "store" / "collections.db"
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = bytes(len(content) - 4096 * 3)
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="is damaged"):
        store.list_faces("staff", limit=1000, vectors=True)
