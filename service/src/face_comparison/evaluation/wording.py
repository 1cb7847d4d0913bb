"""Puts the results of an evaluation into words: the verdict and its caveats. No I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from face_comparison.evaluation.intervals import Rate
from face_comparison.evaluation.pair_counts import threshold_bin
from face_comparison.evaluation.run import Evaluation, GroupRates
from face_comparison.plurals import count_noun

FEW_PEOPLE, ENOUGH_PEOPLE = 50, 200
SAME_SHOT = 0.2
"""Distance below which two images of one person are probably copies of the same photograph."""

SMALLEST = 1e-6
"""Rates below this are all worded as "under" it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The summary at the top of a report.

    Attributes:
        level: `good`, `fair`, or `poor`.
        headline: The conclusion in one line.
        sentences: The details, the most important first.
    """

    level: str
    headline: str
    sentences: tuple[str, ...]


def percent(rate: float, digits: int = 2) -> str:
    """Returns a rate (0-1) in percent with this number of significant digits; "none" for NaN."""
    if math.isnan(rate):
        return "none"
    if rate == 0:
        return "0 %"
    if rate < SMALLEST:
        return f"under {100 * SMALLEST:.10f}".rstrip("0") + " %"
    decimals = max(0, digits - 1 - math.floor(math.log10(100 * rate)))
    return f"{100 * rate:.{min(decimals, 9)}f} %"


def interval(low: float, high: float, digits: int = 2) -> str:
    """Returns a confidence interval of fractions (0-1) in percent: "0.10% to 0.52%"."""
    return f"{percent(low, digits)} to {percent(high, digits)}"


def one_in(rate: float) -> str:
    """Returns a rate (0-1) such as "1 in 2,100"; "none" for 0, and a percentage from 0.5 on."""
    if rate <= 0:
        return "none"
    inverse = 1 / rate
    rounded = round(inverse, -max(0, math.floor(math.log10(inverse)) - 1))
    return f"1 in {rounded:,.0f}" if rate < 0.5 else percent(rate)


def verdict(evaluation: Evaluation) -> Verdict:
    """Returns what the numbers mean in plain words, the most important first."""
    error, people = evaluation.rates.equal_error_rate, evaluation.counts.people
    fmr, fnmr = evaluation.rates.fmr(evaluation.threshold), evaluation.rates.fnmr(evaluation.threshold)
    if error.value > 0.05:
        level, headline = "poor", "The model does not tell these people apart reliably"
    elif error.high > 0.05:
        level, headline = "fair", "The model tells these people apart, but the sample is too small to rely on it"
    elif error.value > 0.01:
        level, headline = "fair", "The model tells these people apart with errors that need a review by a person"
    else:
        level, headline = "good", "The model tells these people apart well"
    if level == "good" and people < FEW_PEOPLE:
        level, headline = "fair", "The model tells these people apart, but they are too few for a safe judgment"
    return Verdict(
        level,
        headline,
        (
            f"At the threshold {evaluation.threshold:g}, {_describe(fmr, 'pairs of different people')} "
            "are taken for one person (false match rate).",
            f"At the same threshold, {_describe(fnmr, 'pairs of one person')} are taken for different people "
            "(false non-match rate).",
            f"If a false match costs {evaluation.costs.false_match:g} and a false non-match "
            f"{evaluation.costs.false_non_match:g}, and {percent(evaluation.costs.prior)} of comparisons are of one "
            f"person, the cheapest threshold is {evaluation.recommended.threshold:.3f}.",
            f"Both error rates are equal at {error.threshold:.3f}: {percent(error.value)} "
            f"(95 % interval {interval(error.low, error.high)}).",
        ),
    )


def caveats(evaluation: Evaluation) -> Iterator[str]:
    """Yields the limitations of this evaluation."""
    counts, enrollment = evaluation.counts, evaluation.enrollment
    if counts.people < ENOUGH_PEOPLE:
        yield (
            f"{count_noun(counts.people, 'person is', 'people are')} few: intervals are wide, and rare errors cannot "
            f"be seen. {ENOUGH_PEOPLE} people or more make a sound measurement."
        )
    smallest = 3 / max(1.0, evaluation.rates.fmr(0.0).independent)
    yield (
        f"These people can show false match rates down to about {percent(smallest, 1)} "
        f"({one_in(smallest)}); lower rates in this report are extrapolated and marked."
    )
    conflicts = sum(each.conflict for each in enrollment.duplicates)
    if conflicts:
        yield (
            f"{count_noun(conflicts, 'image is', 'images are')} in the folders of two people and not used; correct the "
            "folders, because other images may be wrong, too."
        )
    lost = len(enrollment.failures)
    total = lost + len(enrollment.images)
    if lost / total > 0.02:
        yield (
            f"{count_noun(lost, 'image')} of {total:,} ({percent(lost / total)}) could not be used. People "
            "who are rejected for this reason come on top of the false non-match rate."
        )
    same_shot = int(counts.genuine[:, : threshold_bin(SAME_SHOT) + 1].sum())
    if same_shot:
        yield (
            f"{count_noun(same_shot, 'pair of one person is', 'pairs of one person are')} nearer than {SAME_SHOT}, "
            "like copies of one photograph, which makes the false non-match rate look better than it is."
        )
    if _suspicious(evaluation):
        yield (
            "Some of the worst pairs look like wrong labels (see below). One wrong image changes rates more than "
            "anything else: look at them first."
        )
    yield from _about_groups(evaluation)
    yield (
        "The rates hold for images like these. Other cameras, light, poses, years between two images, masks and "
        "people unlike these change them. Relatives, twins and children are confused more often than other people."
    )
    yield "There is no liveness check: a printed photograph passes as its person."


def looks_mislabeled(evaluation: Evaluation, distance: float, *, same: bool) -> bool:
    """Returns whether the distance of a pair is typical of the other kind, which suggests a wrong label.

    Args:
        evaluation: The evaluation.
        distance: Distance of the pair.
        same: Whether the pair is labeled as the same person.
    """
    counts = evaluation.counts.impostor if same else evaluation.counts.genuine
    below = int(counts[:, : threshold_bin(distance) + 1].sum())
    middle = int(counts.sum()) / 2
    return below >= middle if same else below <= middle


def _suspicious(evaluation: Evaluation) -> bool:
    worst = evaluation.counts.worst
    return any(looks_mislabeled(evaluation, pair.distance, same=True) for pair in worst.genuine()) or any(
        looks_mislabeled(evaluation, pair.distance, same=False) for pair in worst.impostor()
    )


def _describe(rate: Rate, noun: str) -> str:
    limit = f"with 95 % confidence at most {percent(rate.high)}"
    if not rate.errors:
        return f"none of {rate.pairs:,} {noun} ({limit})"
    return (
        f"{percent(rate.value)} of {noun} ({rate.errors:,} of {rate.pairs:,}; interval {interval(rate.low, rate.high)})"
    )


def _about_groups(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.groups:
        yield (
            "No groups were given (groups.csv), so nothing is known about differences by age, sex or origin. Models of "
            "this kind often differ by a factor of ten and more between groups."
        )
        return
    kinds: tuple[tuple[str, Callable[[GroupRates], Rate | None]], ...] = (
        ("false match rate", lambda group: group.false_match),
        ("false non-match rate", lambda group: group.false_non_match),
    )
    for kind, rate_of in kinds:
        for attribute in dict.fromkeys(group.attribute for group in evaluation.groups):
            found = [
                (rate, group)
                for group in evaluation.groups
                if group.attribute == attribute and (rate := rate_of(group)) is not None
            ]
            if len(found) < 2:
                continue
            low, high = min(found, key=lambda item: item[0].value), max(found, key=lambda item: item[0].value)
            if high[0].low > low[0].high:
                yield _difference(kind, low, high)


def _difference(kind: str, low: tuple[Rate, GroupRates], high: tuple[Rate, GroupRates]) -> str:
    return (
        f"The {kind} differs by {high[1].attribute}: {percent(high[0].value)} for {high[1].group}, "
        f"{percent(low[0].value)} for {low[1].group}. This is more than chance; one threshold treats them unequally."
    )
