"""Draws the plots of the report as SVG in the colors of the page: durations of steps, and load over time."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

Points = Sequence[tuple[float, float]]

WIDTH = 720.0
LABEL, FIGURE = 280.0, 56.0  # the text beside the bars: name and duration
ROW, BAR = 26.0, 16.0
LEFT, RIGHT, LANE, GAP = 44.0, 14.0, 110.0, 34.0


def waterfall(steps: Points, names: Sequence[str]) -> str:
    """Draws one bar per step, starting when the previous step ended; points are (from, to) in seconds."""
    end = max(until for _, until in steps)
    scale = (WIDTH - LABEL - FIGURE) / end
    height = len(steps) * ROW
    rows = [
        f'<line class="grid" x1="{LABEL + at * scale:.1f}" x2="{LABEL + at * scale:.1f}" y1="0" y2="{height:.0f}"/>'
        f'<text class="tick" x="{LABEL + at * scale:.1f}" y="{height + 14:.0f}" text-anchor="middle">{at:g} s</text>'
        for at in ticks(end)
    ]
    for number, ((begin, until), name) in enumerate(zip(steps, names, strict=True)):
        y, x = number * ROW, LABEL + begin * scale
        width = max(1.5, (until - begin) * scale)
        rows.append(
            f"<g><title>{html.escape(name)}: {until - begin:.2f} s, reached after {until:.2f} s</title>"
            f'<text class="label" x="{LABEL - 10:.0f}" y="{y + 17:.0f}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect class="bar" x="{x:.1f}" y="{y + 5:.0f}" width="{width:.1f}" height="{BAR:.0f}" rx="3"/>'
            f'<text class="figure" x="{x + width + 6:.1f}" y="{y + 17:.0f}">{until - begin:.2f} s</text></g>'
        )
    return _drawing(height + 20, "".join(rows), "Bars: how long each step took, one after the other")


def over_time(rate: Points, replicas: Points, load_ended: float) -> str:
    """Draws two lanes over one time axis: responses per second and ready pods, with the end of the load marked."""
    end = max(at for at, _ in [*rate, *replicas])
    across = (WIDTH - LEFT - RIGHT) / max(end, 1.0)
    lanes = [
        _lane(0, "answers a second", [*_steps(rate, load_ended), (load_ended, 0.0)], across, "load"),
        _lane(1, "ready pods", _steps(replicas, end), across, "pods"),
    ]
    height = 2 * LANE + GAP
    marks = [
        f'<text class="tick" x="{LEFT + at * across:.1f}" y="{height + 14:.0f}" text-anchor="middle">{at:g} s</text>'
        for at in ticks(end)
    ]
    x = LEFT + load_ended * across
    marks.append(
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height:.0f}"/>'
        f'<text class="tick" x="{x + 5:.1f}" y="{LANE + GAP / 2:.0f}">load ended</text>'
    )
    return _drawing(height + 20, "".join([*lanes, *marks]), "Responses per second and ready pods over time")


def top_of(points: Points) -> float:
    """Returns the maximum of a scale that contains every point."""
    highest = max([1.0, *(value for _, value in points)])
    return float(math.ceil(highest)) if highest < 10 else float(math.ceil(highest / 5) * 5)


def ticks(end: float) -> list[float]:
    """Returns four to eight round numbers from 0 to `end`."""
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if end / step <= 8 or step == 600)
    return [step * number for number in range(int(end / step) + 1)]


def _steps(points: Points, end: float) -> Points:
    """Returns the points of a step function: each value holds until the next one."""
    following = [*points[1:], (end, points[-1][1])]
    return [
        point
        for (at, value), (until, _) in zip(points, following, strict=True)
        for point in ((at, value), (until, value))
    ]


def _lane(lane: int, name: str, points: Points, across: float, kind: str) -> str:
    begin, top = lane * (LANE + GAP), top_of(points)
    floor = begin + LANE
    placed = [(LEFT + at * across, floor - value * (LANE - 14) / top) for at, value in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{begin + 14}" y2="{begin + 14}"/>'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>'
        f'<polygon class="{kind} area" points="{placed[0][0]:.1f},{floor} {path} {placed[-1][0]:.1f},{floor}"/>'
        f'<polyline class="{kind} line" points="{path}"/>'
        f'<text class="name" x="{LEFT}" y="{begin + 8}">{name}</text>'
        f'<text class="tick" x="{LEFT - 8}" y="{begin + 18}" text-anchor="end">{top:g}</text>'
        f'<text class="tick" x="{LEFT - 8}" y="{floor + 4}" text-anchor="end">0</text>'
    )


def _drawing(height: float, content: str, about: str) -> str:
    return f'<svg viewBox="0 -4 {WIDTH:.0f} {height + 8:.0f}" role="img" aria-label="{about}">{content}</svg>'
