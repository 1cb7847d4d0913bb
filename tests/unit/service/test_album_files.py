"""Images are known by their first bytes; nothing in a folder stops the rest from being found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from face_comparison.album import files
from face_comparison.album.database import NAME
from face_comparison.album.faces import Skipped

JPEG, PNG, BMP = b"\xff\xd8\xff\xe0" + bytes(20), b"\x89PNG\r\n\x1a\n" + bytes(20), b"BM" + bytes(20)


def found(folder: Path, without: Path = Path("/nowhere")) -> dict[str, str]:
    """Code by path; empty for images."""
    return {
        os.fsdecode(each.path if isinstance(each, Skipped) else each): each.code if isinstance(each, Skipped) else ""
        for each in files.images(folder, without)
    }


def test_images_are_found_by_content_in_name_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, data in {"c.txt": JPEG, "b/x": PNG, "a.BMP": BMP, "d.jpg": b"<html>", "e.png": b""}.items():
        (tmp_path / name).write_bytes(data)
    assert list(found(tmp_path).items()) == [
        ("a.BMP", ""),
        ("b/x", ""),
        ("c.txt", ""),
        ("d.jpg", "unsupported_format"),
        ("e.png", "unsupported_format"),
    ]


def test_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    [skipped] = files.images(tmp_path, Path("/nowhere"))
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "it is empty"


def test_hidden_folders_are_reported_once(tmp_path: Path) -> None:
    (tmp_path / ".thumbs" / "deep").mkdir(parents=True)
    (tmp_path / ".thumbs" / "x.jpg").write_bytes(JPEG)
    (tmp_path / ".x.jpg").write_bytes(JPEG)
    assert found(tmp_path) == {".thumbs": "hidden", ".x.jpg": "hidden"}


@pytest.mark.parametrize("name", ["@eaDir", "$RECYCLE.BIN", "__MACOSX"])
def test_folders_of_systems_are_skipped(tmp_path: Path, name: str) -> None:
    (tmp_path / "trip" / name / "x.jpg").mkdir(parents=True)
    (tmp_path / "trip" / name / "x.jpg" / "thumbnail.jpg").write_bytes(JPEG)
    (tmp_path / "trip" / "x.jpg").write_bytes(JPEG)
    assert found(tmp_path) == {f"trip/{name}": "hidden", "trip/x.jpg": ""}


def test_only_links_to_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(JPEG)
    (tmp_path / "link.jpg").symlink_to("x.jpg")
    (tmp_path / "round").symlink_to(".")
    (tmp_path / "gone.jpg").symlink_to("nothing")
    assert found(tmp_path) == {
        "gone.jpg": "unreadable",
        "link.jpg": "",
        "round": "linked_folder",
        "x.jpg": "",
    }


def test_special_files_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert found(tmp_path) == {"pipe.jpg": "unreadable"}


def test_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is unreadable: the system is made to refuse."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "x.jpg").write_bytes(JPEG)
    scan = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert found(tmp_path) == {"closed": "unreadable", "x.jpg": ""}


def test_album_files_are_skipped(tmp_path: Path) -> None:
    for name in ("album", "photos/album"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.jpg").write_bytes(JPEG)
    assert found(tmp_path, tmp_path / "album") == {"photos/album/x.jpg": ""}


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n<.jpg")
    (tmp_path / name).write_bytes(JPEG)
    assert found(tmp_path) == {name: ""}


def test_file_too_long_for_memory_is_reported(tmp_path: Path) -> None:
    with (tmp_path / "x.jpg").open("wb") as file:
        file.write(JPEG)
        file.truncate(files.LARGEST_BYTES + 1)
    assert found(tmp_path) == {"x.jpg": "image_too_large"}


def test_files_are_written_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.html"
    files.write(path, b"old")

    def half(self: Path, data: bytes) -> None:
        with self.open("wb") as file:
            file.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["album", "2019/earlier album", "a/b/c"])
def test_earlier_albums_are_skipped(tmp_path: Path, place: str) -> None:
    album = tmp_path / place
    (album / "faces").mkdir(parents=True)
    (album / "person 1").mkdir()
    (album / NAME).touch()
    (album / "faces" / "0123-0.jpg").write_bytes(JPEG)
    (album / "person 1" / "x.jpg").symlink_to(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes(JPEG)
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "y.jpg").write_bytes(JPEG)
    assert found(tmp_path) == {"faces/y.jpg": "", "x.jpg": ""}
