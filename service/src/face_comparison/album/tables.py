"""Writes the faces of an album as tables for other programs: CSV for spreadsheets, Parquet with the hashes.

In CSV, the 768 numbers of a hash would add 10 kB to every row; programs that compute with hashes can read Parquet.
Columns are named as in the service's responses. A path starts with `./`, which also keeps a spreadsheet from
interpreting one such as `=1+1.jpg` as a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from arro3.core import Array, DataType, Field, Schema, Table, fixed_size_list_array
from arro3.io import write_parquet

from face_comparison.album import names, people
from face_comparison.album.faces import Entry, Skipped
from face_comparison.api.limits import HASH_SIZE

_TEXT, _NUMBER = DataType.utf8(), DataType.float64()
_FIELDS = (
    *(Field(name, _TEXT) for name in ("path", "link", "person", "name", "face")),
    *(Field(name, _NUMBER) for name in ("Left", "Top", "Width", "Height", "Confidence")),
    *(Field(name, _NUMBER) for name in ("Sharpness", "Brightness", "FaceSize")),
    *(Field(name, _TEXT) for name in ("sha256", "FaceModelVersion")),
)

COLUMNS: tuple[str, ...] = tuple(field.name for field in _FIELDS)
"""Columns of the CSV file; the Parquet file also has `face_hash`."""


def faces_csv(entries: Iterable[Entry], folder: Path, out: Path) -> bytes:
    """Returns a CSV file with one row per face.

    Args:
        entries: The faces.
        folder: The photographs.
        out: The album; links are relative to it.
    """
    return _csv(COLUMNS, (_row(each, folder, out) for each in entries))


def faces_parquet(entries: Sequence[Entry], folder: Path, out: Path) -> bytes:
    """Returns a Parquet file with one row per face; `face_hash` is a fixed-size list of float32.

    Args:
        entries: The faces.
        folder: The photographs.
        out: The album; links are relative to it.
    """
    columns = list(zip(*(_row(each, folder, out) for each in entries), strict=True)) or [()] * len(COLUMNS)
    arrays = [Array(column, field.type) for column, field in zip(columns, _FIELDS, strict=True)]
    hashes = [each.face.face_hash.astype(np.float32) for each in entries]
    # arro3 0.8 cannot create an empty array from NumPy.
    numbers = Array.from_numpy(np.concatenate(hashes)) if hashes else Array([], DataType.float32())
    vectors = fixed_size_list_array(numbers, HASH_SIZE)
    schema = Schema([*_FIELDS, Field("face_hash", vectors.type)])
    data = io.BytesIO()
    write_parquet(Table.from_arrays([*arrays, vectors], schema=schema), data, compression="zstd(1)")
    return data.getvalue()


def skipped_csv(skipped: Iterable[Skipped], folder: Path, out: Path) -> bytes:
    """Returns a CSV file with one row per skipped file.

    Args:
        skipped: The files.
        folder: The photographs.
        out: The album; links are relative to it.
    """
    rows = ((_path(each.path), names.link(folder / each.path, out), each.code, each.reason) for each in skipped)
    return _csv(("path", "link", "code", "reason"), rows)


def _row(entry: Entry, folder: Path, out: Path) -> tuple[object, ...]:
    face = entry.face
    return (
        _path(entry.path),
        names.link(folder / entry.path, out),
        None if entry.person is None else names.person(entry.person),
        _harmless(entry.name) or None,
        people.mark(entry.key, face),
        *(
            face.bounding_box.left,
            face.bounding_box.top,
            face.bounding_box.width,
            face.bounding_box.height,
            face.confidence,
        ),
        *(face.quality.sharpness, face.quality.brightness, face.quality.face_size),
        entry.key[0],
        face.face_model_version,
    )


def _harmless(name: str) -> str:
    """Returns a name that a spreadsheet does not interpret as a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name


def _path(path: Path) -> str:
    return f"./{names.text(path)}"


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
