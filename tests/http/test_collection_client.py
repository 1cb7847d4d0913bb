"""Collections by the Python client and by the command line, through a service and on a store of their own."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from face_comparison.cli import analyzers
from face_comparison.cli.collection import people_of, user_id_of
from face_comparison.cli.main import main
from face_comparison.client import Client, ServiceError
from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.vision.bundle import Comparison
from support.analyzer import MODEL, FakeAnalyzer, image, vector
from support.running import Running


class NarrowAnalyzer(FakeAnalyzer):
    model = replace(MODEL, embedding_width=128)


@pytest.fixture
def url(start: Callable[..., Running], tmp_path: Path) -> Iterator[str]:
    """A service with a store, on loopback."""
    store = open_store(f"sqlite:{tmp_path / 'served'}", max_faces=1000)
    analyzer = NarrowAnalyzer()
    upkeep = CollectionUpkeep(CollectionService(store, lambda: analyzer.model))
    app = start(analyzer=analyzer, upkeep=upkeep, collections="sqlite:/srv/faces").client.application
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/prod"
    server.shutdown()
    thread.join()
    server.server_close()
    store.close()


# --- the Python client ---


def test_client_enrolls_searches_verifies_and_erases(url: str) -> None:
    with Client(url) as client:
        staff = client.create_collection("staff", max_false_positive_rate=0.001, metadata={"site": "Bern"})
        enrolled = staff.enroll(image("bert", "anna"), user_id="u-anna", external_image_id="photo")
        assert [(each.face.user_id, each.created) for each in enrolled.face_records] == [("u-anna", True)]
        assert [face.reasons for face in enrolled.unindexed_faces] == [("EXCEEDS_MAX_FACES",)]
        assert not staff.enroll(image("bert", "anna"), user_id="u-anna").face_records[0].created
        assert staff.enroll(vector("anna*"), user_id="u-other").duplicates[0].user_id == "u-anna"
        staff.delete_user("u-other")
        result = staff.search(image("anna*", "carl"), max_matches=3)
        assert sorted((face.decision, face.user_id) for face in result.faces) == [
            ("match", "u-anna"),
            ("unknown", None),
        ]
        assert (result.gallery_size, result.exact) == (1, True)
        assert staff.search(image("anna"), user_ids=["nobody"]).gallery_size == 0
        assert staff.verify("u-anna", image("anna*")).same_person
        assert staff.verify("u-anna", image("carl")).verdict == "different"
        assert [face.external_image_id for face in staff.faces("u-anna")] == ["photo"]
        receipt = staff.delete_user("u-anna")
        assert (receipt.state, receipt.face_count) == ("scrubbed", 1)
        assert staff.describe().face_count == 0
        assert [each.collection_id for each in client.collections()] == ["staff"]
        assert staff.delete().face_count == 0
        with pytest.raises(ServiceError) as failure:
            staff.describe()
        assert (failure.value.code, failure.value.status) == ("not_found", 404)


def test_client_reads_all_pages(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(url) as client:
        staff = client.create_collection("staff")
        for number in range(7):
            staff.create_user(f"u-{number}", metadata={"n": number}, expires="2099-01-01")
        call = client.call

        def small_pages(method: str, path: str, body: bytes | None, response_type: Any) -> Any:
            return call(method, path.replace("/users?", "/users?MaxResults=3&"), body, response_type)

        monkeypatch.setattr(client, "call", small_pages)
        assert [user.metadata["n"] for user in staff.users()] == list(range(7))


def test_client_moves_a_collection_in_several_requests(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("face_comparison.client.collections.IMPORT_BYTES", 20_000)
    with Client(url) as client:
        staff, copy = client.create_collection("staff"), client.create_collection("copy")
        for number in range(7):
            staff.enroll(image(f"p{number}"), user_id=f"u-{number}")
        lines = list(staff.export_lines())
        assert len(lines) == 7
        report = copy.import_lines([*lines[:6], b"{bad", lines[6]])
        assert (report.imported_face_count, report.failed_line_count) == (7, 1)
        assert [each.line for each in report.errors] == [7]
        assert copy.search(image("p3")).faces[0].user_id == "u-3"
        with pytest.raises(ServiceError):
            list(client.collection("none").export_lines())


# --- the command line ---


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder per person."""
    folder = tmp_path / "people"
    for person, photos in {"anna": ["anna", "anna*"], "Bert Müller": ["bert"], "carl": ["carl"]}.items():
        (folder / person).mkdir(parents=True)
        for number, photo in enumerate(photos):
            (folder / person / f"{number}.jpg").write_bytes(image(photo))
    (folder / "anna" / ".hidden").write_bytes(b"x")
    (folder / "readme.txt").write_text("not a person")
    return folder


