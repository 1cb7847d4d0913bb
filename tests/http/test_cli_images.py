"""`detect` and `compare`: whatever names an image, by the models here and through a service, and how it is printed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from face_comparison.api import responses as api
from face_comparison.cli import analyzers, results
from face_comparison.cli.face_finder import Compared
from face_comparison.cli.image_options import OutputFile
from face_comparison.cli.inputs import Problem
from face_comparison.cli.main import main
from face_comparison.vision.types import Analysis
from support.analyzer import FakeAnalyzer, image
from support.running import Running
from support.server_thread import in_thread
from support.servers import Server, redirect, reply

JPEG = b"\xff\xd8\xff"


def photograph(*people: str) -> bytes:
    """A "file" that is a JPG by its first bytes, as folders want it."""
    return JPEG + image(*people)


class PhotographAnalyzer(FakeAnalyzer):
    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> Analysis:
        return super().analyze(data.removeprefix(JPEG), max_faces=max_faces, min_confidence=min_confidence)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A current folder with photographs, and models."""
    monkeypatch.setattr(analyzers, "load_analyzer", lambda given: (PhotographAnalyzer(), 2))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for name, people in {
        "anna.jpg": ["anna"],
        "photos/anna2.jpg": ["anna*"],
        "photos/deep/bert.jpg": ["bert", "carl"],
        "photos/nobody.jpg": [],
    }.items():
        (tmp_path / name).write_bytes(photograph(*people))
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path


def run(*arguments: str, stdin: bytes | None = None, **environ: str) -> Result:
    ended = CliRunner().invoke(main, arguments, input=stdin, env=environ)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended


def lines(ended: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.stdout.splitlines()]


def names(ended: Result) -> list[str]:
    return [line["Image"] for line in lines(ended)]


# --- what names images


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["anna.jpg"], ["anna.jpg"]),
        (["photos"], ["photos/anna2.jpg", "photos/deep/bert.jpg", "photos/nobody.jpg"]),
        (["photos/"], ["photos/anna2.jpg", "photos/deep/bert.jpg", "photos/nobody.jpg"]),
        (["photos/*.jpg"], ["photos/anna2.jpg", "photos/nobody.jpg"]),
        (["photos/**/*.jpg"], ["photos/anna2.jpg", "photos/deep/bert.jpg", "photos/nobody.jpg"]),
        (["photos/d[ef]ep", "anna.jp?"], ["photos/deep/bert.jpg", "anna.jpg"]),
        (["-"], ["-"]),
        (["--files-from", "list"], ["anna.jpg", "photos/deep/bert.jpg"]),
        (["photos/nobody.jpg", "--files-from", "list"], ["photos/nobody.jpg", "anna.jpg", "photos/deep/bert.jpg"]),
    ],
)
def test_detect_accepts_all_kinds_of_input(here: Path, arguments: list[str], expected: list[str]) -> None:
    (here / "list").write_text("anna.jpg\n\nphotos/deep\r\n")
    ended = run("detect", *arguments, stdin=photograph("anna"))
    assert (ended.exit_code, names(ended)) == (0, expected)


def test_detect_reads_list_from_stdin(here: Path) -> None:
    ended = run("detect", "--files-from", "-", stdin=b"photos/deep/bert.jpg\nanna.jpg")
    assert (ended.exit_code, names(ended)) == (0, ["photos/deep/bert.jpg", "anna.jpg"])


def test_files_that_are_not_images_are_reported(here: Path) -> None:
    for number in range(7):
        (here / "photos" / f"x{number}.txt").touch()
    ended = run("detect", "photos")
    assert ended.exit_code == 0
    named = ", ".join(f"photos/{name}.txt" for name in ("notes", "x0", "x1", "x2", "x3"))
    assert ended.stderr == f"8 files are not images: {named} and 3 more\n"


@pytest.mark.parametrize("shape", ["[a]*.jpg", "*.jpg", "what?.jpg"])
def test_file_named_like_pattern_is_read(here: Path, shape: str) -> None:
    (here / shape).write_bytes(photograph("anna"))
    assert names(run("detect", shape)) == [shape]


