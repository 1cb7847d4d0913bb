"""Tables and the drawing about collections, from docs/data/collections.json, written by `make bench-collections`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devtools.docs.api import manifest
from devtools.docs.measured import DATA, read
from devtools.docs.tables import table
from face_comparison.collections.calibration import UNMEASURED, stated_strangers
from face_comparison.collections.thresholds import Strangers, search_threshold, take_over

OUTPUT = DATA.parent / "images" / "collections.svg"
RATE = 0.01
GALLERIES = (50, 100, 200, 500, 1_000, 10_000)
OWN_PEOPLE = 200
"""The fewest that are measured themselves: what a collection of more people gets is more lenient still."""

LEFT, RIGHT, TOP, BOTTOM = 70.0, 700.0, 30.0, 300.0
WIDTH, HEIGHT = 760, 360
INK, EMBEDDED, POSTGRESQL = "#7a7a7a", "#2f8f5b", "#c2703d"
FASTEST, SLOWEST = 0.1, 10_000.0


def identification() -> str:
    """Returns how often a search for a stranger returns a match, by number of faces and requested rate."""
    rows = [
        [
            f"{row['faces']:,}",
            f"{100 * row['requested']:g} %",
            f"{row['threshold']:.2f}: {_percent(row['observed'])}",
            f"{row['own_threshold']:.2f}: {_percent(row['own_observed'])}" if "own_threshold" in row else "-",
            _percent(row["pair_threshold"]),
        ]
        for row in read("collections")["identification"]
    ]
    return table(["faces", "requested", "the bundle's people", "own people", "threshold of a pair"], rows)


def recall() -> str:
    """Returns the fraction of the measured pairs of one person that a search still recognizes, by number of faces."""
    rows = []
    for faces in GALLERIES:
        row = [f"{faces:,}"]
        for own in (False, True):
            if own and faces < OWN_PEOPLE:
                row += ["-"] * 3
                continue
            threshold, *found = recognized(faces, own=own)
            row += [f"{threshold:.2f}", *(f"{rate:.0%}" for rate in found)]
        rows.append(row)
    headings = ["as taken", "degraded"]
    return table(["faces", "threshold", *headings, "with 200 own people", *headings], rows)


def recognized(faces: int, *, own: bool) -> tuple[float, float, float]:
    """Computes the threshold of a search at RATE among this number of faces, and what it recognizes.

    Args:
        faces: Number of faces that are compared.
        own: Whether the population was measured on OWN_PEOPLE of the collection itself.

    Returns:
        The threshold (Euclidean distance), and the fractions (0-1) of the measured pairs of one person within it: of
        images as taken, and of degraded ones.
    """
    pairs = read("accuracy")["pairs"]
    taken = pairs["as taken"]["same"]
    worse = [distance for name, kinds in pairs.items() if name != "as taken" for distance in kinds["same"]]
    strangers = _bundle()
    if own:
        people = Strangers(strangers.mean, strangers.deviation, OWN_PEOPLE * (OWN_PEOPLE - 1) // 2)
        strangers = take_over(strangers, people)
    threshold = search_threshold(strangers, faces, RATE, manifest().comparison.threshold).threshold
    first, second = (sum(each <= threshold for each in group) / len(group) for group in (taken, worse))
    return threshold, first, second


def costs() -> str:
    """Returns the cost of searches and imports, beside that of the plain equivalent."""
    rows = []
    for size, row in read("collections")["sizes"].items():
        imports = [_import(row.get(f"{store}_import")) for store in ("embedded", "postgresql")]
        rows.append(
            [
                f"{int(size):,}",
                f"{row['embedded_ms']:.1f} ms ({row['numpy_ms']:.1f})",
                f"{row['embedded_memory_mb']:.0f} MB",
                f"{row['postgresql_ms']:.1f} ms ({row['sql_ms']:.1f})",
                *imports,
            ]
        )
    headings = ["embedded search", "memory per worker", "PostgreSQL search", "embedded import", "PostgreSQL import"]
    return table(["faces", *headings], rows)


def drawing() -> str:
    """Returns the duration of a search by number of faces, on logarithmic scales, as SVG."""
    sizes = {int(size): row for size, row in read("collections")["sizes"].items()}
    curves = (
        ("PostgreSQL", "postgresql_ms", POSTGRESQL, ""),
        ("plain SQL query", "sql_ms", POSTGRESQL, "5 4"),
        ("embedded", "embedded_ms", EMBEDDED, ""),
        ("plain product", "numpy_ms", EMBEDDED, "5 4"),
    )
    parts = [*_axes(sizes)]
    for number, (name, key, color, dashes) in enumerate(curves):
        points = " ".join(f"{_x(size):.1f},{_y(row[key]):.1f}" for size, row in sizes.items())
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2.5"{dashed}/>')
        y = TOP + 10 + 22 * number
        parts.append(
            f'<line x1="{LEFT + 20}" y1="{y}" x2="{LEFT + 60}" y2="{y}" stroke="{color}" stroke-width="2.5"{dashed}/>'
        )
        parts.append(_text(LEFT + 70, y + 5, name, "start"))
    title = "Time of one search by number of enrolled faces, in both stores and by the plain way of doing the same"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif">'
    )
    return "\n".join([head, f"<title>{title}</title>", *parts, "</svg>\n"])


def generated_files() -> dict[Path, str]:
    """Returns the drawing, by path."""
    return {OUTPUT: drawing()}


def _bundle() -> Strangers:
    stated = manifest().comparison.strangers
    return UNMEASURED if stated is None else stated_strangers(stated)


def _percent(rate: float) -> str:
    return f"{100 * rate:.0f} %" if rate >= 0.1 else f"{100 * rate:.3f} %"


def _import(took: dict[str, float] | None) -> str:
    if took is None:
        return "-"
    processor = f", {took['import_processor']:.1f} s of the processor" if "import_processor" in took else ""
    return f"{took['import']:.1f} s ({took['bare_json'] + took['bare_insert']:.1f}){processor}"


def _axes(sizes: dict[int, Any]) -> Iterator[str]:
    yield f'<line x1="{LEFT}" y1="{BOTTOM}" x2="{RIGHT}" y2="{BOTTOM}" stroke="{INK}"/>'
    yield f'<line x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{BOTTOM}" stroke="{INK}"/>'
    for size in sizes:
        yield f'<line x1="{_x(size):.1f}" y1="{BOTTOM}" x2="{_x(size):.1f}" y2="{BOTTOM + 5}" stroke="{INK}"/>'
        yield _text(_x(size), BOTTOM + 22, f"{size:,}")
    for power in range(-1, 5):
        y = _y(10.0**power)
        yield f'<line x1="{LEFT - 5}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="{INK}" stroke-opacity="0.25"/>'
        yield _text(LEFT - 10, y + 5, f"{10.0**power:g} ms", "end")
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 46, "enrolled faces")


def _x(size: float) -> float:
    return LEFT + (RIGHT - LEFT) * (math.log10(size) - 3) / 3


def _y(milliseconds: float) -> float:
    part = (math.log10(max(milliseconds, FASTEST)) - math.log10(FASTEST)) / math.log10(SLOWEST / FASTEST)
    return BOTTOM - (BOTTOM - TOP) * part


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="14" fill="{INK}">{words}</text>'