@pytest.fixture(params=["store", "service"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command `collection`, on a store of its own or through a service."""
    monkeypatch.setattr(analyzers, "loadable", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
    where = (
        ["--collections", f"sqlite:{tmp_path / 'own'}"]
        if request.param == "store"
        else ["--service", request.getfixturevalue("url")]
    )

    def run_it(name: str, *arguments: str, status: int = 0, **options: Any) -> Result:
        result = CliRunner().invoke(main, ["collection", name, *where, *arguments], **options)
        assert result.exit_code == status, result.output + result.stderr
        return result

    return run_it


def fake_manifest() -> Any:
    """Of the bundle that the fake analyzer pretends to run."""
    return SimpleNamespace(
        name=MODEL.bundle,
        version=MODEL.version,
        comparison=Comparison(threshold=MODEL.threshold, scale=MODEL.scale),
        detector=SimpleNamespace(min_confidence=MODEL.min_confidence),
        embedder=SimpleNamespace(width=128),
    )


def test_command_enrolls_a_folder_per_person_and_continues(run: Callable[..., Result], people: Path) -> None:
    assert run("enroll", str(people)).stdout == "4 enrolled, 0 unchanged, 0 failed\n"
    assert run("enroll", str(people)).stdout == "0 enrolled, 4 unchanged, 0 failed\n"
    (people / "carl" / "new.jpg").write_bytes(image("carl*"))
    (people / "carl" / "empty.jpg").write_bytes(image())
    (people / "carl" / "broken.jpg").write_bytes(b"corrupt")
    result = run("enroll", str(people), status=2)
    assert result.stdout == "1 enrolled, 4 unchanged, 2 failed\n"
    assert "empty.jpg: no_face" in result.stderr.replace("service_refused: ", "") and "corrupt_image" in result.stderr
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
    assert run("list").stdout.startswith("staff  4 faces of 3 people")
    assert "Aborted" in run("delete", "staff", status=1, input="n\n").stderr
    receipt = json.loads(run("delete", "staff", "--user", "anna", "--yes").stdout)
    assert (receipt["State"], receipt["FaceCount"]) == ("scrubbed", 2)
    assert json.loads(run("delete", "staff", "--yes").stdout)["FaceCount"] == 2
    assert run("list").stdout == ""


def test_command_moves_a_collection(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
    run("enroll", str(people), "--collection", "staff")
    out = tmp_path / "staff.ndjson"
    exported = run("export", "--collection", "staff", "--out", str(out))
    assert "exporting" in exported.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert run("export", "--collection", "staff").stdout_bytes == out.read_bytes()
    assert len(out.read_bytes().splitlines()) == 4
    assert run("import", str(out), "--collection", "copy").stdout == "4 imported, 0 unchanged, 0 failed\n"
    bad = out.read_bytes() + b"{bad\n"
    result = run("import", "-", "--collection", "copy", status=2, input=bad)
    assert result.stdout == "0 imported, 4 unchanged, 1 failed\n"
    assert result.stderr.startswith("line 5: ")
    assert "not_found" in run("export", "--collection", "none", status=2).stderr


def test_command_without_a_store_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyzers, "loadable", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
    result = CliRunner().invoke(main, ["collection", "list"])
    assert result.exit_code == 2 and "--collections" in result.stderr and "--service" in result.stderr


@pytest.mark.parametrize(
    ("folder", "user_id"),
    [("anna", "anna"), ("Bert Müller", "Bert_Muller"), ("o'Neil, Pat", "o_Neil_Pat"), ("org:7", "org:7"), ("..a", "a")],
)
def test_folder_names_become_user_ids(folder: str, user_id: str) -> None:
    assert user_id_of(folder) == user_id


def test_names_of_other_scripts_have_ids_of_their_own() -> None:
    assert user_id_of("张伟") != user_id_of("李娜")
    assert user_id_of("张伟").startswith("person-")


def test_folders_of_one_user_id_are_rejected(tmp_path: Path) -> None:
    for name in ("a b", "a_b"):
        (tmp_path / name).mkdir()
    with pytest.raises(Exception, match="would both be"):
        people_of(tmp_path)
    with pytest.raises(Exception, match="one per person"):
        people_of(tmp_path / "a b")
