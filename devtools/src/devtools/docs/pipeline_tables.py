"""Tables of measurements of the face pipeline: rotated heads, detected faces, phantoms, and stability of hashes.

Each derives from a file in docs/data that the program of the same name writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devtools.docs.measured import read
from devtools.docs.tables import table

SIZES = ("as taken", "80 px", "60 px")

MODERATE = 60
"""Angle in degrees up to which more is expected than beyond."""


def rotation() -> str:
    """Returns one row per angle, for images as taken and for small faces."""
    sizes = read("rotation")["sizes"]
    rows = []
    for angle in sizes[SIZES[0]]:
        cells = []
        for size in SIZES:
            row = sizes[size][angle]
            cells += [
                f"{row['lost']} / {row['rejected']} of {row['faces']} ({row['mean']:.2f})",
                f"{row['new_accepted']} of {row['pairs']}",
            ]
        rows.append([f"{angle}°", *cells])
    heads = [cell for size in SIZES for cell in (f"{size}: not found / rejected", "new false matches")]
    return table(("rotation", *heads), rows)


def rotation_summary() -> str:
    """Returns the sums over all angles, one row per size."""
    measured = read("rotation")
    rows = []
    for size in SIZES:
        by_angle = {int(angle): row for angle, row in measured["sizes"][size].items()}
        near = [row for angle, row in by_angle.items() if abs(angle) <= MODERATE]
        far = [row for angle, row in by_angle.items() if abs(angle) > MODERATE]
        new, pairs = (sum(row[key] for row in by_angle.values()) for key in ("new_accepted", "pairs"))
        rows.append([size, *map(_unrecognized, (near, far, [measured["hard"][size]])), f"{new} of {pairs:,}"])
    head = "faces", "not recognized up to 60°", "beyond 60°", "hard portraits, at any angle", "new false matches"
    return table(head, rows)


def _unrecognized(rows: Sequence[Mapping[str, Any]]) -> str:
    lost, faces = sum(row["lost"] + row["rejected"] for row in rows), sum(row["faces"] for row in rows)
    return f"{lost} of {faces}"


def recall() -> str:
    """Returns the number of detected faces by kind of image, now and at an earlier commit."""
    measured = read("recall")
    rows = [
        [kind, str(row["faces"]), str(measured["earlier"].get(kind, "")), str(row["found"]), str(row["others"])]
        for kind, row in measured["kinds"].items()
    ]
    return table(("images", "faces", "found by revision 1", "found", "found where none is"), rows)


def phantoms() -> str:
    """Returns the number of faces detected in images without any, by kind."""
    rows = [[kind, str(row["images"]), str(row["faces"])] for kind, row in read("phantoms")["kinds"].items()]
    total = [str(sum(int(row[column]) for row in rows)) for column in (1, 2)]
    return table(("images without a face", "images", "faces found"), [*rows, ["all", *total]])


def stability() -> str:
    """Returns distances between hashes and those computed in float32 throughout, by precision."""
    rows = [
        [name, str(row["faces"]), *(f"{row[key]:.3f}" for key in ("mean", "percentile_95", "maximum"))]
        for name, row in read("stability")["settings"].items()
    ]
    return table(("in low precision", "faces", "mean", "95th percentile", "maximum"), rows)
