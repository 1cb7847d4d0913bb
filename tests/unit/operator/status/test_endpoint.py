"""What the URL answers: the model version, another resource, a certificate that clients reject."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from face_comparison_operator.observation import Observed, ProbeResult
from face_comparison_operator.routing import RouteState, Target
from face_comparison_operator.status import status
from support.status_objects import NOW, READY, SERVES, URL, conditions, deployment, message, resource, written


def test_model_version_is_kept_while_unreachable() -> None:
    result = status(resource(written=written(modelVersion="m-1")), SERVES, NOW)
    assert result["modelVersion"] == "m-1"


@pytest.mark.parametrize(
    ("answer", "ready", "reported"),
    [
        (None, ("False", "Deploying"), "prod"),
        (ProbeResult("unexpected", "it answers 404"), ("False", "Deploying"), "prod"),
        (ProbeResult("ok", version="m"), READY, "v2"),
        (ProbeResult("unverifiable", "timeout"), READY, "v2"),
    ],
)
def test_previous_url_is_reported_until_new_one_responds(
    answer: ProbeResult | None, ready: tuple[str, str], reported: str
) -> None:
    moved = msgspec.structs.replace(resource(written={"url": URL}, stage="v2"), routed=("v2", "prod"))
    route = RouteState(
        True, "Admitted", "taken", URL.replace("prod", "v2"), Target("192.0.2.1", 80, False, "f", "/v2/face_comparison")
    )
    result = status(moved, Observed(route, deployment(), probe=answer), NOW)
    assert conditions(result)["Ready"] == ready
    assert result["url"] == URL.replace("prod", reported)


REFUSED = ProbeResult("unexpected", "it leads to the FaceComparison first", other="uid-2")


def test_response_of_another_resource_is_not_ready() -> None:
    result = status(resource(written=written()), replace(SERVES, probe=REFUSED), NOW)
    assert conditions(result)["Ready"] == ("False", "EndpointUnreachable")
    assert conditions(result)["RouteReady"] == ("False", "EndpointUnreachable")
    assert "the FaceComparison first" in message(result)


def test_operator_side_obstacle_is_not_a_failure() -> None:
    stopped = replace(SERVES, probe=ProbeResult("unverifiable", "the ingress responds to the operator with 401"))
    result = status(resource(), stopped, NOW)
    assert conditions(result)["Ready"] == READY
    assert conditions(result)["RouteReady"] == ("True", "Admitted")
    assert "cannot be verified from the operator: the ingress responds to the operator with 401" in message(
        result, "RouteReady"
    )


WRONG = ProbeResult("ok", version="m", certificate="Hostname mismatch")
INGRESS_TLS = {"host": "f.example.com", "ingress": {"tlsSecret": "t"}}
GATEWAY_TLS = {"host": "f.example.com", "gateway": {"parentRefs": [{"name": "g"}]}}


@pytest.mark.parametrize(
    ("route", "ready"),
    [
        (INGRESS_TLS, ("False", "CertificateInvalid")),
        (GATEWAY_TLS, ("False", "CertificateInvalid")),
        ({"host": "f.example.com", "ingress": {"tls": True}}, READY),
    ],
)
def test_certificate_that_clients_reject_is_reported(route: dict[str, Any], ready: tuple[str, str]) -> None:
    result = status(resource(route=route), replace(SERVES, probe=WRONG), NOW)
    assert conditions(result)["Ready"] == ready
    for kind in ("Ready", "RouteReady"):
        assert "clients reject the certificate" in message(result, kind)
        assert "Hostname mismatch" in message(result, kind)
