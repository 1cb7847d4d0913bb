"""Draws a report's plots: distances, errors by threshold, DET and ROC curves, searches by gallery size. No I/O."""

from __future__ import annotations

import numpy as np

from face_comparison.evaluation import identification
from face_comparison.evaluation.pair_counts import STEP, THRESHOLDS, threshold_bin
from face_comparison.evaluation.plots import Axis, Band, Curve, Line, Marks, plot
from face_comparison.evaluation.run import Evaluation

_GENUINE, _IMPOSTOR = "genuine", "impostor"
_FINE_BINS, _COARSE_BINS = 20, 50  # in steps of STEP: distances of 0.02 and 0.05
_ENOUGH_PAIRS = 1_000  # minimum number of pairs for fine bins
_CURVE_BINS = 10  # in steps of STEP: a distance of 0.01


def distances(evaluation: Evaluation) -> str:
    """Plots the distance distributions of genuine and impostor pairs."""
    width = _FINE_BINS if evaluation.counts.genuine_pairs >= _ENOUGH_PAIRS else _COARSE_BINS
    middles = THRESHOLDS[1::width] - STEP + width * STEP / 2
    curves, highest = [], 0.0
    for counts, kind, label in (
        (evaluation.counts.genuine, _GENUINE, "one person"),
        (evaluation.counts.impostor, _IMPOSTOR, "different people"),
    ):
        bins = counts.sum(axis=0)
        parts = bins[1:].reshape(-1, width).sum(axis=1) + np.append(bins[0], np.zeros(len(middles) - 1))
        fractions = parts / max(1, parts.sum())
        highest = max(highest, float(fractions.max()))
        curves.append(Curve(middles, fractions, kind, label, filled=True))
    top = highest * 1.08
    ticks = [tick for tick in np.arange(0, 1.001, 0.05 if top > 0.12 else 0.02).tolist() if tick <= top]
    return plot(
        "Distances of pairs: the fraction of the pairs of each kind at each distance.",
        (_distance_axis(), Axis("fraction of the pairs of a kind", 0, top, ticks, percent=True)),
        curves,
        lines=[Line(evaluation.threshold, f"threshold {evaluation.threshold:g}")],
    )


def errors_by_threshold(evaluation: Evaluation) -> str:
    """Plots both error rates with their confidence intervals by threshold."""
    low, high = 0.4, 1.6
    thresholds = THRESHOLDS[threshold_bin(low) : threshold_bin(high) + 1 : _CURVE_BINS]
    bottom = _lowest_rate(evaluation)
    rates = evaluation.rates
    curves, bands = [], []
    for measured, kind, label in (
        ([rates.fnmr(threshold) for threshold in thresholds], _GENUINE, "false non-match rate"),
        ([rates.fmr(threshold) for threshold in thresholds], _IMPOSTOR, "false match rate"),
    ):
        values = np.array([rate.value for rate in measured])
        positive = np.flatnonzero(values > 0)
        if len(positive):
            part = slice(int(positive[0]), int(positive[-1]) + 1)
            curves.append(Curve(thresholds[part], values[part], kind, label))
        lows, highs = (np.array([getattr(rate, name) for rate in measured]) for name in ("low", "high"))
        bands.append(Band(thresholds, np.maximum(lows, bottom), np.maximum(highs, bottom), kind))
    return plot(
        "Error rates by threshold, with 95 % confidence intervals, on a logarithmic scale.",
        (_distance_axis(low, high), _rate_axis("error rate", bottom)),
        curves,
        bands=bands,
        lines=[Line(evaluation.threshold, f"threshold {evaluation.threshold:g}")],
    )


def detection_error_tradeoff(evaluation: Evaluation) -> str:
    """Plots the DET curve: the false non-match rate by the false match rate."""
    bottom = _lowest_rate(evaluation)
    measured = evaluation.rates.false_match > 0
    x, y = evaluation.rates.false_match[measured], evaluation.rates.false_non_match[measured]
    positive = y > 0
    return plot(
        "Detection error tradeoff: false non-match rate by false match rate.",
        (_rate_axis("false match rate", bottom), _rate_axis("false non-match rate", bottom)),
        [Curve(x[positive], y[positive], "plain", "")] if positive.any() else [],
        lines=_fmr_line(evaluation),
        note="" if positive.any() else "no curve: no threshold has errors of both kinds",
    )


def receiver_operating_characteristic(evaluation: Evaluation) -> str:
    """Plots the ROC curve: the true accept rate by the false match rate."""
    bottom = _lowest_rate(evaluation)
    measured = evaluation.rates.false_match > 0
    x, y = evaluation.rates.false_match[measured], 1 - evaluation.rates.false_non_match[measured]
    lowest = min(0.9, max(0.0, np.floor(10 * float(y.min(initial=1.0))) / 10))
    ticks = np.linspace(lowest, 1, 6).tolist()
    return plot(
        "Receiver operating characteristic: true accept rate by false match rate.",
        (_rate_axis("false match rate", bottom), Axis("true accept rate", lowest, 1, np.round(ticks, 3), percent=True)),
        [Curve(x, y, "plain", "")],
        lines=_fmr_line(evaluation),
    )


def searches(evaluation: Evaluation) -> str:
    """Plots the FPIR at the threshold by gallery size: computed, and also measured if there are enough people."""
    sizes = np.array([1.0, *identification.SIZES])
    false_match = evaluation.chooser.false_match_at(evaluation.threshold)
    computed = np.array([identification.false_positive_rate(false_match, int(size)) for size in sizes])
    measured = [each for each in evaluation.galleries if each.measured is not None]
    rates = [each.measured.false_positive(evaluation.threshold) for each in measured if each.measured]
    bottom = max(1e-8, 10.0 ** np.floor(np.log10(max(1e-8, float(computed.min())))))
    dots = Marks(
        np.array([float(each.size) for each in measured]),
        np.maximum([rate.value for rate in rates], bottom),
        np.maximum([rate.low for rate in rates], bottom),
        np.maximum([rate.high for rate in rates], bottom),
        _GENUINE,
        "measured",
    )
    return plot(
        "False positive identification rate by gallery size, at the judged threshold.",
        (
            Axis("people in the gallery", 1, 1_000_000, [1, *identification.SIZES], logarithmic=True),
            _rate_axis("false positive rate (FPIR)", bottom),
        ),
        [Curve(sizes, np.maximum(computed, bottom), _IMPOSTOR, "computed from the FMR")],
        marks=[dots] if measured else [],
    )


def _fmr_line(evaluation: Evaluation) -> list[Line]:
    false_match = evaluation.rates.fmr(evaluation.threshold).value
    return [Line(false_match, f"threshold {evaluation.threshold:g}")] if false_match > 0 else []


def _distance_axis(low: float = 0.0, high: float = 2.0) -> Axis:
    return Axis("distance", low, high, np.round(np.arange(low, high + 0.01, 0.2), 1).tolist())


def _rate_axis(label: str, bottom: float) -> Axis:
    decades = np.arange(round(np.log10(bottom)), 1)
    return Axis(label, bottom, 1, [10.0**decade for decade in decades.tolist()], logarithmic=True, percent=True)


def _lowest_rate(evaluation: Evaluation) -> float:
    """Returns the power of ten below the lowest error rate that this number of pairs can show."""
    pairs = max(evaluation.counts.impostor_pairs, evaluation.counts.genuine_pairs, 100)
    return max(1e-7, float(10.0 ** np.floor(-np.log10(pairs))))
