"""Collections by the Python client and by the command line, through a service and on a store of their own."""

from __future__ import annotations

import codecs
import inspect
import json
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import click
import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from face_comparison.cli import analyzers, inputs
from face_comparison.cli.collection import people_of, user_id_of
from face_comparison.cli.collection_access import LocalCollections, RemoteCollections
from face_comparison.cli.main import main
from face_comparison.client import (
    AsyncClient,
    AsyncCollection,
    Client,
    Collection,
    ServiceError,
    ServiceUnreachable,
)
from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.errors import CollectionFull, FaceComparisonError, ModelMismatch
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.vision.bundle import Comparison
from support.analyzer import MODEL, FakeAnalyzer, image, vector
from support.running import Running
from support.server_thread import in_thread


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
    with in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/prod"
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
        assert staff.update_user("u-anna", metadata={"room": 7}, expires="2099-01-01").expires is not None
        assert staff.update_user("u-anna", expires=None).metadata == {"room": 7}
        assert (staff.user("u-anna").expires, staff.user("u-anna").face_count) == (None, 1)
        receipt = staff.delete_user("u-anna")
        assert (receipt.state, receipt.face_count) == ("scrubbed", 1)
        assert client.erasure(receipt.erasure_id).state == "scrubbed"
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
            return call(method, path.replace("/users", "/users?MaxResults=3&").replace("&?", "&"), body, response_type)

        monkeypatch.setattr(client, "call", small_pages)
        assert [user.metadata["n"] for user in staff.users()] == list(range(7))