@pytest.mark.parametrize(
    ("argument", "name", "code", "message"),
    [
        ("gone.jpg", "gone.jpg", "missing_image", "the file cannot be read: No such file or directory"),
        ("gone/*.jpg", "gone/*.jpg", "missing_image", "no file matches this pattern"),
        ("empty", "empty", "missing_image", "the folder contains no image"),
        ("notes.jpg", "notes.jpg", "unsupported_format", ""),
        ("damaged.jpg", "damaged.jpg", "corrupt_image", ""),
        ("two\nlines.jpg", "two␊lines.jpg", "missing_image", ""),
        ("s3://", "s3://", "url_not_allowed", ""),
        ("http://[", "http://[", "url_not_allowed", ""),
        ("http://u:p@localhost/x.jpg", "http://u:p@localhost/x.jpg", "url_not_allowed", ""),
        ("ftp://localhost/x.jpg", "ftp:/localhost/x.jpg", "missing_image", ""),
    ],
)
def test_unusable_images_are_reported_and_skipped(
    here: Path, argument: str, name: str, code: str, message: str
) -> None:
    (here / "empty").mkdir()
    (here / "notes.jpg").write_text("no image")
    (here / "damaged.jpg").write_bytes(b"corrupt")
    ended = run("detect", argument, "anna.jpg")
    assert (ended.exit_code, names(ended)) == (2, ["anna.jpg"])
    assert ended.stderr.startswith(f"{name}: {code}: {message}")
    assert len(ended.stderr.splitlines()) == 1
    compared = run("compare", "anna.jpg", argument, "photos/anna2.jpg", "--json")
    assert compared.exit_code == 2
    first, second = json.loads(compared.stdout)["Targets"]
    assert first["Error"]["code"] == code
    assert second["SamePerson"]
    source = run("compare", argument, "anna.jpg")
    assert (source.exit_code, source.stdout) == (2, "")
    assert source.stderr.startswith(f"{code}: {name}: {message}")


def test_source_without_face_is_reported(here: Path) -> None:
    ended = run("compare", "photos/nobody.jpg", "anna.jpg")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == "no_face: photos/nobody.jpg: no face was found in the image\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["detect"], "Missing argument 'IMAGE...'"),
        (["compare", "anna.jpg"], "Missing argument 'B...'"),
        (["detect", "-", "-"], "standard input (-) can be named only once"),
        (["detect", "-", "--files-from", "-"], "standard input (-) can be named only once"),
        (["compare", "-", "anna.jpg", "-"], "standard input (-) can be named only once"),
        (["detect", "--files-from", "gone"], "gone cannot be read: No such file or directory"),
        (["compare", "photos", "anna.jpg"], "A must be a single image, but photos matches 3"),
        (["compare", "anna.jpg", "anna.jpg", "--json", "--format", "csv"], "contradict each other"),
        (["detect", "anna.jpg", "--format", "xml"], "'xml' is not one of"),
        (["detect", "anna.jpg", "--max-faces", "0"], "0 is not in the range 1<=x<=100"),
        (["detect", "anna.jpg", "--draw", "gone/x.png"], "the folder gone does not exist"),
        (["compare", "anna.jpg", "anna.jpg", "--draw", "gone/x.png"], "the folder gone does not exist"),
        (["detect", "photos", "--draw", "x.png"], "--draw requires exactly one IMAGE"),
        (["detect", "anna.jpg", "--draw", "x.png", "--service", "http://x"], "--draw needs the models"),
        (["detect", "anna.jpg", "--api-key", "k"], "--api-key requires --service"),
        (["compare", "anna.jpg", "anna.jpg", "--api-key", "k"], "--api-key requires --service"),
        (["evaluate", ".", "--report", "gone/x.html"], "the folder gone does not exist"),
        (["evaluate", ".", "--json", "gone/x.json"], "the folder gone does not exist"),
        (["collection", "export", "--out", "gone/x"], "the folder gone does not exist"),
        (["detect", "anna.jpg", "--draw", "o.gif"], "written as PNG: its name must end in .png, not .gif"),
        (["compare", "anna.jpg", "anna.jpg", "--draw", "o.JPG"], "its name must end in .png, not .JPG"),
        (["evaluate", ".", "--report", "r.pdf"], "written as HTML: its name must end in .html or .htm, not .pdf"),
        (["evaluate", ".", "--json", "r.csv"], "written as JSON: its name must end in .json, not .csv"),
        (["detect", "anna.jpg", "--service", "http://x", "--precision", "float32"], "--precision has no effect with"),
        (["detect", "anna.jpg", "--service", "http://x", "--max-side", "9000"], "--max-side has no effect with"),
        (["compare", "anna.jpg", "anna.jpg", "--service", "http://x", "--bundle", "b"], "--bundle has no effect with"),
        (["album", ".", "--out", "out", "--service", "http://x", "--device", "cpu"], "--device has no effect with"),
        (["evaluate", ".", "--service", "http://x", "--engine", "auto"], "--engine has no effect with"),
        (["collection", "list", "--service", "http://x", "--collections", "sqlite:x"], "--collections has no effect"),
        (["collection", "list", "--collections", "sqlite:x", "--api-key", "k"], "--api-key requires --service"),
        (["detect", "anna.jpg", "--draw", "-"], "a file's name is needed"),
        (["collection", "export", "--out", "-"], "a file's name is needed"),
        (["bench", "--rounds", "0"], "0 is not in the range x>=1"),
        (["albun"], "No such command 'albun'. Did you mean 'album'?"),
        (["comparison"], "No such command 'comparison'. Did you mean 'compare'?"),
        (["models", "ftech"], "No such command 'ftech'. Did you mean 'fetch'?"),
        (["collection", "serach"], "No such command 'serach'. Did you mean 'search'?"),
        (["xyzzy"], "No such command 'xyzzy'.\n"),
    ],
)
def test_invalid_command_line_is_explained(here: Path, arguments: list[str], says: str) -> None:
    ended = run(*arguments, stdin=b"")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage:")
    assert says in ended.stderr


