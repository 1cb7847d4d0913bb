"""Draws the distance between rotated and upright faces, docs/data/rotation.json, as an SVG for the documentation."""

from __future__ import annotations

from pathlib import Path

from devtools.docs.measured import DATA, read

OUTPUT = DATA.parent / "images" / "rotation.svg"

LEFT, RIGHT, TOP, BOTTOM = 50.0, 720.0, 30.0, 250.0
WIDTH, HEIGHT = 760, 310
HIGHEST = 1.2
COLORS = {"as taken": "#2f8f5b", "80 px": "#c2703d", "60 px": "#4a6fb5"}
NAMES = {"as taken": "as taken", "80 px": "80 px high in 1920x1080", "60 px": "60 px high in 1920x1080"}
INK = "#7a7a7a"


def drawing() -> str:
    """Returns the mean and the maximum distance by angle for both sizes, and the threshold."""
    measured = read("rotation")
    parts = [
        f'<line x1="{LEFT}" y1="{BOTTOM}" x2="{RIGHT}" y2="{BOTTOM}" stroke="{INK}"/>',
        f'<line x1="{LEFT}" y1="{_y(measured["threshold"]):.1f}" x2="{RIGHT}" y2="{_y(measured["threshold"]):.1f}" '
        f'stroke="{INK}" stroke-width="2" stroke-dasharray="6 4"/>',
        _text(LEFT + 90, _y(measured["threshold"]) - 8, f"threshold {measured['threshold']:g}"),
        _text((LEFT + RIGHT) / 2, BOTTOM + 46, "rotation in degrees; distance from the same face upright"),
    ]
    for angle in range(-180, 181, 45):
        parts.append(_text(_x(angle), BOTTOM + 22, str(angle)))
    for tenths in range(0, 12, 2):
        parts.append(_text(LEFT - 22, _y(tenths / 10) + 5, f"{tenths / 10:.1f}"))
    for number, (size, rows) in enumerate(measured["sizes"].items()):
        for key, dash in (("mean", ""), ("worst", ' stroke-dasharray="2 4"')):
            points = " ".join(f"{_x(int(angle)):.1f},{_y(row[key]):.1f}" for angle, row in rows.items())
            parts.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[size]}" stroke-width="2"{dash}/>')
        parts.append(_text(RIGHT - 130, TOP + 40 + 20 * number, f"{NAMES[size]}: mean, worst dotted", COLORS[size]))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif">'
    )
    title = "Distance of a rotated face from the same face upright, by rotation, below the threshold at every angle"
    return "\n".join([head, f"<title>{title}</title>", *parts, "</svg>\n"])


def _x(angle: float) -> float:
    return LEFT + (RIGHT - LEFT) * (angle + 180) / 360


def _y(distance: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * distance / HIGHEST


def _text(x: float, y: float, words: str, color: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="14" fill="{color}">{words}</text>'


def generated_files() -> dict[Path, str]:
    """Returns the drawing, by path."""
    return {OUTPUT: drawing()}