def test_client_moves_collection_in_several_requests(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("face_comparison.client.collection_calls.IMPORT_BYTES", 20_000)
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


def test_async_client_matches_sync_client(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("face_comparison.client.collection_calls.IMPORT_BYTES", 20_000)

    async def use() -> None:
        async with AsyncClient(url) as client:
            staff = await client.create_collection("staff", metadata={"site": "Bern"})
            for number in range(5):
                enrolled = await staff.enroll(image(f"p{number}"), user_id=f"u-{number}", external_image_id="photo")
                assert enrolled.face_records[0].created
            assert [user.user_id async for user in staff.users()] == [f"u-{number}" for number in range(5)]
            assert [face.external_image_id async for face in staff.faces("u-3")] == ["photo"]
            found = await staff.search(image("p1*", "zoe"), max_matches=2)
            assert sorted(face.decision for face in found.faces) == ["match", "unknown"]
            assert (await staff.search(image("p1"), user_ids=["u-2"])).gallery_size == 1
            assert (await staff.verify("u-1", image("p1*"))).same_person
            assert (await staff.create_user("u-9", metadata={"n": 1})).face_count == 0
            changed = await staff.update_user("u-9", expires="2099-01-01")
            assert (changed.metadata, changed.expires is None) == ({"n": 1}, False)
            lines = [line async for line in staff.export_lines()]
            copy = await client.create_collection("copy")
            report = await copy.import_lines([*lines[:4], b"{bad", lines[4]])
            assert (report.imported_face_count, [each.line for each in report.errors]) == (5, [5])
            faces = [face.face_id async for face in copy.faces()]
            assert (await copy.delete_faces(faces[:2])).deleted_faces == tuple(faces[:2])
            receipt = await staff.delete_user("u-1")
            assert (await client.erasure(receipt.erasure_id)).state == "scrubbed"
            assert [each.face_count for each in await client.collections()] == [3, 4]
            assert (await staff.delete()).face_count == 4
            with pytest.raises(ServiceError, match="not_found"):
                await staff.user("u-1")
            with pytest.raises(ServiceError, match="not_found"):
                [line async for line in staff.export_lines()]

    anyio.run(use)


def test_sync_and_async_collections_have_same_methods() -> None:
    def signatures(kind: type) -> dict[str, list[str]]:
        methods = {name: value for name, value in vars(kind).items() if callable(value) and name[0] != "_"}
        return {
            name: [str(each) for each in inspect.signature(value).parameters.values()]
            for name, value in methods.items()
        }

    assert signatures(AsyncCollection) == signatures(Collection)
    assert {"collection", "create_collection", "collections", "erasure"} <= set(signatures(AsyncClient))


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
    monkeypatch.setattr(analyzers, "prepare_analyzer", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
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


def test_command_moves_collection(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
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


def test_failed_export_leaves_no_file(
    run: Callable[..., Result], people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("enroll", str(people), "--collection", "staff")
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "staff.ndjson"
    out.write_text("an earlier export")
    out.chmod(0o644)
    run("export", "--collection", "none", "--out", str(out), status=2)
    assert out.read_text() == "an earlier export"
    for kind in (LocalCollections, RemoteCollections):
        monkeypatch.setattr(kind, "export", lambda *_: iter([b"{}", *iter(_break, None)]))
    run("export", "--collection", "staff", "--out", str(out), status=130)
    assert out.read_text() == "an earlier export"
    monkeypatch.undo()
    monkeypatch.setattr(analyzers, "prepare_analyzer", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
    run("export", "--collection", "staff", "--out", str(out))
    assert len(out.read_text().splitlines()) == 4
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(folder.iterdir()) == [out]


def _break() -> None:
    raise KeyboardInterrupt


def test_export_follows_links_and_pipes(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
    run("enroll", str(people), "--collection", "staff")
    target, link = tmp_path / "real.ndjson", tmp_path / "link.ndjson"
    link.symlink_to(target)
    run("export", "--collection", "staff", "--out", str(link))
    assert link.is_symlink() and len(target.read_bytes().splitlines()) == 4
    run("export", "--collection", "staff", "--out", "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_import_accepts_edited_export(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
    run("enroll", str(people), "--collection", "staff")
    lines = run("export", "--collection", "staff").stdout_bytes.splitlines()
    edited = tmp_path / "edited.ndjson"
    edited.write_bytes(codecs.BOM_UTF8 + b"\r\n\r\n".join(lines) + b"\r\n" + lines[0][:100])
    result = run("import", str(edited), "--collection", "copy", status=2)
    assert result.stdout == "4 imported, 0 unchanged, 1 failed\n"
    assert result.stderr.splitlines()[-1].startswith("line 8: ")


def test_command_without_store_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyzers, "prepare_analyzer", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
    result = CliRunner().invoke(main, ["collection", "list"])
    assert result.exit_code == 2 and "--collections" in result.stderr and "--service" in result.stderr


@pytest.mark.parametrize(
    ("folder", "user_id"),
    [("anna", "anna"), ("Bert Müller", "Bert_Muller"), ("o'Neil, Pat", "o_Neil_Pat"), ("org:7", "org:7"), ("..a", "a")],
)
def test_folder_names_become_user_ids(folder: str, user_id: str) -> None:
    assert user_id_of(folder) == user_id


@pytest.mark.parametrize(
    ("one", "other", "start"),
    [
        ("张伟", "李娜", "person-"),
        ("张伟 (A)", "李娜 (A)", "A-"),
        ("Großmann", "Gromann", "Gro"),
        ("Łukasz", "ukasz", "ukasz"),
        (os.fsdecode(b"Ren\xe9"), "Ren", "Ren-"),
        ("x" * 150 + "1", "x" * 150 + "2", "x" * 100),
    ],
    ids=ascii,
)
def test_names_that_are_not_ascii_or_long_have_ids_of_their_own(one: str, other: str, start: str) -> None:
    ids = {user_id_of(one), user_id_of(other)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[a-zA-Z0-9_.\-:]{1,128}", each) for each in ids)
    assert user_id_of(one).startswith(start)


@pytest.mark.parametrize("name", ["김민수", "Łukasz Żółć", "é" * 150], ids=["Korean", "Polish", "long"])
def test_unicode_form_of_folder_name_does_not_matter(name: str) -> None:
    """Systems differ in it: a folder that was copied from macOS to Linux is still that of the same person."""
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert user_id_of(composed) == user_id_of(decomposed)


def test_files_in_no_folder_of_person_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "loose.jpg").touch()
    (tmp_path / ".hidden").touch()
    assert people_of(tmp_path) == {"anna": []}
    assert capsys.readouterr().err == f"skipped 1 file in {tmp_path} itself, which is no person's folder\n"
    (tmp_path / "other.jpg").touch()
    people_of(tmp_path)
    assert capsys.readouterr().err.startswith("skipped 2 files in ")


def test_folders_with_equal_user_ids_are_rejected(tmp_path: Path) -> None:
    for name in ("a b", "a_b"):
        (tmp_path / name).mkdir()
    with pytest.raises(click.UsageError, match="would both be"):
        people_of(tmp_path)
    with pytest.raises(click.UsageError, match="one per person"):
        people_of(tmp_path / "a b")
