"""The report of the end-to-end tests names existing tests, and shows their figures in both formats."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path
from typing import Any

from devtools import report

E2E = Path(__file__).resolve().parents[1] / "e2e"


def measured(value: Any) -> dict[str, Any]:
    return {"at": "2026-01-02T03:04:05+00:00", "commit": "abc1234", "value": value}


def disturbance(requests: int, failed: int) -> dict[str, Any]:
    return measured({"requests": requests, "outcomes": {"200": requests - failed, "502": failed}, "slowest": 0.5})


DEPLOY = {"up": [["the pod was made", 1.0], ["the first answer", 6.5]], "down": [["nothing was left", 12.25]]}
MEASURED = {
    "deploy": measured({**DEPLOY, "cores": 2, "load": 1.5}),
    "autoscaling by CPU": measured(
        {
            "replicas": [[0.0, 1], [21.0, 3], [80.0, 1]],
            "requests a second": [[0, 4.0], [5, 9.5]],
            "load ended": 40.0,
            "requests": 311,
        }
    ),
    "disturbance: test_node_is_drained": disturbance(200, 0),
    "disturbance: test_pod_is_deleted": disturbance(100, 2),
    "disturbance: test_pod_is_killed": disturbance(50, 5),
}
OPERATOR = {
    "unrelated": 5000,
    "cpus": 2,
    "failover_seconds": 12.1,
    "bursts": [{"resources": 100, "requests_each": 8.0}],
}


def test_disturbances_match_the_tests() -> None:
    recorded = set()
    for path in E2E.glob("test_*.py"):
        text = path.read_text()
        recorded |= set(re.findall(r'record\("disturbance: (\w+)"', text))
        for each in ast.parse(text).body:
            if isinstance(each, ast.FunctionDef) and any(each.arg == "load" for each in each.args.args):
                recorded.add(each.name)
    assert {name.partition("[")[0] for name in report.DISTURBANCES} == recorded


def test_main_figures_come_first() -> None:
    reported = {each.figure: (each.about, each.good) for each in report.tiles(MEASURED)}
    assert reported == {
        "6.5 s": ("from apply to the first response (goal 15 s)", True),
        "12.2 s": ("from delete to removal of everything (goal 10 s)", False),
        "2": ("of 300 requests failed in 2 disturbances", False),
        "21 s": ("from the first request to a second ready pod", None),
    }


def test_every_figure_is_in_both_formats() -> None:
    found = report.sections(MEASURED, OPERATOR)
    tiles = report.tiles(MEASURED)
    for text, escape in ((report.markdown(found, tiles), str), (report.page(found, tiles), html.escape)):
        for section in found:
            assert section.title in text
            for row in section.rows:
                assert all(escape(cell) in text for cell in row), row
        assert "measured 2026-01-02 03:04 UTC, commit abc1234" in text


def test_missing_measurements_are_omitted() -> None:
    assert report.sections({}, {}) == []
    assert report.tiles({}) == []
