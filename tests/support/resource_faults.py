"""Faults that keep a resource from being applied, and states that are no fault of its pods."""

from __future__ import annotations

from support.faults import (
    MESSAGE,
    OTHER_SERVICE,
    WEBHOOK,
    Row,
    rejecting,
    secret,
)

RESOURCES: list[Row] = [
    Row(
        "autoscaling-request",
        "`autoscaling` by CPU without a request",
        "InvalidSpec",
        ["set resources.requests.cpu"],
        {"autoscaling": {"maxReplicas": 2}, "resources": {"limits": {"memory": "1500Mi"}}},
        mended={},
    ),
    Row(
        "service-name",
        "a foreign Service has the name",
        "NameConflict",
        ["the name of the Service"],
        given=[{**OTHER_SERVICE, "metadata": {"name": "faces"}}],
        delete=["service/faces"],
    ),
    Row(
        "account-name",
        "a foreign ServiceAccount has the name",
        "NameConflict",
        ["the name of the ServiceAccount"],
        given=[{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "faces"}}],
        delete=["serviceaccount/faces"],
    ),
    Row(
        "keda",
        "KEDA is not installed",
        "ApiNotInstalled",
        ["does not have the API ScaledObject"],
        {"autoscaling": {"metric": "InFlight"}},
        condition="AutoscalerReady",
        mended={},
    ),
    Row(
        "monitor",
        "the Prometheus operator is not installed",
        "ApiNotInstalled",
        ["ServiceMonitor"],
        {"monitoring": {"serviceMonitor": True}},
        condition="SpecAccepted",
        mended={},
    ),
    Row(
        "policy",
        "an admission policy rejects a child",
        "ApplyFailed",
        [MESSAGE],
        given=rejecting("services", "", "v1", "has(object.metadata.labels.team)", MESSAGE),
        mended={"childMetadata": {"labels": {"team": "vision"}}},
    ),
    Row(
        "webhook",
        "an admission webhook is down",
        "ApplyFailed",
        ["down.example.com"],
        given=[WEBHOOK],
        delete=["validatingwebhookconfiguration/NAMESPACE"],
    ),
    Row(
        "paused",
        "`paused` keeps a change from being applied",
        "Paused",
        ["reconciliation is paused"],
        {"paused": True},
        mended={},
    ),
    Row("zero", "`replicas` is 0", "ScaledToZero", ["replicas is 0"], {"replicas": 0}, mended={}),
    Row(
        "store",
        "PostgreSQL for collections is unreachable",
        "StoreUnavailable",
        [],
        {"collections": {"postgres": {"secretName": "db"}}},
        condition="CollectionsReady",
        mended={},
        given=[secret("db", uri="postgresql://nobody:nothing@127.0.0.1:9/faces")],
    ),
]