@pytest.mark.parametrize("name", ["o", "o.png", "o.PNG", "result.v2", "gate.2024", "o.final"])
def test_output_file_may_have_any_name_that_says_no_other_format(here: Path, name: str) -> None:
    assert OutputFile("PNG", ".png").convert(name, None, None) == Path(name)


@pytest.mark.parametrize("name", ["o.gif", "o.v2.JPEG", "o.svg", "o.pdf", "o.html", "o.csv"])
def test_output_file_that_says_another_format_is_rejected(here: Path, name: str) -> None:
    with pytest.raises(click.BadParameter, match=r"must end in \.png, not"):
        OutputFile("PNG", ".png").convert(name, None, None)


def test_help_shows_full_summaries() -> None:
    context = click.Context(main)
    shown = " ".join(run("--help", COLUMNS="80").stdout.split())
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert f"{name} {command.get_short_help_str(limit=10_000)}" in shown
    assert "..." not in shown.partition("Commands:")[2].replace("IMAGE...", "")


# --- URLs


@pytest.fixture
def web() -> Iterator[Server]:
    with Server.on_loopback() as server:
        server.replies["/anna.jpg"] = reply(image("anna"))
        server.replies["/signed.jpg"] = reply(image("bert"))
        server.replies["/moved.jpg"] = redirect("/anna.jpg")
        yield server


def test_urls_are_fetched_from_private_network(here: Path, web: Server) -> None:
    """The user may go wherever they like, unlike the callers of a service."""
    urls = [web.url("/anna.jpg"), web.url("/signed.jpg?key=secret"), web.url("/moved.jpg")]
    ended = run("detect", *urls)
    assert (ended.exit_code, names(ended)) == (0, urls)
    assert run("compare", urls[0], "anna.jpg", urls[2]).exit_code == 0
    assert run("compare", "anna.jpg", urls[1]).exit_code == 1


def test_failed_url_is_reported(here: Path, web: Server) -> None:
    gone = web.url("/gone.jpg")
    ended = run("detect", gone, web.url("/anna.jpg"))
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"{gone}: url_fetch_failed: ")
    assert len(lines(ended)) == 1
    large = run("detect", web.url("/anna.jpg"), FACE_COMPARISON_MAX_FETCH_BYTES="1024")
    assert large.exit_code == 0
    web.replies["/large.jpg"] = reply(bytes(2000))
    large = run("detect", web.url("/large.jpg"), FACE_COMPARISON_MAX_FETCH_BYTES="1024")
    assert large.stderr.startswith(f"{web.url('/large.jpg')}: body_too_large: ")


# --- how results are printed


def test_no_hash_omits_hash_only(here: Path) -> None:
    (whole,), (without,) = lines(run("detect", "anna.jpg")), lines(run("detect", "anna.jpg", "--no-hash"))
    for face in whole["Faces"]:
        assert len(face.pop("face_hash")) == 768
    assert without == whole


def test_max_faces_limits_faces(here: Path) -> None:
    assert [len(line["Faces"]) for line in lines(run("detect", "photos/deep"))] == [2]
    assert [len(line["Faces"]) for line in lines(run("detect", "photos/deep", "--max-faces", "1"))] == [1]
    (line,) = lines(run("detect", "photos/deep", FACE_COMPARISON_MIN_CONFIDENCE="0.99"))
    assert len(line["Faces"]) < 2


def test_csv_has_one_row_per_face(here: Path) -> None:
    (here / "=1+1.jpg").write_bytes(photograph("anna"))
    ended = run("detect", "photos", "=1+1.jpg", "gone.jpg", "--format", "csv")
    assert ended.exit_code == 2
    rows = list(csv.DictReader(io.StringIO(ended.stdout)))
    assert [(row["image"], row["face"]) for row in rows] == [
        ("photos/anna2.jpg", "1"),
        ("photos/deep/bert.jpg", "1"),
        ("photos/deep/bert.jpg", "2"),
        ("photos/nobody.jpg", ""),
        ("./=1+1.jpg", "1"),  # spreadsheets take the other for a formula
    ]
    assert rows[0]["FaceModelVersion"] == "fake-1"
    assert 0 < float(rows[0]["Width"]) < 1
    assert rows[0]["Reliable"] == "true"
    compared = run("compare", "anna.jpg", "photos", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(compared.stdout)))
    assert [(row["image"], row["SamePerson"], row["error"]) for row in rows] == [
        ("photos/anna2.jpg", "true", ""),
        ("photos/deep/bert.jpg", "false", ""),
        ("photos/nobody.jpg", "", "no_face"),
    ]


