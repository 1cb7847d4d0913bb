"""The condition of the autoscaler."""

from __future__ import annotations

from dataclasses import replace

import pytest

from face_comparison_operator.refusals import Refusal
from face_comparison_operator.status import status
from support.status_objects import NOW, READY, SERVES, conditions, resource

SCALERS: list[tuple[str, list[dict[str, str]], tuple[str, str]]] = [
    ("it has not looked", [], ("Unknown", "ScalerPending")),
    ("it scales", [{"type": "ScalingActive", "status": "True"}], ("True", "Scaling")),
    (
        "it has no measure",
        [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics"}],
        ("False", "MetricsUnavailable"),
    ),
    (
        "it may not scale",
        [
            {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": "no"},
            {"type": "ScalingActive", "status": "True"},
        ],
        ("False", "MetricsUnavailable"),
    ),
    ("a condition without a status", [{"type": "ScalingActive"}], ("Unknown", "ScalerPending")),
    ("a condition without a type", [{"status": "True"}], ("Unknown", "ScalerPending")),
    ("KEDA is content", [{"type": "Ready", "status": "True"}], ("True", "Scaling")),
]


@pytest.mark.parametrize(("reported", "expected"), [case[1:] for case in SCALERS], ids=[case[0] for case in SCALERS])
def test_autoscaler_condition(reported: list[dict[str, str]], expected: tuple[str, str]) -> None:
    observed = replace(SERVES, autoscaler={"status": {"conditions": reported}})
    result = status(resource(autoscaling={}), observed, NOW)
    assert conditions(result)["AutoscalerReady"] == expected
    assert conditions(result)["Ready"] == READY


def test_autoscaler_with_outdated_observation() -> None:
    active = {"type": "ScalingActive", "status": "True"}
    live = {"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": [active]}}
    result = status(resource(autoscaling={}), replace(SERVES, autoscaler=live), NOW)
    assert conditions(result)["AutoscalerReady"] == ("Unknown", "ScalerPending")


def test_autoscaler_at_limit_is_reported() -> None:
    reported = [
        {"type": "ScalingActive", "status": "True"},
        {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"},
    ]
    observed = replace(SERVES, autoscaler={"status": {"conditions": reported}})
    result = status(resource(autoscaling={"maxReplicas": 3}), observed, NOW)
    (found,) = (each for each in result["conditions"] if each["type"] == "AutoscalerReady")
    assert (found["status"], found["reason"]) == ("True", "Scaling")
    assert "more pods are wanted than maxReplicas (3)" in found["message"]


def test_autoscaler_with_missing_api() -> None:
    observed = replace(SERVES, refusals=[Refusal("ScaledObject", "ApiNotInstalled", "install KEDA")])
    result = status(resource(autoscaling={"metric": "InFlight"}), observed, NOW)
    assert conditions(result)["AutoscalerReady"] == ("False", "ApiNotInstalled")
    assert conditions(result)["SpecAccepted"] == ("False", "ApiNotInstalled")
