"""Draws the distances of the measured pairs, docs/data/accuracy.json, as an SVG for the documentation.

It uses mid-tones only, so that one file is legible on white and on black.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from devtools.docs.api import manifest
from devtools.docs.measured import DATA, read
from face_comparison.vision.embedding import confidence

OUTPUT = DATA.parent / "images" / "distances.svg"

LEFT, RIGHT, TOP, BOTTOM = 40.0, 720.0, 40.0, 280.0
WIDTH, HEIGHT = 760, 340
FARTHEST, STEP = 1.6, 0.05
SAME, DIFFERENT, INK = "#2f8f5b", "#c2703d", "#7a7a7a"


def drawing() -> str:
    """Returns two histograms of distances, the default threshold, and the confidence by distance."""
    measured = read("accuracy")
    threshold = measured["threshold"]
    groups = measured["pairs"].values()
    kinds = {kind: [each for pairs in groups for each in pairs[kind]] for kind in ("same", "different")}
    bars = {kind: fractions(distances) for kind, distances in kinds.items()}
    highest = max(share for each in bars.values() for share in each)
    parts = [
        *_axis(),
        *_bars(bars["same"], highest, SAME),
        *_bars(bars["different"], highest, DIFFERENT),
        _curve(threshold),
        f'<line x1="{_x(threshold):.1f}" y1="{TOP - 8}" x2="{_x(threshold):.1f}" y2="{BOTTOM}" stroke="{INK}" '
        'stroke-width="2" stroke-dasharray="6 4"/>',
        _text(_x(threshold), TOP - 14, f"threshold {threshold:g}"),
        _text(_x(0.55), TOP + 60, f"one person: {len(kinds['same'])} pairs", SAME),
        _text(_x(1.51), TOP + 50, "two people:", DIFFERENT),
        _text(_x(1.51), TOP + 70, f"{len(kinds['different'])} pairs", DIFFERENT),
        _text(_x(0.3), TOP + 14, "confidence"),
    ]
    title = "Distances of measured pairs of one person and of two people, with the default threshold between them"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif">'
    )
    return "\n".join([head, f"<title>{title}</title>", *parts, "</svg>\n"])


def fractions(distances: list[float]) -> list[float]:
    """Returns the fraction of the distances in each bin."""
    counts = [0] * round(FARTHEST / STEP)
    for distance in distances:
        counts[int(distance / STEP)] += 1
    return [count / len(distances) for count in counts]


def _x(distance: float) -> float:
    return LEFT + (RIGHT - LEFT) * distance / FARTHEST


def _y(part: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * part


def _bars(values: list[float], highest: float, color: str) -> Iterator[str]:
    for number, value in enumerate(values):
        if value:
            left, right, top = _x(number * STEP), _x((number + 1) * STEP), _y(value / highest)
            yield (
                f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{right - left - 2:.1f}" height="{BOTTOM - top:.1f}" '
                f'fill="{color}" fill-opacity="0.75"/>'
            )


def _curve(threshold: float) -> str:
    scale = manifest().comparison.scale
    steps = [number * FARTHEST / 160 for number in range(161)]
    points = " ".join(f"{_x(each):.1f},{_y(confidence(each, threshold, scale)):.1f}" for each in steps)
    return f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="1.5"/>'


def _axis() -> Iterator[str]:
    yield f'<line x1="{LEFT}" y1="{BOTTOM}" x2="{RIGHT}" y2="{BOTTOM}" stroke="{INK}"/>'
    for tenths in range(0, 17, 2):
        x = _x(tenths / 10)
        yield f'<line x1="{x:.1f}" y1="{BOTTOM}" x2="{x:.1f}" y2="{BOTTOM + 5}" stroke="{INK}"/>'
        yield _text(x, BOTTOM + 22, f"{tenths / 10:.1f}")
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 46, "distance of two face hashes")


def _text(x: float, y: float, words: str, color: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="14" fill="{color}">{words}</text>'


def generated_files() -> dict[Path, str]:
    """Returns the drawing, by path."""
    return {OUTPUT: drawing()}
