"""Writes a report of the last end-to-end run: `build/report.html` with plots, and `build/report.md`.

    make report

The figures are those that the tests record in `build/e2e.json`, each with the time and commit of its measurement, and
those of `make bench-operator` in `build/bench-operator.json`. Measurements that were not run are omitted.
"""

from __future__ import annotations

import html
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools import ROOT, report_plots

BUILD = ROOT / "build"
DISTURBANCE = "disturbance: "
STYLE = Path(__file__).with_name("report.css")
GOALS = {"up": 15.0, "down": 10.0}

# The disturbances during the load, by the name of their test.
DISTURBANCES = {
    "test_rolling_update[image]": "another container image rolls out",
    "test_rolling_update[model]": "another model rolls out",
    "test_rolling_update[resources]": "other resources roll out",
    "test_new_stage": "another stage, and so another URL",
    "test_scaling_up_and_down": "scaled from 2 pods to 3, 1, 2",
    "test_pod_is_deleted": "a pod is deleted",
    "test_pod_is_killed": "a pod's process gets SIGKILL",
    "test_node_is_drained": "the node is drained",
    "test_operator_is_killed": "the operator is killed",
    "test_api_server_is_away_for_a_minute": "no API server for a minute",
    "test_upgrade_of_the_operator": "upgrade from the chart and operator of an earlier commit",
    "test_upgrade_of_the_service": "a release with another service image",
}
MAY_FAIL = {"test_pod_is_killed": "requests in progress in the killed process"}


@dataclass
class Tile:
    """A figure that readers look for first; `good` says whether it meets its goal, if there is one."""

    figure: str
    about: str
    good: bool | None = None


@dataclass
class Section:
    """A section of the page: text, a table, and a drawing that only the HTML version has."""

    title: str
    about: str
    head: list[str]
    rows: list[list[str]]
    when: str = ""
    drawing: str = ""
    bad: frozenset[int] = frozenset()  # indices of the rows that do not meet their goals


Measured = dict[str, dict[str, Any]]
"""By name: `value`, and `at` and `commit` of the measurement."""


def tiles(measured: Measured) -> list[Tile]:
    """Returns the main figures of the page."""
    found = []
    if deploy := _value(measured, "deploy"):
        for way, about in (
            ("up", "from apply to the first response"),
            ("down", "from delete to removal of everything"),
        ):
            seconds = deploy[way][-1][1]
            found.append(Tile(f"{seconds:.1f} s", f"{about} (goal {GOALS[way]:g} s)", seconds <= GOALS[way]))
    steady = [value for name, value in _disturbances(measured).items() if name not in MAY_FAIL]
    if steady:
        failed = sum(map(_failed, steady))
        requests = sum(value["requests"] for value in steady)
        found.append(Tile(str(failed), f"of {requests:,} requests failed in {len(steady)} disturbances", failed == 0))
    if growth := _value(measured, "autoscaling by CPU"):
        grown = next(at for at, count in growth["replicas"] if count > 1)
        found.append(Tile(f"{grown:.0f} s", "from the first request to a second ready pod"))
    return found


def sections(measured: Measured, operator: dict[str, Any]) -> list[Section]:
    """Returns all sections of the page for which there are figures."""
    found = []
    if deploy := _value(measured, "deploy"):
        machine = f"{deploy['cores']} cores, load average {deploy['load']}"
        found.append(
            _steps(
                "From kubectl apply to a response",
                f"The container image is on the node ({machine}). Times are from the audit log and the pod's log.",
                deploy["up"],
            )
        )
        found.append(
            _steps(
                "From kubectl delete to removal of everything", "Including pods, routes, and accounts.", deploy["down"]
            )
        )
        for section in found:
            section.when = _stamp(measured["deploy"])
    found += [_growth(name, each) for name, each in sorted(measured.items()) if name.startswith("autoscaling")]
    if disturbed := _disturbances(measured):
        found.append(_disturbed(disturbed))
        found[-1].when = _stamp(*(measured[DISTURBANCE + name] for name in disturbed))
    if operator:
        found.append(_operator(operator))
    return found


def _value(measured: Measured, name: str) -> Any:
    return measured.get(name, {}).get("value")


def _stamp(*measurements: dict[str, Any]) -> str:
    days = sorted({each["at"][:16].replace("T", " ") for each in measurements})
    commits = sorted({each["commit"] for each in measurements})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"measured {span} UTC, commit {', '.join(commits)}"


def _steps(title: str, about: str, steps: list[tuple[str, float]]) -> Section:
    names = [name for name, _ in steps]
    reached = sorted(at for _, at in steps)  # clocks of two programs may differ by a hundredth of a second
    spans = list(zip([0.0, *reached], reached, strict=False))
    rows = [[name, f"{until - begin:.2f}", f"{until:.2f}"] for name, (begin, until) in zip(names, spans, strict=True)]
    drawing = report_plots.waterfall(spans, names)
    return Section(title, about, ["step", "took, seconds", "reached after"], rows, drawing=drawing)


