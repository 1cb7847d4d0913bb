"""Tables of the documentation whose rows come from source code: errors, options, metrics, and chart values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry

from devtools import chart_values
from face_comparison.observability import metrics  # noqa: F401 (registers the metrics)
from face_comparison.settings import OPTIONS
from face_comparison.web import error_table
from face_comparison_operator import settings as operator_settings
from face_comparison_operator.metrics import Metrics

SUFFIXES = {"counter": "_total"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; a | inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "&#124;") for cell in row] for row in rows)]
    return "\n".join(f"|{'|'.join(line)}|" if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """Returns `text` as inline code; empty text stays empty."""
    return f"`{text}`" if text else ""


def errors() -> str:
    """Returns every error code that a caller may get, by status."""
    rows = sorted((error_table.ERRORS[error].status, error.code, error.meaning) for error in error_table.public())
    return table(("status", "code", "meaning"), ([str(status), code(word), meaning] for status, word, meaning in rows))


def options() -> str:
    """Returns the options of `face-comparison serve`."""
    rows = ([code(item.flag), code(item.env), code(item.default), item.help] for item in OPTIONS)
    return table(("option", "environment", "default", "meaning"), rows)


def operator_options() -> str:
    """Returns the options of `face-comparison-operator run`."""
    rows = []
    for option in fields(operator_settings.Settings):
        flag = "--" + option.name.replace("_", "-")
        shown = f"`{flag}`, `--no-{flag[2:]}`" if isinstance(option.default, bool) else code(flag)
        default = ",".join(option.default) if isinstance(option.default, tuple) else str(option.default)
        rows.append([shown, code(operator_settings.environment_name(option)), code(default), option.metadata["help"]])
    return table(("option", "environment", "default", "meaning"), rows)


def service_metrics() -> str:
    """Returns the metrics of the service."""
    return _metrics(REGISTRY)


def operator_metrics() -> str:
    """Returns the metrics of the operator."""
    return _metrics(Metrics().registry)


def chart() -> str:
    """Returns the values of the chart."""
    return chart_values.table(chart_values.values((chart_values.CHART / "values.yaml").read_text()))


def _metrics(registry: CollectorRegistry) -> str:
    return table(("metric", "type", "labels", "meaning"), sorted(_families(registry)))


def _families(registry: CollectorRegistry) -> Iterator[list[str]]:
    for collector in list(registry._collector_to_names):
        for family in collector.collect():
            if family.name.startswith("face_comparison"):
                labels: Sequence[str] = (
                    getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ()) or ()
                )
                name = family.name + SUFFIXES.get(family.type, "")
                yield [code(name), family.type, ", ".join(code(label) for label in labels), family.documentation]


def as_json(value: Any) -> str:
    """Returns a default as it is written in a manifest."""
    return json.dumps(value) if not isinstance(value, str) else value
