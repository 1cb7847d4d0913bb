"""Writes an evaluation as JSON: every number in the report, for use by programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from face_comparison import __version__
from face_comparison.album import names
from face_comparison.evaluation.error_rates import Estimate
from face_comparison.evaluation.identification import GalleryCounts
from face_comparison.evaluation.intervals import CONFIDENCE, Rate
from face_comparison.evaluation.pair_counts import THRESHOLDS
from face_comparison.evaluation.run import Evaluation
from face_comparison.evaluation.strangers import impostor_tail
from face_comparison.evaluation.thresholds import Recommendation
from face_comparison.evaluation.worst_pairs import ImagePair

CURVE_STEP = 10
"""Number of bins between two thresholds in the table: a distance of 0.01."""


def record(evaluation: Evaluation) -> dict[str, Any]:
    """Returns everything that was measured as JSON values."""
    rates, counts, enrollment = evaluation.rates, evaluation.counts, evaluation.enrollment
    strangers = impostor_tail(counts)
    return {
        "program": __version__,
        "created": evaluation.created.isoformat(timespec="seconds"),
        "model_version": evaluation.model_version,
        "confidence_level": CONFIDENCE,
        "dataset": {
            "people": counts.people,
            "images": len(enrollment.images),
            "genuine_pairs": counts.genuine_pairs,
            "impostor_pairs": counts.impostor_pairs,
            "failures_to_enroll": [
                {"image": names.text(each.path), "person": each.person, "code": each.code, "reason": each.reason}
                for each in enrollment.failures
            ],
            "duplicates": [
                {"image": names.text(each.path), "same_as": names.text(each.same_as), "conflict": each.conflict}
                for each in enrollment.duplicates
            ],
            "skipped": [
                {"file": names.text(each.path), "code": each.code, "reason": each.reason} for each in evaluation.skipped
            ],
        },
        "threshold": evaluation.threshold,
        "at_threshold": _at(evaluation, evaluation.threshold),
        "equal_error_rate": _estimate(rates.equal_error_rate),
        "tar_at_fmr": [
            {
                "fmr": each.target,
                "tar": each.accepted.value,
                "low": each.accepted.low,
                "high": each.accepted.high,
                "threshold": each.accepted.threshold,
                "measured": each.measured,
                "needed_impostor_pairs": each.needed_pairs,
            }
            for each in evaluation.accept_rates
        ],
        "rates": [_at(evaluation, float(threshold)) for threshold in THRESHOLDS[::CURVE_STEP]],
        "costs": asdict(evaluation.costs),
        "recommended": _recommendation(evaluation.recommended),
        "recommended_by_cost_ratio": {
            str(ratio): _recommendation(each) for ratio, each in evaluation.by_cost_ratio.items()
        },
        "identification": [
            {
                "gallery_size": each.size,
                "fpir_at_threshold": each.at_threshold,
                "measured": None if each.measured is None else _gallery(each.measured, evaluation.threshold),
                "recommended_by_fpir": {f"{rate:g}": _recommendation(of) for rate, of in each.recommended.items()},
            }
            for each in evaluation.galleries
        ],
        "groups": [
            {
                "attribute": each.attribute,
                "group": each.group,
                "people": each.people,
                "images": each.images,
                "fmr": None if each.false_match is None else _rate(each.false_match),
                "fnmr": None if each.false_non_match is None else _rate(each.false_non_match),
            }
            for each in evaluation.groups
        ],
        "calibration": {
            "threshold": evaluation.recommended.threshold,
            "scale": evaluation.scale,
            "review": asdict(evaluation.review),
            "strangers": {
                "mean_cosine": strangers.mean,
                "deviation_cosine": strangers.deviation,
                "pairs_of_people": counts.people * (counts.people - 1) // 2,
            },
        },
        "worst_pairs": {
            "genuine": [_pair(evaluation, pair) for pair in counts.worst.genuine()],
            "impostor": [_pair(evaluation, pair) for pair in counts.worst.impostor()],
        },
    }


def encode(evaluation: Evaluation) -> bytes:
    """Returns an evaluation as JSON in UTF-8, with a final newline."""
    return (json.dumps(record(evaluation), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _at(evaluation: Evaluation, threshold: float) -> dict[str, Any]:
    return {
        "threshold": threshold,
        "fmr": _rate(evaluation.rates.fmr(threshold)),
        "fnmr": _rate(evaluation.rates.fnmr(threshold)),
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {
        "value": None if math.isnan(rate.value) else rate.value,
        "low": rate.low,
        "high": rate.high,
        "errors": rate.errors,
        "pairs": rate.pairs,
        "independent_pairs": round(rate.independent, 1),
        "interval": rate.method,
    }


def _estimate(estimate: Estimate) -> dict[str, float]:
    return asdict(estimate)


def _recommendation(recommendation: Recommendation) -> dict[str, Any]:
    return {
        "threshold": recommendation.threshold,
        "fmr": recommendation.false_match,
        "fnmr": recommendation.false_non_match,
        "cost": recommendation.cost,
        "extrapolated": recommendation.extrapolated,
    }


def _gallery(counts: GalleryCounts, threshold: float) -> dict[str, Any]:
    return {"fpir": _rate(counts.false_positive(threshold)), "fnir": _rate(counts.false_negative(threshold))}


def _pair(evaluation: Evaluation, pair: ImagePair) -> dict[str, Any]:
    one, other = (evaluation.enrollment.images[number] for number in (pair.first, pair.second))
    return {
        "images": [names.text(one.path), names.text(other.path)],
        "people": [one.person, other.person],
        "distance": round(pair.distance, 4),
    }
