"""Alert rules and the dashboard, checked by Prometheus's promtool and Grafana's types."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import generate_latest

from devtools import ROOT
from devtools.helm import CHART, Helm, of_kind
from devtools.k8s import programs
from face_comparison.observability.metrics import exposition
from face_comparison_operator.metrics import Metrics
from support.fault_matrix import ROWS

ALERTS = CHART / "files" / "alerts.yaml"
README = (CHART / "README.md").read_text()
DASHBOARD: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
GRAPHS = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
COLUMNS = 24


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus's checker of rules."""
    try:
        return programs.binary("promtool")
    except programs.PartUnavailable as missing:
        if os.environ.get("CI"):  # in CI, where every test must run, a missing program is a failure
            raise
        pytest.skip(str(missing))


def run(*command: str | Path, stdin: str | None = None) -> str:
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("program", ["service", "operator"])
def test_metric_names_and_help_follow_prometheus_conventions(promtool: Path, program: str) -> None:
    exposed = exposition() if program == "service" else generate_latest(Metrics().registry)
    assert run(promtool, "check", "metrics", stdin=exposed.decode()) == ""


def test_alerts_are_rules(promtool: Path) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", ALERTS)


def test_alerts_fire_as_expected(promtool: Path) -> None:
    run(promtool, "test", "rules", Path(__file__).parent / "alerts-test.yaml")


def test_alert_covers_every_reason_that_is_no_intention() -> None:
    """Also those that are added later: only what somebody wants, or what passes, is left out."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    (rule,) = [rule for group in groups for rule in group["rules"] if rule["alert"] == "FaceComparisonNotReady"]
    (left_out,) = re.findall(r'status="False", reason!~"([^"]*)"', rule["expr"])
    reported = {row.reason for row in ROWS if row.condition == "Ready"} | {
        "Terminating",
        "ChildTerminating",
        "PodTerminating",
    }
    assert {reason for reason in reported if re.fullmatch(left_out, reason)} == {"ScaledToZero", "Paused"}
    assert set(left_out.split("|")) == {"ScaledToZero", "Paused", "Deploying"}


def test_every_alert_has_a_firing_and_a_silent_case() -> None:
    rules = yaml.safe_load(ALERTS.read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((Path(__file__).parent / "alerts-test.yaml").read_text())["tests"]
    expected = [each for test in tests for each in test["alert_rule_test"]]
    assert {each["alertname"] for each in expected if each.get("exp_alerts")} == alerts
    assert {each["alertname"] for each in expected if not each.get("exp_alerts")} == alerts


def test_readme_has_every_alert() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    reported = re.findall(r"^\| (FaceComparison\w+) \| (\w+) \| .* for (\d+) minutes \|$", README, re.MULTILINE)
    assert reported == [(each["alert"], each["labels"]["severity"], each["for"].removesuffix("m")) for each in rules]


def test_chart_embeds_the_rules_unchanged(helm: Helm) -> None:
    rule = of_kind(
        helm.template("--set=monitoring.prometheusRule.enabled=true,monitoring.prometheusRule.labels.release=mine"),
        "PrometheusRule",
    )
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())
    assert rule["metadata"]["labels"]["release"] == "mine"


def test_every_alert_has_a_runbook(helm: Helm) -> None:
    """A heading of the troubleshooting page, and its address where the documentation is hosted."""
    page = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text()
    headings = set(re.findall(r"^### (\w+)$", page, re.MULTILINE))
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert [rule["alert"] for rule in rules if rule["alert"] not in headings] == []
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/how-to/troubleshooting.md#{rule['alert'].lower()}"

    hosted = (
        "monitoring.prometheusRule.enabled=true,monitoring.prometheusRule.documents=https://docs.example.com/faces/"
    )
    groups = of_kind(helm.template(f"--set={hosted}"), "PrometheusRule")["spec"]["groups"]
    urls = {rule["alert"]: rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]}
    assert urls == {
        rule["alert"]: f"https://docs.example.com/faces/how-to/troubleshooting.html#{rule['alert'].lower()}"
        for rule in rules
    }


def test_chart_embeds_the_dashboard_unchanged(helm: Helm) -> None:
    config = of_kind(helm.template("--set=monitoring.dashboard.enabled=true"), "ConfigMap")
    assert json.loads(config["data"]["face-comparison.json"]) == DASHBOARD
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_dashboard_queries_are_valid_promql(promtool: Path, tmp_path: Path) -> None:
    expressions = [target["expr"] for graph in GRAPHS for target in graph["targets"]]
    assert expressions
    rules = [
        {"record": f"query:{number}", "expr": re.sub(r"\$__rate_interval", "5m", expression)}
        for number, expression in enumerate(expressions)
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run(promtool, "check", "rules", path)


def test_dashboard_matches_grafana_schema() -> None:
    read_and_written = JSONEncoder(sort_keys=True).encode(Dashboard.from_json(DASHBOARD))
    assert json.loads(read_and_written) == DASHBOARD


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph["title"])
def test_graph_has_description_and_data_source(graph: dict[str, Any]) -> None:
    assert graph["description"]
    assert graph["fieldConfig"]["defaults"]["unit"]
    assert graph["targets"]
    for source in (graph, *graph["targets"]):
        assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in graph["targets"]]
    assert len(set(references)) == len(references)


def test_panels_have_unique_ids_and_positions() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
