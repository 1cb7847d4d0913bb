"""Tables of measurements of the face pipeline: rotated heads, detected faces, phantoms, and stability of hashes.

Each derives from a file in docs/data that the program of the same name writes.
"""

from __future__ import annotations

from devtools.docs.measured import read
from devtools.docs.tables import table

SIZES = ("large", "small")


def rotation() -> str:
    """Returns one row per angle, for images as taken and for small faces."""
    sizes = read("rotation")["sizes"]
    rows = []
    for angle in sizes["large"]:
        cells = []
        for size in SIZES:
            row = sizes[size][angle]
            cells += [
                f"{row['lost']} / {row['rejected']} of {row['faces']} ({row['mean']:.2f})",
                f"{row['new_accepted']} of {row['pairs']}",
            ]
        rows.append([f"{angle}°", *cells])
    head = "rotation", "as taken: not found / rejected", "new false matches"
    return table((*head, "70 px: not found / rejected", "new false matches"), rows)


def rotation_summary() -> str:
    """Returns the sums over all angles in one sentence."""
    parts = []
    for size, name in zip(SIZES, ("as taken", "at 70 px"), strict=True):
        rows = read("rotation")["sizes"][size].values()
        faces, lost, rejected, pairs, new = (
            sum(row[key] for row in rows) for key in ("faces", "lost", "rejected", "pairs", "new_accepted")
        )
        parts.append(
            f"{name} {lost} of {faces} faces were not found, {rejected} rejected, "
            f"and {new} of {pairs:,} pairs of different people newly matched"
        )
    return f"Over all angles: {'; '.join(parts)}."


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
