"""Generates the parts of the documentation that derive from other files: tables, OpenAPI document, drawings, curves.

A table stands between the lines `<!-- table NAME -->` and `<!-- end -->` of a page; `DOCUMENTS` says which page has
which table, so that a lost mark is noticed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from devtools import ROOT, int8_bundle
from devtools.docs import (
    api,
    capacity,
    client,
    collections,
    command_line,
    faults,
    measured,
    plot,
    resource,
    tables,
    translations,
)
from devtools.docs.pipeline_tables import phantoms, recall, rotation, rotation_summary, stability
from devtools.docs.rotation_plot import generated_files as rotation_plot
from face_comparison.models import bundle_store

CURVES = ROOT / "service" / "src" / "face_comparison" / "explorer" / "js" / "measured.js"
TABLES: dict[str, Callable[[], str]] = {
    "accuracy": measured.accuracy,
    "accuracy-summary": measured.accuracy_summary,
    "added-latency": measured.added_latency,
    "album-accuracy": measured.album_accuracy,
    "album-job": measured.album_job,
    "album-summary": measured.album_summary,
    "api": api.operations,
    "calculator": capacity.calculator,
    "chart": tables.chart,
    "collections-costs": collections.costs,
    "collections-identification": collections.identification,
    "collections-recall": collections.recall,
    "client": client.reference,
    "command-line": command_line.reference,
    "costs": capacity.costs,
    "errors": tables.errors,
    "fault-matrix": faults.fault_matrix,
    "fault-matrix-summary": faults.fault_matrix_summary,
    "limits": api.limits,
    "int8-accuracy": measured.int8_accuracy,
    "int8-distances": measured.int8_distances,
    "int8-speed": measured.int8_speed,
    "machine": measured.machine,
    "operator-metrics": tables.operator_metrics,
    "operator-options": tables.operator_options,
    "options": tables.options,
    "resource-columns": resource.columns,
    "resource-spec": resource.spec,
    "resource-status": resource.status,
    "parsing-costs": measured.parsing_costs,
    "phantoms": phantoms,
    "recall": recall,
    "rotation": rotation,
    "rotation-summary": rotation_summary,
    "service-metrics": tables.service_metrics,
    "speed": measured.speed,
    "stability": stability,
    "status-agreement": faults.status_agreement,
    "thresholds": measured.thresholds,
    "speed-figures": measured.speed_figures,
    "workloads": measured.workloads,
    "workloads-avx2": partial(measured.workloads, "workloads-avx2"),
    "workloads-machine": measured.workloads_machine,
}
DOCUMENTS: dict[str, tuple[str, ...]] = {
    "docs/explanation/accuracy.md": (
        "accuracy-summary",
        "accuracy",
        "rotation",
        "rotation-summary",
        "recall",
        "phantoms",
    ),
    "docs/explanation/hashes.md": ("stability",),
    "docs/explanation/collections.md": ("collections-identification", "collections-recall", "collections-costs"),
    "docs/explanation/performance.md": (
        "speed-figures",
        "workloads-machine",
        "workloads",
        "workloads-avx2",
        "added-latency",
        "machine",
        "speed",
        "parsing-costs",
    ),
    "docs/explanation/threshold.md": ("thresholds",),
    "docs/explanation/capacity.md": ("machine", "speed", "calculator", "costs"),
    "docs/how-to/albums.md": ("album-job", "album-summary", "album-accuracy"),
    "docs/how-to/models.md": ("int8-accuracy", "int8-distances", "int8-speed"),
    "docs/how-to/troubleshooting.md": ("fault-matrix-summary", "fault-matrix", "status-agreement"),
    "docs/reference/api.md": ("limits", "api"),
    "docs/reference/chart.md": ("chart",),
    "docs/reference/client.md": ("client",),
    "docs/reference/command-line.md": ("command-line",),
    "docs/reference/errors.md": ("errors",),
    "docs/reference/metrics.md": ("service-metrics", "operator-metrics"),
    "docs/reference/operator.md": ("operator-options",),
    "docs/reference/resource.md": ("resource-columns", "resource-spec", "resource-status"),
    "docs/reference/service.md": ("options",),
}


def fill_tables(text: str, names: Iterable[str]) -> str:
    """Returns a page with the named tables filled in. Raises ValueError if a table's marks are missing."""
    for name in names:
        pattern = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"missing marks <!-- table {name} --> ... <!-- end -->")
        table = TABLES[name]().replace("\\", r"\\")
        text = pattern.sub(rf"\1\n{table}\n\n\2", text)
    return text


def with_curves(script: str) -> str:
    """Returns the Explorer's measured.js with the measured curves. Raises ValueError if it has no place for them."""
    created, count = re.subn(
        r"(export const MEASURED = \{\n).*?(\n\};)", rf"\1{measured.curves()}\2", script, flags=re.DOTALL
    )
    if not count:
        raise ValueError("missing `export const MEASURED = {`")
    return created


def models() -> dict[Path, str]:
    """Returns the manifests with the default bundle's detector: those of other projects' models, and the int8 one."""
    detector = json.loads(bundle_store.known_manifests()[bundle_store.DEFAULT])["detector"]
    created = {int8_bundle.RECIPE: int8_bundle.current_recipe()}
    for path in sorted((ROOT / "docs" / "models").glob("*.json")):
        created[path] = json.dumps(json.loads(path.read_text()) | {"detector": detector}, indent=2) + "\n"
    return created


def generated_files() -> dict[Path, str]:
    """Returns the expected content of each generated file, by path."""
    pages = {ROOT / page: fill_tables((ROOT / page).read_text(), names) for page, names in DOCUMENTS.items()}
    description = json.dumps(api.document(), indent=2, ensure_ascii=False) + "\n"
    explorer = {CURVES: with_curves(CURVES.read_text())}
    return {
        **pages,
        **translations.generated_files(pages),
        **models(),
        ROOT / "docs" / "reference" / "openapi.json": description,
        **plot.generated_files(),
        **rotation_plot(),
        **collections.generated_files(),
        **explorer,
    }
