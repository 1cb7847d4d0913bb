"""Writes one page about the last end-to-end run: `build/report.md`, and `build/report.html` with plots.

    make report

The figures are those that the tests keep in `build/e2e.json`; what was not run is not in the page.
"""

from __future__ import annotations

import html
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
DISTURBANCE = "disturbance: "
WIDTH, HEIGHT, LEFT = 640, 150, 40

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; border-bottom: 1px solid #8884; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
"""

Table = tuple[list[str], list[list[str]]]


def tables(measured: dict[str, Any]) -> dict[str, Table]:
    """The tables of the page by their titles: head and rows."""
    found: dict[str, Table] = {}
    if deploy := measured.get("deploy"):
        rows = [[name, f"{value:.1f}"] for name, value in deploy.items() if isinstance(value, float) and name != "load"]
        about = f"{deploy['cores']} cores, load average {deploy['load']}"
        found[f"From apply to an answer, and back to nothing ({about})"] = (["what", "seconds"], rows)
    disturbed = {
        name.removeprefix(DISTURBANCE): value for name, value in measured.items() if name.startswith(DISTURBANCE)
    }
    if disturbed:
        rows = []
        for name, value in sorted(disturbed.items()):
            failed = sum(count for outcome, count in value["outcomes"].items() if outcome != "200")
            title = name.removeprefix("test_").replace("_", " ")
            rows.append([title, str(value["requests"]), str(failed), f"{value['slowest']:.2f}"])
        found["Failed requests for each disturbance, of a client that never retries"] = (
            ["disturbance", "requests", "failed", "slowest, seconds"],
            rows,
        )
    return found


def plots(measured: dict[str, Any]) -> dict[str, str]:
    """The plots of the page by their titles, as SVG: replicas and requests a second over time."""
    found = {}
    for name, value in measured.items():
        if name.startswith("autoscaling"):
            replicas = [(float(at), float(count)) for at, count in value["replicas"]]
            rate = [(float(at), float(count)) for at, count in value["requests a second"]]
            end = max(at for at, _ in [*replicas, *rate])
            steps = [(at, count) for pair in zip(replicas, [*replicas[1:], (end, replicas[-1][1])], strict=True)
                     for at, count in ((pair[0][0], pair[0][1]), (pair[1][0], pair[0][1]))]  # fmt: skip
            found[f"{name[0].upper()}{name[1:]}: ready pods"] = plot(steps, end)
            found[f"{name[0].upper()}{name[1:]}: answers a second"] = plot(rate, end)
    return found


def plot(points: list[tuple[float, float]], end: float) -> str:
    """A line over the seconds from 0 to `end`."""
    top = max(1.0, *(value for _, value in points))
    scale_x, scale_y = (WIDTH - LEFT - 10) / max(end, 1.0), (HEIGHT - 30) / top
    line = " ".join(f"{LEFT + at * scale_x:.1f},{HEIGHT - 20 - value * scale_y:.1f}" for at, value in points)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f'<path d="M{LEFT} 5V{HEIGHT - 20}H{WIDTH - 10}" fill="none" stroke="currentColor" opacity=".4"/>'
        f'<polyline points="{line}" fill="none" stroke="#2a7de1" stroke-width="2"/>'
        f'<text x="{LEFT - 6}" y="15" text-anchor="end">{top:g}</text>'
        f'<text x="{LEFT - 6}" y="{HEIGHT - 18}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 4}">0 s</text>'
        f'<text x="{WIDTH - 10}" y="{HEIGHT - 4}" text-anchor="end">{end:.0f} s</text></svg>'
    )


def markdown(measured: dict[str, Any]) -> str:
    """The page as Markdown."""
    parts = ["# The last end-to-end run"]
    for title, (head, rows) in tables(measured).items():
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
        parts += [f"## {title}", "\n".join(lines)]
    for name, value in measured.items():
        if name.startswith("autoscaling"):
            steps = ", ".join(f"{count} at {at} s" for at, count in value["replicas"])
            parts += [
                f"## {name[0].upper()}{name[1:]}",
                f"Ready pods: {steps}; the load ended at {value['load ended']} s.",
            ]
    return "\n\n".join(parts) + "\n"


def page(measured: dict[str, Any]) -> str:
    """The page as HTML."""
    body = ["<h1>The last end-to-end run</h1>"]
    for title, (head, rows) in tables(measured).items():
        cells = ["<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"]
        for first, *numbers in rows:
            figures = "".join(f'<td class="number">{html.escape(cell)}</td>' for cell in numbers)
            cells.append(f"<tr><td>{html.escape(first)}</td>{figures}</tr>")
        body.append(f"<h2>{html.escape(title)}</h2><table>{''.join(cells)}</table>")
    body += [f"<h2>{html.escape(title)}</h2>{drawing}" for title, drawing in plots(measured).items()]
    head_ = (
        '<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>FaceComparison: end to end</title>'
    )
    return f"<!doctype html><html lang=en>{head_}<style>{STYLE}</style>{''.join(body)}</html>\n"


def main() -> int:
    """Write both pages from the measurements."""
    source = BUILD / "e2e.json"
    if not source.exists():
        print(f"{source} is not there: `make test` writes it on a machine that can run a node", file=sys.stderr)
        return 1
    measured = json.loads(source.read_text())
    (BUILD / "report.md").write_text(markdown(measured))
    (BUILD / "report.html").write_text(page(measured))
    print(f"{BUILD / 'report.md'}\n{BUILD / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
