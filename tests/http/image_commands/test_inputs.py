"""What names an image to `detect` and `compare`: files, folders, patterns, lists, standard input, and URLs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.analyzer import image
from support.image_commands import lines, names, photograph, run
from support.servers import Server, redirect, reply


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
    result = run("detect", *arguments, stdin=photograph("anna"))
    assert (result.exit_code, names(result)) == (0, expected)


def test_detect_reads_list_from_stdin(here: Path) -> None:
    result = run("detect", "--files-from", "-", stdin=b"photos/deep/bert.jpg\nanna.jpg")
    assert (result.exit_code, names(result)) == (0, ["photos/deep/bert.jpg", "anna.jpg"])


def test_files_that_are_not_images_are_reported(here: Path) -> None:
    for number in range(7):
        (here / "photos" / f"x{number}.txt").touch()
    result = run("detect", "photos")
    assert result.exit_code == 0
    named = ", ".join(f"photos/{name}.txt" for name in ("notes", "x0", "x1", "x2", "x3"))
    assert result.stderr == f"8 files are not images: {named} and 3 more\n"


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
    result = run("detect", argument, "anna.jpg")
    assert (result.exit_code, names(result)) == (2, ["anna.jpg"])
    assert result.stderr.startswith(f"{name}: {code}: {message}")
    assert len(result.stderr.splitlines()) == 1
    compared = run("compare", "anna.jpg", argument, "photos/anna2.jpg", "--json")
    assert compared.exit_code == 2
    first, second = json.loads(compared.stdout)["Targets"]
    assert first["Error"]["code"] == code
    assert second["SamePerson"]
    source = run("compare", argument, "anna.jpg")
    assert (source.exit_code, source.stdout) == (2, "")
    assert source.stderr.startswith(f"{code}: {name}: {message}")


def test_source_without_face_is_reported(here: Path) -> None:
    result = run("compare", "photos/nobody.jpg", "anna.jpg")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "no_face: photos/nobody.jpg: no face was found in the image\n"


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
    result = run("detect", *urls)
    assert (result.exit_code, names(result)) == (0, urls)
    assert run("compare", urls[0], "anna.jpg", urls[2]).exit_code == 0
    assert run("compare", "anna.jpg", urls[1]).exit_code == 1


def test_failed_url_is_reported(here: Path, web: Server) -> None:
    gone = web.url("/gone.jpg")
    result = run("detect", gone, web.url("/anna.jpg"))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{gone}: url_fetch_failed: ")
    assert len(lines(result)) == 1
    large = run("detect", web.url("/anna.jpg"), FACE_COMPARISON_MAX_FETCH_BYTES="1024")
    assert large.exit_code == 0
    web.replies["/large.jpg"] = reply(bytes(2000))
    large = run("detect", web.url("/large.jpg"), FACE_COMPARISON_MAX_FETCH_BYTES="1024")
    assert large.stderr.startswith(f"{web.url('/large.jpg')}: body_too_large: ")
