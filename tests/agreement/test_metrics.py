"""Alerts and the dashboard use only metrics, labels, and label values that the service and the operator have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from flask import Flask
from prometheus_client import REGISTRY as SERVICE
from prometheus_client import CollectorRegistry

from face_comparison.errors import Overloaded
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from face_comparison.observability import metrics as service_metrics
from face_comparison.serving.admission import Admission
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from face_comparison.web.app import create_app
from face_comparison_operator import errors as operator_errors
from face_comparison_operator import reasons, status
from face_comparison_operator.metrics import Metrics
from support.analyzer import FakeAnalyzer
from support.running import img

FILES = Path(__file__).resolve().parent.parent.parent / "charts" / "face-comparison" / "files"
# Labels that a ServiceMonitor adds, and those of every histogram.
ADDED = {"namespace", "service", "pod", "le"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((FILES / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]


EXPRESSIONS = list(expressions())


def counted(*registries: CollectorRegistry) -> dict[str, set[str]]:
    """Returns every series that can be queried, with its labels."""
    series: dict[str, set[str]] = {}
    for registry in registries:
        for collector in registry._collector_to_names:
            labels = set(getattr(collector, "_labelnames", ()))
            for family in collector.collect():
                for suffix in SUFFIXES.get(family.type, ()):
                    series[family.name + suffix] = labels
    # Collected on request, by a collector of its own.
    series["face_comparison_operator_resources"] = {"condition", "status", "reason"}
    return series


SERIES = counted(SERVICE, Metrics().registry)
NAME = re.compile(r"\bface_comparison_\w+")
STRINGS = re.compile(r'"[^"]*"')


def without_strings(expression: str) -> str:
    return STRINGS.sub('""', expression)


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_expression_uses_existing_metrics(where: str, expression: str) -> None:
    plain = without_strings(expression)
    names = set(NAME.findall(plain))
    assert names, "asks for something of ours"
    assert names <= SERIES.keys()
    chosen = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"\"", plain))
    grouped = {label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", plain) for label in group.split(",")}
    known = set[str]().union(*(SERIES[name] for name in names))
    assert chosen | grouped <= known | ADDED


def chosen_values(label: str) -> set[str]:
    """Returns every label value that some expression selects."""
    found = re.findall(rf'\b{label}\s*(?:=~|!~|!=|=)\s*"([^"]*)"', " ".join(each for _, each in EXPRESSIONS))
    return {value for alternatives in found for value in alternatives.split("|") if not value.startswith("$")}


def test_reasons_exist_in_the_status() -> None:
    words = {value for value in vars(reasons).values() if isinstance(value, str)}
    assert chosen_values("condition") <= set(status.TYPES)
    chosen = chosen_values("reason") - {Overloaded.code}
    assert chosen
    assert chosen <= words


def test_results_exist_in_the_operator() -> None:
    def codes(error: type[operator_errors.OperatorError]) -> Iterator[str]:
        yield error.code
        for each in error.__subclasses__():
            yield from codes(each)

    assert chosen_values("result") <= {"done", *codes(operator_errors.OperatorError)}


@pytest.fixture
def app() -> Flask:
    """The service with a fake analyzer, which is enough for its routes and stages."""
    readiness = Readiness()
    readiness.ready()
    return create_app(Settings(), FakeAnalyzer(), Fetcher(FetchPolicy()), Admission(1, 1), readiness)


def test_routes_exist_in_the_service(app: Flask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules()} | {"preflight", "unmatched", "import", "export"}
    assert chosen_values("route")
    assert chosen_values("route") <= routes


def test_alert_ratios_cover_every_fallible_route(app: Flask) -> None:
    ratios = [text for where, text in EXPRESSIONS if where.startswith("FaceComparison") and "/" in text]
    chosen = {found for text in ratios for found in re.findall(r'route(=~|!~|=|!=)"([^"]*)"', text)}
    assert chosen == {("!~", "livez|readyz|ping|metrics|preflight|unmatched")}


def test_phases_exist_in_the_service(app: Flask) -> None:
    assert app.test_client().post("/prod/face_comparison", json=img("anna")).status_code == 200
    measured = {
        sample.labels["phase"] for family in service_metrics.PHASE_SECONDS.collect() for sample in family.samples
    }
    assert chosen_values("phase")
    assert chosen_values("phase") <= measured


def test_rejection_reasons_exist_in_the_service() -> None:
    assert Overloaded.code in chosen_values("reason")