def _growth(name: str, measurement: dict[str, Any]) -> Section:
    value = measurement["value"]
    replicas, rate, ended = value["replicas"], value["requests a second"], value["load ended"]
    rows = [[f"{at:.0f}", str(count)] for at, count in replicas]
    about = f"{value['requests']:,} requests in {ended:.0f} s, none failed; then no requests."
    drawing = report_plots.over_time([tuple(each) for each in rate], [tuple(each) for each in replicas], ended)
    return Section(
        f"{name[0].upper()}{name[1:]}",
        about,
        ["after, seconds", "ready pods"],
        rows,
        _stamp(measurement),
        drawing,
    )


def _disturbances(measured: Measured) -> dict[str, Any]:
    order = [*DISTURBANCES]
    found = {
        name.removeprefix(DISTURBANCE): each["value"] for name, each in measured.items() if name.startswith(DISTURBANCE)
    }
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _failed(value: dict[str, Any]) -> int:
    return sum(count for outcome, count in value["outcomes"].items() if outcome != "200")


def _disturbed(disturbed: dict[str, Any]) -> Section:
    rows, bad = [], set()
    for number, (name, value) in enumerate(disturbed.items()):
        failed = _failed(value)
        remark = f" ({MAY_FAIL[name]} may fail)" if name in MAY_FAIL else ""
        if failed and not remark:
            bad.add(number)
        title = DISTURBANCES.get(name, name.removeprefix("test_").replace("_", " "))
        rows.append([title + remark, f"{value['requests']:,}", str(failed), f"{value['slowest']:.2f}"])
    about = "Two pods under constant load, by a client that never repeats a request."
    head = ["disturbance", "requests", "failed", "slowest, seconds"]
    return Section("Failed requests for each disturbance", about, head, rows, bad=frozenset(bad))


def _operator(figures: dict[str, Any]) -> Section:
    bursts = figures["bursts"]
    rows = [[_readable(name), *(f"{each[name]:,}" for each in bursts)] for name in bursts[0] if name != "resources"]
    about = (
        f"On a real control plane with {figures['unrelated']:,} unrelated Deployments and Secrets, "
        f"{figures['cpus']} cores. A killed leader is replaced after {figures['failover_seconds']} s."
    )
    return Section("What the operator costs", about, ["", *(f"{each['resources']:,} at once" for each in bursts)], rows)


def _readable(name: str) -> str:
    words = name.replace("_mib", ", MiB").replace("_seconds", ", seconds").replace("cpu_ms_", "CPU milliseconds ")
    return words.replace("_", " ")


# --- the two formats ------------------------------------------------------------------------------------------------


def markdown(found: list[Section], first: list[Tile]) -> str:
    """Returns the page as Markdown."""
    parts = ["# FaceComparison, end to end", "\n".join(f"- **{each.figure}** {each.about}" for each in first)]
    for section in found:
        lines = [f"| {' | '.join(row)} |" for row in (section.head, ["---"] * len(section.head), *section.rows)]
        parts += [f"## {section.title}", section.about, "\n".join(lines), section.when]
    return "\n\n".join(part for part in parts if part) + "\n"


def page(found: list[Section], first: list[Tile]) -> str:
    """Returns the page as HTML."""
    body = ["<h1>FaceComparison, end to end</h1>"]
    body.append(
        '<p class="about">A real Kubernetes on one machine, with the images and the chart of this checkout.</p>'
    )
    shades = {True: " good", False: " bad", None: ""}
    shown = [f'<div class="tile{shades[each.good]}"><b>{each.figure}</b><span>{html.escape(each.about)}</span></div>'
             for each in first]  # fmt: skip
    body.append(f'<div class="tiles">{"".join(shown)}</div>')
    for section in found:
        body.append(f"<h2>{html.escape(section.title)}</h2><p class=about>{html.escape(section.about)}</p>")
        body.append(section.drawing)
        table = _table(section)
        body.append(f"<details><summary>the figures</summary>{table}</details>" if section.drawing else table)
        body.append(f'<p class="when">{html.escape(section.when)}</p>')
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>FaceComparison, end to end</title>"
    )
    return f"<!doctype html><html lang=en>{head}<style>{STYLE.read_text()}</style>{''.join(body)}</html>\n"


def _table(section: Section) -> str:
    def row(cells: list[str], tag: str, shade: str = "") -> str:
        classes = ["", *[' class="number"'] * (len(cells) - 1)]
        created = "".join(
            f"<{tag}{name}>{html.escape(cell)}</{tag}>" for cell, name in zip(cells, classes, strict=True)
        )
        return f"<tr{shade}>{created}</tr>"

    rows = [
        row(each, "td", ' class="bad"' if number in section.bad else "") for number, each in enumerate(section.rows)
    ]
    return f"<table>{row(section.head, 'th')}{''.join(rows)}</table>"


def main() -> int:
    """Writes both formats from the measurements."""
    source, bench = BUILD / "e2e.json", BUILD / "bench-operator.json"
    if not source.exists():
        print(f"{source} does not exist: `make test` writes it on a machine that can run a node", file=sys.stderr)
        return 1
    measured: Measured = json.loads(source.read_text())
    found = sections(measured, json.loads(bench.read_text()) if bench.exists() else {})
    first = tiles(measured)
    (BUILD / "report.md").write_text(markdown(found, first))
    (BUILD / "report.html").write_text(page(found, first))
    print(f"{BUILD / 'report.md'}\n{BUILD / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