def test_table_has_one_line_per_face(here: Path) -> None:
    shown = run("detect", "photos", "--format", "table").stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [
        ["image", "face"],
        ["photos/anna2.jpg", "1"],
        ["photos/deep/bert.jpg", "1"],
        ["2", shown[3].split()[1]],
        ["photos/nobody.jpg", "none"],
    ]


def test_review_verdicts_are_marked() -> None:
    head = Compared(api.CompareResponse("fake-1", 1.128, api.SourceFace(), ()), 3)
    match = api.FaceMatch(distance=1.1, confidence=0.6, same_person=True, verdict="review")
    result = api.TargetMatch(True, 1.1, 0.6, "review", (match, match))
    outcomes: list[tuple[str, api.TargetMatch | Problem]] = [
        ("a.jpg", result),
        ("b.jpg", Problem("b.jpg", "no_face", "none")),
    ]
    shown = results.compare_table("s.jpg", head, outcomes)
    assert shown.splitlines()[0].startswith("Compared with s.jpg (the most prominent of 3 faces)")
    assert "same person (closest of 2); let a person check" in shown
    assert "no_face: none" in shown
    colored = results.compare_table("s.jpg", head, outcomes, color=True)
    assert click.unstyle(colored) == shown
    assert "\x1b[33m" in colored and "\x1b[31m" in colored


# --- through a service


@pytest.fixture
def service(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that wants a key, on loopback."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("anna:secret-of-anna\n")
    running = start(analyzer=PhotographAnalyzer(), auth="api-key", api_keys_file=str(keys), max_body_bytes=100_000)
    server = make_server("127.0.0.1", 0, running.client.application, threaded=True)
    with in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/prod"


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect", "photos", "anna.jpg", "gone.jpg"],
        ["detect", "photos", "--format", "csv"],
        ["detect", "photos", "--format", "table", "--max-faces", "1"],
        ["detect", "-", "--min-confidence", "0.9", "--no-hash"],
        ["compare", "anna.jpg", "photos", "--json"],
        ["compare", "anna.jpg", "photos/anna2.jpg", "gone.jpg", "damaged.jpg"],
        ["compare", "-", "photos/anna2.jpg", "--threshold", "0.1"],
        ["compare", "photos/nobody.jpg", "photos/anna2.jpg"],
        ["compare", "damaged.jpg", "photos/anna2.jpg"],
    ],
)
def test_service_and_local_output_are_equal(
    here: Path, service: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "damaged.jpg").write_bytes(b"corrupt")
    local = run(*arguments, stdin=photograph("anna"))
    monkeypatch.setattr(analyzers, "load_analyzer", lambda given: pytest.fail("models were loaded here"))
    remote = run(
        *arguments, stdin=photograph("anna"), FACE_COMPARISON_SERVICE=service, FACE_COMPARISON_API_KEY="secret-of-anna"
    )
    assert (remote.exit_code, remote.stdout, remote.stderr) == (local.exit_code, local.stdout, local.stderr)
    assert local.stdout or local.stderr


@pytest.mark.parametrize("command", [["detect"], ["compare", "anna.jpg"]])
def test_rejection_by_service_ends_command(here: Path, service: str, command: list[str]) -> None:
    refused = run(*command, "anna.jpg", "--service", service, "--api-key", "wrong")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("service_unusable: ")
    assert run(*command, "anna.jpg", "--service", "nonsense").stderr.startswith("service_unusable: the service's URL")


def test_image_too_large_for_service_is_skipped(here: Path, service: str) -> None:
    (here / "large.jpg").write_bytes(photograph("anna") + bytes(100_000))
    ended = run("detect", "large.jpg", "anna.jpg", "--service", service, "--api-key", "secret-of-anna")
    assert (ended.exit_code, names(ended)) == (2, ["anna.jpg"])
    assert ended.stderr == "large.jpg: body_too_large: the service accepts requests of at most 100,000 bytes\n"


def test_file_name_that_is_not_utf8_is_printed(here: Path) -> None:
    odd = os.fsdecode(b"latin1-\xe9.jpg")
    (here / odd).write_bytes(photograph("anna"))
    assert names(run("detect", odd)) == ["latin1-\N{REPLACEMENT CHARACTER}.jpg"]
