"""The installed `face-comparison album`: real models and photographs, Ctrl-C, a real service, unusual files."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pyarrow import parquet

from devtools.photos import collection, samples
from support.served import LIMIT, Served, until

PROGRAM = str(Path(sys.executable).with_name("face-comparison"))
KEY = "secret-of-anna"


@pytest.fixture(scope="module")
def photographs() -> dict[str, Path]:
    return samples.photographs()


def run(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "album", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, **environ},
    )


def rows(out: Path, name: str = "faces.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def analyzed(ended: subprocess.CompletedProcess[str]) -> int:
    assert ended.returncode == 0, ended.stderr
    message = re.search(r"\((\d+) analyzed in this run\)", ended.stdout)
    assert message, ended.stdout
    return int(message[1])


def kept(out: Path) -> int:
    """Returns the images in the database of a finished run."""
    with closing(sqlite3.connect(out / "album.sqlite")) as database:
        return int(database.execute("SELECT count(*) FROM images").fetchone()[0])


def test_people_are_grouped_and_files_written(photographs: dict[str, Path], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("obama.jpg", "obama2.jpg", "biden.jpg", "table.jpg", "astronaut.png"):
        shutil.copy(photographs[name], photos)
    shutil.copy(photographs["biden.jpg"], photos / "biden again.jpg")
    ended = run(photos, "--out", tmp_path / "album", "--links")
    assert (ended.stderr, analyzed(ended)) == ("", 5)
    out = tmp_path / "album"
    people = {row["path"]: row["person"] for row in rows(out) if row["path"] != "./table.jpg"}
    assert people["./obama.jpg"] == people["./obama2.jpg"] == "person-001"
    # A copy does not count as a second sighting.
    assert people["./biden.jpg"] == people["./biden again.jpg"] == people["./astronaut.png"] == ""
    table = parquet.read_table(out / "faces.parquet")
    assert len(table) == len(rows(out)) == 11
    assert {link.name: link.resolve() for link in (out / "people/person-001").iterdir()} == {
        name: (photos / name).resolve() for name in ("obama.jpg", "obama2.jpg")
    }
    assert {path.name for path in out.iterdir()} == {
        *("album.sqlite", "faces", "faces.csv", "faces.parquet", "index.html", "people", "skipped.csv")
    }


def test_unusable_files_are_listed(photographs: dict[str, Path], tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "album"
    photos.mkdir()
    whole = photographs["obama.jpg"].read_bytes()
    (photos / "good.jpg").write_bytes(whole)
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "notes.jpg").write_text("no image")
    (photos / ".hidden.jpg").write_bytes(whole)
    (photos / "gone.jpg").symlink_to("nothing")
    import cv2
    import numpy as np

    cv2.imwrite(str(photos / "sky.png"), np.full((300, 400, 3), 200, np.uint8))
    odd = os.fsdecode(b"bad \xff\n\x1b[31m<i>.jpg")
    (photos / odd).write_bytes(whole[: len(whole) // 3])
    ended = run(photos, "--out", out)
    assert ended.returncode == 0, ended.stderr
    codes = {row["path"]: row["code"] for row in rows(out, "skipped.csv")}
    assert codes == {
        "./.hidden.jpg": "hidden",
        "./bad \N{REPLACEMENT CHARACTER}\n\x1b[31m<i>.jpg": "corrupt_image",
        "./cut.jpg": "corrupt_image",
        "./gone.jpg": "unreadable",
        "./notes.jpg": "unsupported_format",
        "./sky.png": "no_face",
    }
    assert "cut.jpg: corrupt_image: " in ended.stdout
    assert "bad \N{REPLACEMENT CHARACTER}␊␛[31m<i>.jpg: corrupt_image" in ended.stdout
    assert "sky.png" not in ended.stdout  # only counted
    assert "1 no_face" in ended.stdout
    assert [row["path"] for row in rows(out)] == ["./good.jpg"]
    assert analyzed(run(photos, "--out", out)) == 0  # nor are damaged files analyzed twice


def test_photographs_of_any_camera_are_used(photographs: dict[str, Path], tmp_path: Path) -> None:
    """Six times larger than a service accepts: 7,680 pixels wide."""
    import cv2

    (tmp_path / "photos").mkdir()
    image = cv2.imread(str(photographs["table.jpg"]))
    assert image is not None
    cv2.imwrite(str(tmp_path / "photos" / "large.jpg"), cv2.resize(image, None, fx=6, fy=6))
    assert analyzed(run(tmp_path / "photos", "--out", tmp_path / "album")) == 1
    found = rows(tmp_path / "album")
    assert len(found) == 6
    assert all(500 < float(row["FaceSize"]) < 900 for row in found)  # of the photograph, not of the smaller copy


def test_run_resumes_after_ctrl_c(tmp_path: Path) -> None:
    folder, places = collection.make_collection(40)
    out = tmp_path / "album"
    process = subprocess.Popen(
        [PROGRAM, "album", str(folder), "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: (out / "faces").is_dir() and len(list((out / "faces").iterdir())) > 5, "faces are found")
        process.send_signal(signal.SIGINT)
        message, errors = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert (process.returncode, message) == (130, "")
    assert errors == "interrupted: the results so far are saved; run the same command again to continue\n"
    assert not (out / "index.html").exists()
    first = kept(out)
    assert 2 < first < len(places)
    assert analyzed(run(folder, "--out", out)) == len(places) - first
    assert (out / "index.html").is_file()
    # As without the interruption.
    whole = tmp_path / "whole"
    assert analyzed(run(folder, "--out", whole)) == len(places)
    assert rows(whole) == rows(out)
    assert {path.name for path in (out / "faces").iterdir()} == {path.name for path in (whole / "faces").iterdir()}


def test_killed_run_loses_few_images(tmp_path: Path) -> None:
    folder, places = collection.make_collection(40)
    out = tmp_path / "album"
    process = subprocess.Popen([PROGRAM, "album", str(folder), "--out", str(out)])
    try:
        until(lambda: (out / "faces").is_dir() and len(list((out / "faces").iterdir())) > 30, "faces are found")
    finally:
        process.kill()
        process.wait()
    first = kept(out)
    assert 16 <= first < len(places)
    assert analyzed(run(folder, "--out", out)) == len(places) - first


def test_only_new_photographs_are_analyzed(photographs: dict[str, Path], tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "album"
    photos.mkdir()

    def add(name: str, as_: str) -> None:
        shutil.copy(photographs[name], photos / as_)

    def people() -> dict[str, str]:
        return {row["path"]: row["person"] for row in rows(out)}

    add("obama.jpg", "m.jpg")
    add("obama2.jpg", "n.jpg")
    assert analyzed(run(photos, "--out", out)) == 2
    assert people() == {"./m.jpg": "person-001", "./n.jpg": "person-001"}
    # A larger group, whose names sort first.
    for number in range(3):
        import cv2
        import numpy

        cv2.imwrite(str(photos / f"a{number}.png"), numpy.asarray(cv2.imread(str(photographs["biden.jpg"])))[number:])
    assert analyzed(run(photos, "--out", out)) == 3
    assert people() == {f"./a{number}.png": "person-002" for number in range(3)} | {
        "./m.jpg": "person-001",
        "./n.jpg": "person-001",
    }
    # Renamed files are not new; removed ones are forgotten.
    (photos / "m.jpg").rename(photos / "renamed.jpg")
    (photos / "a0.png").unlink()
    assert analyzed(run(photos, "--out", out)) == 0
    assert people()["./renamed.jpg"] == "person-001"
    assert kept(out) == 4
    assert len(list((out / "faces").iterdir())) == 4
    # A deleted crop is recreated.
    next((out / "faces").iterdir()).unlink()
    assert analyzed(run(photos, "--out", out)) == 1
    assert len(list((out / "faces").iterdir())) == 4


def test_face_filters(photographs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(photographs["table.jpg"], tmp_path / "photos")
    out = tmp_path / "photos" / "album"  # within the photographs, but not one of them
    assert analyzed(run(tmp_path / "photos", "--out", out)) == 1
    sizes = sorted(float(row["FaceSize"]) for row in rows(out))
    assert analyzed(run(tmp_path / "photos", "--out", out, "--min-face", str(sizes[2]))) == 0
    assert len(rows(out)) == 4
    assert analyzed(run(tmp_path / "photos", "--out", out, "--min-confidence", "0.92")) == 0
    assert all(float(row["Confidence"]) >= 0.92 for row in rows(out))
    assert analyzed(run(tmp_path / "photos", "--out", out, "--threshold", "2")) == 0
    assert {row["person"] for row in rows(out)} == {""}  # all are faces of one image, so they are six people


# --- by a service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One worker, one thread, and a short queue: with eight in flight, most requests are rejected at first."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"anna:{KEY}\n")
    options = ["--auth", "api-key", "--api-keys-file", str(keys), "--queue", "1", "--workers", "1", "--threads", "1"]
    served = Served([PROGRAM, "serve", *options], {})
    try:
        yield served.wait_ready()
    finally:
        served.end()


def test_busy_service_gives_the_same_album(service: Served, photographs: dict[str, Path], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(collection.make_collection(40)[0], photos)
    shutil.copy(photographs["obama.jpg"], photos)
    whole = photographs["obama.jpg"].read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    url = f"{service.url}/prod"
    far = run(photos, "--out", tmp_path / "far", "--service", url, FACE_COMPARISON_API_KEY=KEY)
    near = run(photos, "--out", tmp_path / "near")
    assert analyzed(far) == analyzed(near) == 42
    assert rows(tmp_path / "far") == rows(tmp_path / "near")
    assert rows(tmp_path / "far", "skipped.csv") == rows(tmp_path / "near", "skipped.csv")
    tables = [parquet.read_table(tmp_path / name / "faces.parquet") for name in ("far", "near")]
    assert tables[0].equals(tables[1])
    # One run reuses the results of the other.
    assert analyzed(run(photos, "--out", tmp_path / "far")) == 0


def test_rejection_of_the_service_is_reported(service: Served, photographs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(photographs["obama.jpg"], tmp_path / "photos")
    ended = run(tmp_path / "photos", "--out", tmp_path / "album", "--service", f"{service.url}/prod", "--api-key", "no")
    assert ended.returncode == 2
    assert ended.stderr.startswith("service_unusable: forbidden: ")
    ended = run(tmp_path / "photos", "--out", tmp_path / "album", "--service", "ftp://x")
    assert ended.returncode == 2
    assert ended.stderr.startswith("service_unusable: ")
    assert not (tmp_path / "album").exists()


# --- errors


def test_foreign_output_folder_is_rejected(photographs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(photographs["obama.jpg"], tmp_path / "photos")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    ended = run(tmp_path / "photos", "--out", tmp_path / "site")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"album_unusable: {tmp_path}/site is neither empty nor an album")
    assert [path.read_text() for path in (tmp_path / "site").iterdir()] == ["mine"]


def test_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    ended = run(tmp_path / "photos", "--out", tmp_path / "album")
    assert ended.returncode == 2
    assert "contains no image" in ended.stderr
    assert not (tmp_path / "album").exists()
