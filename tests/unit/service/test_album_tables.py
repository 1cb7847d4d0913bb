"""Names of every kind in tables and folders: readable, exact in links, harmless in spreadsheets."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from face_comparison.album import links, names, tables
from face_comparison.album.faces import Entry, Skipped
from face_comparison.api.responses import BoundingBox
from face_comparison.client.detection import DetectedFace
from support.faces import quality

ODD = [
    "plain.jpg",
    "=1+1.jpg",
    'quote",comma.jpg',
    "new\nline\r.jpg",
    "<b>&amp;%41?#.jpg",
    "中文/ü.jpg",
    os.fsdecode(b"latin-\xe9.jpg"),
]


def entry(path: str, person: int | None = 1) -> Entry:
    vector = np.arange(768, dtype=np.float32)
    face = DetectedFace(BoundingBox(0.1, 0.2, 0.3, 0.4), 0.9, vector, (), quality(1, 2, 3), "m-1")
    return Entry(Path(path), ("ab" * 32, 0), face, person)


FOLDER, OUT = Path("/photos"), Path("/out/album")


@pytest.mark.parametrize("name", ODD)
def test_links_lead_to_files(name: str) -> None:
    found = unquote_to_bytes(names.link(FOLDER / name, OUT))
    assert os.path.normpath(os.path.join(os.fsencode(OUT), found)) == os.fsencode(FOLDER / name)  # noqa: PTH118


def test_csv_round_trips(tmp_path: Path) -> None:
    data = tables.faces_csv([entry(name) for name in ODD] + [entry("x", None)], FOLDER, OUT)
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert tuple(rows[0]) == tables.COLUMNS
    assert [row["path"] for row in rows[:-2]] == [f"./{name}" for name in ODD[:-1]]
    assert rows[-2]["path"] == "./latin-\N{REPLACEMENT CHARACTER}.jpg"
    assert unquote_to_bytes(rows[-2]["link"]).endswith(b"latin-\xe9.jpg")
    assert (rows[0]["person"], rows[-1]["person"]) == ("person-001", "")
    assert (rows[0]["Left"], rows[0]["FaceModelVersion"]) == ("0.1", "m-1")
    assert not [line for line in data.decode().splitlines() if line[:1] in "=+@"]


@pytest.mark.parametrize("count", [0, 2])
def test_parquet_has_fixed_size_hashes(count: int) -> None:
    data = tables.faces_parquet([entry("x.jpg", 1), entry("y.jpg", None)][:count], FOLDER, OUT)
    table = parquet.read_table(io.BytesIO(data))
    assert table.schema.names == [*tables.COLUMNS, "face_hash"]
    assert table.schema.field("face_hash").type == pa.list_(pa.float32(), 768)
    assert len(table) == count
    if count:
        assert table.column("face_hash")[1].as_py() == list(range(768))
        assert table.column("person").to_pylist() == ["person-001", None]


def test_skipped_files_have_reasons() -> None:
    data = tables.skipped_csv([Skipped(Path("a\n.jpg"), "corrupt_image", "it is cut off, early")], FOLDER, OUT)
    (row,) = csv.DictReader(io.StringIO(data.decode(), newline=""))
    assert row == {
        "path": "./a\n.jpg",
        "link": "../../photos/a%0A.jpg",
        "code": "corrupt_image",
        "reason": "it is cut off, early",
    }


def test_names_are_shown_on_one_line() -> None:
    assert names.display_path(Path("a\nb\x1b[31m\x7f")) == "a␊b␛[31m␡"


# --- folders of links


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for name in ("a/x.jpg", "b/x.jpg", "b/X.JPG", os.fsdecode(b"c/\xff.jpg"), "c/" + "l" * 251 + ".jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_text(name.partition("/")[0])
    (tmp_path / "album").mkdir()
    return tmp_path / "photos"


def everything(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def test_equal_names_have_distinct_links(photographs: Path) -> None:
    out = photographs.parent / "album"
    links.replace(out, photographs, {"person-001": [*everything(photographs), Path("a/x.jpg")], "once": []})
    made = out / "people" / "person-001"
    assert sorted(link.resolve() for link in made.iterdir()) == sorted(
        photographs / path for path in everything(photographs)
    )
    assert all(link.is_symlink() and not os.path.isabs(link.readlink()) for link in made.iterdir())  # noqa: PTH117
    assert {"x.jpg", "X~2.JPG", "x~3.jpg"} < {link.name for link in made.iterdir()}
    assert (out / "people" / "once").is_dir()


def test_links_survive_moving_both_folders(photographs: Path, tmp_path: Path) -> None:
    links.replace(photographs.parent / "album", photographs, {"person-001": [Path("a/x.jpg")]})
    whole = tmp_path.rename(tmp_path.with_name(tmp_path.name + "-moved"))
    assert (whole / "album" / "people" / "person-001" / "x.jpg").read_text() == "a"


def test_new_links_replace_old_ones(photographs: Path) -> None:
    out = photographs.parent / "album"
    links.replace(out, photographs, {"person-001": [Path("a/x.jpg")], "person-002": [Path("b/x.jpg")]})
    links.replace(out, photographs, {"person-001": [Path("b/x.jpg")]})
    assert everything(out) == [Path("people/person-001/x.jpg")]
    links.replace(out, photographs, {})
    assert list(out.iterdir()) == []
    assert len(everything(photographs)) == 5


@pytest.mark.parametrize("possible", [["symlink_to"], ["symlink_to", "hardlink_to"]])
def test_unsupported_links_fall_back_to_copies(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, possible: list[str]
) -> None:
    def rejected(self: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    for name in possible:
        monkeypatch.setattr(Path, name, rejected)
    out = photographs.parent / "album"
    links.replace(out, photographs, {"person-001": [Path("a/x.jpg")]})
    made = out / "people" / "person-001" / "x.jpg"
    assert made.read_text() == "a"
    assert not made.is_symlink()
    assert made.samefile(photographs / "a/x.jpg") == (possible == ["symlink_to"])
