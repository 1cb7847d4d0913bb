"""Renders the report of an evaluation: a single HTML file without external resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
import numpy as np

from face_comparison import __version__
from face_comparison.album import names
from face_comparison.evaluation import charts, wording
from face_comparison.evaluation.identification import GalleryCounts
from face_comparison.evaluation.intervals import Rate
from face_comparison.evaluation.run import FALSE_POSITIVE_TARGETS, Evaluation
from face_comparison.evaluation.thumbnails import SIDE, face_thumbnail
from face_comparison.evaluation.worst_pairs import ImagePair
from face_comparison.plurals import count_noun

LISTED = 200
"""Maximum number of unusable images to list; the JSON file has all of them."""


@dataclass(frozen=True, slots=True)
class _Row:
    threshold: float
    false_match: Rate
    false_non_match: Rate
    note: str


@dataclass(frozen=True, slots=True)
class _ShownImage:
    name: str
    person: str
    thumbnail: str


@dataclass(frozen=True, slots=True)
class _ShownPair:
    images: tuple[_ShownImage, _ShownImage]
    distance: float
    error: bool
    mislabeled: bool


def page(evaluation: Evaluation) -> bytes:
    """Returns the HTML page in UTF-8; the template escapes every name."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("face_comparison.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": wording.percent,
        "one_in": wording.one_in,
        "path": names.display_path,
    }
    worst = evaluation.counts.worst
    text = environment.get_template("report.html").render(
        e=evaluation,
        title=names.display_path(evaluation.dataset.folder),
        verdict=wording.verdict(evaluation),
        caveats=list(wording.caveats(evaluation)),
        rows=_rows(evaluation),
        plots={
            name: getattr(charts, name)(evaluation)
            for name in (
                "distances",
                "errors_by_threshold",
                "detection_error_tradeoff",
                "receiver_operating_characteristic",
                "searches",
            )
        },
        fpir_targets=FALSE_POSITIVE_TARGETS,
        measured=_search_rates,
        genuine=_pairs(evaluation, worst.genuine(), same=True),
        impostor=_pairs(evaluation, worst.impostor(), same=False),
        interval=wording.interval,
        count=count_noun,
        listed=LISTED,
        side=SIDE,
        program=__version__,
    )
    return text.encode()


def _rows(evaluation: Evaluation) -> list[_Row]:
    """Returns the rows of the table: the thresholds of interest, and a grid around them."""
    notes = {
        round(evaluation.threshold, 3): "judged",
        round(evaluation.recommended.threshold, 3): "cheapest",
        round(evaluation.rates.equal_error_rate.threshold, 3): "equal errors",
    }
    if evaluation.bundle_threshold not in notes:
        notes[round(evaluation.bundle_threshold, 3)] = "the model's default"
    low, high = min(notes) - 0.2, max(notes) + 0.1
    grid = np.round(np.arange(np.floor(low * 20) / 20, high + 0.05, 0.05), 3)
    thresholds = sorted({*(value for value in grid.tolist() if 0 < value < 2), *notes})
    return [
        _Row(threshold, evaluation.rates.fmr(threshold), evaluation.rates.fnmr(threshold), notes.get(threshold, ""))
        for threshold in thresholds
    ]


def _search_rates(counts: GalleryCounts | None, threshold: float) -> tuple[Rate, Rate] | None:
    """Returns the FPIR and the FNIR; None if they were not measured."""
    if counts is None:
        return None
    return counts.false_positive(threshold), counts.false_negative(threshold)


def _pairs(evaluation: Evaluation, pairs: Sequence[ImagePair], *, same: bool) -> list[_ShownPair]:
    return [
        _ShownPair(
            (_to_shown_image(evaluation, pair.first), _to_shown_image(evaluation, pair.second)),
            pair.distance,
            error=(pair.distance > evaluation.threshold) is same,
            mislabeled=wording.looks_mislabeled(evaluation, pair.distance, same=same),
        )
        for pair in pairs
    ]


def _to_shown_image(evaluation: Evaluation, number: int) -> _ShownImage:
    image, face = evaluation.enrollment.images[number], evaluation.enrollment.faces[number]
    thumbnail = face_thumbnail(evaluation.dataset.folder / image.path, face.bounding_box)
    return _ShownImage(names.display_path(image.path), image.person, thumbnail)
