"""The faces of an album as tables for other programs: CSV for spreadsheets, Parquet with the hashes.

In CSV the 768 numbers of a hash would add 10 kB to every row; whoever computes with them can read Parquet. Names are
those of the service's responses. A path starts with `./`, which also keeps a spreadsheet from interpreting one such as
`=1+1.jpg` as a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from face_comparison.album import names, people
from face_comparison.album.faces import Entry, Skipped
from face_comparison.api.limits import HASH_SIZE

_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("link", pa.string()),
        ("person", pa.string()),
        ("name", pa.string()),
        ("face", pa.string()),
        *((name, pa.float64()) for name in ("Left", "Top", "Width", "Height", "Confidence")),
        *((name, pa.float64()) for name in ("Sharpness", "Brightness", "FaceSize")),
        ("sha256", pa.string()),
        ("FaceModelVersion", pa.string()),
    ]
)
_HASH = pa.field("face_hash", pa.list_(pa.float32(), HASH_SIZE))

COLUMNS: tuple[str, ...] = tuple(_SCHEMA.names)
"""Of the CSV; the Parquet file has `face_hash` besides."""


def faces_csv(entries: Iterable[Entry], folder: Path, out: Path) -> bytes:
    """Returns one row per face as CSV."""
    return _csv(COLUMNS, (_row(each, folder, out) for each in entries))


def faces_parquet(entries: Sequence[Entry], folder: Path, out: Path) -> bytes:
    """`face_hash` is a list of fixed size of float32."""
    columns = list(zip(*(_row(each, folder, out) for each in entries), strict=True)) or [()] * len(COLUMNS)
    hashes = np.stack([each.face.face_hash for each in entries]) if entries else np.empty((0, HASH_SIZE), np.float32)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
    arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(hashes.ravel(), pa.float32()), HASH_SIZE))
    data = io.BytesIO()
    parquet.write_table(pa.table(arrays, schema=_SCHEMA.append(_HASH)), data, compression="zstd")
    return data.getvalue()


def skipped_csv(skipped: Iterable[Skipped], folder: Path, out: Path) -> bytes:
    """Returns one row per skipped file as CSV."""
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
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name


def _path(path: Path) -> str:
    return f"./{names.text(path)}"


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
