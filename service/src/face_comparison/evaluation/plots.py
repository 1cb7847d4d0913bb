"""Draws plots as inline SVG, without scripts or external requests; colors are CSS variables of the page. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 104, 42, 38, 56

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        label: Name of the quantity.
        low: Value at the start.
        high: Value at the end.
        ticks: Values that get a label.
        logarithmic: Whether the scale is logarithmic.
        percent: Whether labels are in percent.
    """

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    logarithmic: bool = False
    percent: bool = False

    def fraction(self, values: Points) -> Points:
        """Returns the positions of values between the start (0) and the end (1)."""
        values = np.clip(values, self.low, self.high)
        if self.logarithmic:
            return np.asarray(np.log(values / self.low) / math.log(self.high / self.low))
        return np.asarray((values - self.low) / (self.high - self.low))

    def text(self, value: float) -> str:
        """Returns the label of a tick."""
        if self.percent:
            return f"{100 * value:.7f}".rstrip("0").rstrip(".") + " %"
        return f"{value:,.10g}"


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points.

    Attributes:
        x: Coordinates in the units of the horizontal axis.
        y: Coordinates in the units of the vertical axis.
        kind: CSS class: `genuine`, `impostor`, or `plain`.
        label: Label in the legend; empty for none.
        filled: Whether to fill the area below the line.
    """

    x: Points
    y: Points
    kind: str
    label: str
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """The area between two curves, such as that of a confidence interval."""

    x: Points
    low: Points
    high: Points
    kind: str


@dataclass(frozen=True, slots=True)
class Marks:
    """Dots with error bars."""

    x: Points
    y: Points
    low: Points
    high: Points
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A vertical line, with a label at its top."""

    x: float
    label: str


def plot(
    title: str,
    axes: tuple[Axis, Axis],
    curves: Sequence[Curve],
    *,
    bands: Sequence[Band] = (),
    marks: Sequence[Marks] = (),
    lines: Sequence[Line] = (),
    note: str = "",
) -> str:
    """Returns an SVG element.

    Args:
        title: Text alternative for people who cannot see the plot.
        axes: The horizontal and the vertical axis.
        curves: Lines through points.
        bands: Areas, drawn behind the curves.
        marks: Dots with error bars.
        lines: Vertical lines.
        note: A sentence in the middle of the plot, for a plot that would otherwise be empty.
    """
    x, y = axes
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" class="plot">',
        *_grid(x, y),
        *(_band(band, x, y) for band in bands),
        *(_curve(curve, x, y) for curve in curves),
        *(part for each in marks for part in _marks(each, x, y)),
        *(part for number, line in enumerate(lines) for part in _line(line, x, number)),
        *_note(note),
        *_legend([*((each.kind, each.label) for each in curves), *((each.kind, each.label) for each in marks)]),
        "</svg>",
    ]
    return "\n".join(parts)


def _x(axis: Axis, values: Points) -> Points:
    return np.asarray(LEFT + axis.fraction(values) * (WIDTH - LEFT - RIGHT))


def _y(axis: Axis, values: Points) -> Points:
    return np.asarray(HEIGHT - BOTTOM - axis.fraction(values) * (HEIGHT - TOP - BOTTOM))


def _grid(x: Axis, y: Axis) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick, at in zip(x.ticks, _x(x, np.array(x.ticks)), strict=True):
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 20}" text-anchor="middle">{x.text(tick)}</text>')
    for tick, at in zip(y.ticks, _y(y, np.array(y.ticks)), strict=True):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y.text(tick)}</text>')
    middle, half = (LEFT + right) / 2, (TOP + bottom) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>')
    if y.label:
        parts.append(
            f'<text class="axis" transform="translate(13 {half}) rotate(-90)" text-anchor="middle">'
            f"{escape(y.label)}</text>"
        )
    parts.append(f'<path class="frame" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    return parts


def _path(x: Points, y: Points) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _curve(curve: Curve, x: Axis, y: Axis) -> str:
    at_x, at_y = _x(x, curve.x), _y(y, curve.y)
    path = _path(at_x, at_y)
    if curve.filled:
        bottom = HEIGHT - BOTTOM
        return (
            f'<path class="area {curve.kind}" d="{path}L{at_x[-1]:.1f} {bottom}L{at_x[0]:.1f} {bottom}Z"/>'
            f'<path class="curve {curve.kind}" d="{path}"/>'
        )
    return f'<path class="curve {curve.kind}" d="{path}"/>'


def _band(band: Band, x: Axis, y: Axis) -> str:
    forth, back = _path(_x(x, band.x), _y(y, band.low)), _path(_x(x, band.x[::-1]), _y(y, band.high[::-1]))
    return f'<path class="area {band.kind}" d="{forth}L{back[1:]}Z"/>'


def _marks(marks: Marks, x: Axis, y: Axis) -> list[str]:
    at_x, at_y = _x(x, marks.x), _y(y, marks.y)
    low, high = _y(y, marks.low), _y(y, marks.high)
    parts = []
    for index in range(len(at_x)):
        parts.append(f'<path class="curve {marks.kind}" d="M{at_x[index]:.1f} {low[index]:.1f}V{high[index]:.1f}"/>')
        parts.append(f'<circle class="dot {marks.kind}" cx="{at_x[index]:.1f}" cy="{at_y[index]:.1f}" r="4"/>')
    return parts


def _line(line: Line, x: Axis, number: int) -> list[str]:
    at = float(_x(x, np.array([line.x]))[0])
    anchor, shift = ("end", -5) if at > WIDTH * 0.75 else ("start", 5)
    y = TOP + 14 + 16 * number
    return [
        f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
        f'<text class="marked" x="{at + shift:.1f}" y="{y}" text-anchor="{anchor}">{escape(line.label)}</text>',
    ]


def _note(text: str) -> list[str]:
    if not text:
        return []
    x, y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    return [f'<text class="axis" x="{x}" y="{y}" text-anchor="middle">{escape(text)}</text>']


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    """Draws the legend in one line above the plot."""
    parts = []
    for number, (kind, label) in enumerate(entry for entry in entries if entry[1]):
        at = LEFT + 250 * number
        parts.append(f'<path class="curve {kind}" d="M{at} {TOP - 20}h24"/>')
        parts.append(f'<text x="{at + 32}" y="{TOP - 15}">{escape(label)}</text>')
    return parts
