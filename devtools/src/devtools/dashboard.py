"""Generates the chart's Grafana dashboard, files/dashboard.json, with Grafana's typed builders.

The labels `namespace` and `service` in the queries are those that a ServiceMonitor adds.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, prometheus, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableOption, VariableRefresh, VariableSort

from devtools import ROOT

OUTPUT = ROOT / "charts" / "face-comparison" / "files" / "dashboard.json"

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
CHOSEN = 'namespace=~"$namespace", service=~"$service"'
SERVING = f'{CHOSEN}, route=~"face_comparison|compare|invocations"'
RATE = "$__rate_interval"
COLUMNS, WIDTH, HEIGHT = 24, 8, 8  # Grafana's grid; three panels per row

Query = tuple[str, str]
"""Legend and expression."""


def quantiles(metric: str, labels: str = "", by: str = "") -> list[Query]:
    """Returns queries for the median and 99th percentile of a histogram, per value of the label `by`."""
    grouping = f"le, {by}" if by else "le"
    prefix = f"{{{{{by}}}}} " if by else ""
    chosen = f"{{{labels}}}" if labels else ""
    rate = f"sum by ({grouping}) (rate({metric}_bucket{chosen}[{RATE}]))"
    return [(f"{prefix}p{round(100 * q)}", f"histogram_quantile({q}, {rate})") for q in (0.5, 0.99)]


def mean(metric: str, labels: str, by: str, legend: str) -> Query:
    """Returns a query for the mean of a histogram's observations."""
    total, count = (f"sum by ({by}) (rate({metric}_{part}{{{labels}}}[{RATE}]))" for part in ("sum", "count"))
    return legend, f"{total} / {count}"


def panel(title: str, description: str, unit: str, queries: Sequence[Query]) -> timeseries.Panel:
    """Returns a graph of one or more queries, with a y-axis that starts at zero."""
    legend = common.VizLegendOptions().show_legend(True)
    graph = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .span(WIDTH)
        .height(HEIGHT)
        .datasource(SOURCE)
        .fill_opacity(10)
        .legend(legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for reference, (name, expression) in zip("ABCDEF", queries, strict=False):
        query = prometheus.Dataquery().ref_id(reference).expr(expression).legend_format(name).range()
        graph = graph.with_target(query.datasource(SOURCE))
    return graph


def variable(name: str, label: str, query: str) -> QueryVariable:
    """Returns a variable with the values of a label, all of them selected by default."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .multi(True)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


SERVICE_PANELS = [
    panel(
        "Requests",
        "Responses per second by HTTP status. 429 means a full queue, 503 a pod that is starting or shutting down.",
        "reqps",
        [("{{code}}", f"sum by (code) (rate(face_comparison_requests_total{{{SERVING}}}[{RATE}]))")],
    ),
    panel(
        "Requests by API key",
        "Responses per second by name of the API key. Empty if no keys are required.",
        "reqps",
        [("{{key}}", f"sum by (key) (rate(face_comparison_key_requests_total{{{CHOSEN}}}[{RATE}]))")],
    ),
    panel(
        "Response time",
        "Time from a request's head to its response, including fetching and queueing.",
        "s",
        quantiles("face_comparison_request_duration_seconds", SERVING, "route"),
    ),
    panel(
        "Time by phase",
        "Mean time per image in each phase, which shows where slow requests spend their time.",
        "s",
        [mean("face_comparison_phase_duration_seconds", CHOSEN, "phase", "{{phase}}")],
    ),
    panel(
        "Requests in flight",
        "Requests admitted and not yet responded to, by pod. Autoscaling with the metric InFlight uses their number.",
        "short",
        [("{{pod}}", f"sum by (pod) (face_comparison_requests_in_flight{{{CHOSEN}}})")],
    ),
    panel(
        "Queue depth",
        "Images that wait for an inference slot, by pod.",
        "short",
        [("{{pod}}", f"sum by (pod) (face_comparison_queue_depth{{{CHOSEN}}})")],
    ),
    panel(
        "Rejected requests",
        "Requests rejected before any work, by reason.",
        "reqps",
        [("{{reason}}", f"sum by (reason) (rate(face_comparison_requests_rejected_total{{{CHOSEN}}}[{RATE}]))")],
    ),
    panel(
        "Faces per image",
        "Mean number of faces detected in an image.",
        "short",
        [mean("face_comparison_faces_per_image", CHOSEN, "namespace, service", "{{namespace}}/{{service}}")],
    ),
    panel(
        "Batch size",
        "Mean number of inputs per model run. Above 1, concurrent requests are batched.",
        "short",
        [mean("face_comparison_batch_size", CHOSEN, "model", "{{model}}")],
    ),
    panel(
        "Running versions",
        "Pods by version, model, engine, and device. Hashes of different models cannot be compared.",
        "short",
        [
            (
                "{{version}} {{model}} {{engine}} on {{device}}",
                f"count by (version, model, engine, device) (face_comparison_build_info{{{CHOSEN}}})",
            )
        ],
    ),
]


OPERATOR_PANELS = [
    panel(
        "Resources",
        "FaceComparison resources by reason of their Ready condition.",
        "short",
        [("{{reason}}", 'sum by (reason) (face_comparison_operator_resources{condition="Ready"})')],
    ),
    panel(
        "Time to deploy",
        "Time from a spec change until the URL responds for it.",
        "s",
        quantiles("face_comparison_operator_deploy_duration_seconds"),
    ),
    panel(
        "Reconcile rate",
        "Reconciliations per second by result. done is success; conflict and not_found are retried.",
        "ops",
        [("{{result}}", f"sum by (result) (rate(face_comparison_operator_reconciles_total[{RATE}]))")],
    ),
    panel(
        "Reconcile duration",
        "Duration of a reconciliation, including requests to the API server.",
        "s",
        quantiles("face_comparison_operator_reconcile_duration_seconds"),
    ),
    panel(
        "Requests to the API server",
        "Requests per second by verb. When nothing changes, there are only watches.",
        "reqps",
        [("{{verb}}", f"sum by (verb) (rate(face_comparison_operator_api_requests_total[{RATE}]))")],
    ),
    panel(
        "Leader, work queue depth, watch staleness",
        "1 for the leader, the depth of the work queue, and seconds since the last response on the stalest watch.",
        "short",
        [
            ("{{pod}} leader", "face_comparison_operator_leader"),
            ("{{pod}} work queue depth", "face_comparison_operator_work_queue_depth"),
            ("{{pod}} watch staleness (s)", "face_comparison_operator_watch_staleness_seconds"),
        ],
    ),
]


def dashboard() -> Dashboard:
    """Returns the whole dashboard: a row for the services and a row for the operator."""
    board = (
        Dashboard("FaceComparison")
        .uid("face-comparison")
        .description("Services of FaceComparison resources, and the operator that manages them.")
        .tags(["face-comparison"])
        .time("now-1h", "now")
        .refresh("30s")
        .readonly()
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(variable("namespace", "Namespace", "label_values(face_comparison_build_info, namespace)"))
        .with_variable(
            variable("service", "Service", 'label_values(face_comparison_build_info{namespace=~"$namespace"}, service)')
        )
    )
    number = 0
    for title, panels in (("Services", SERVICE_PANELS), ("Operator", OPERATOR_PANELS)):
        board = board.with_row(Row(title).id(number := number + 1))
        for each in panels:
            board = board.with_panel(each.id(number := number + 1))
    return board


def text() -> str:
    """Returns the dashboard as JSON."""
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard().build()) + "\n"


def main() -> None:
    """Writes the dashboard."""
    OUTPUT.write_text(text())


if __name__ == "__main__":
    main()
