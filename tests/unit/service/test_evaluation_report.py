"""What a report and its JSON say, on synthetic people."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from face_comparison.errors import InvalidDataset
from face_comparison.evaluation import calibration, charts, record, report, wording
from face_comparison.evaluation.enrollment import Duplicate, Failure
from face_comparison.evaluation.pair_counts import BINS, count_all_pairs, distance_bins
from face_comparison.evaluation.run import Evaluation, EvaluationOptions, SilentProgress, measure
from face_comparison.evaluation.thresholds import Costs
from support import embeddings
from support.evaluations import OPTIONS, enrolled, evaluated


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    ages = {f"p{number}": "young" if number % 2 else "old" for number in range(60)}
    return evaluated(groups={"age": ages})


def test_json_has_measurements(evaluation: Evaluation) -> None:
    found = json.loads(record.encode(evaluation))
    assert (found["dataset"]["people"], found["dataset"]["images"]) == (60, 180)
    assert found["dataset"]["genuine_pairs"] == 60 * 3
    assert found["dataset"]["impostor_pairs"] == 180 * 179 // 2 - 180
    at = found["at_threshold"]
    distances = np.linalg.norm(evaluation.enrollment.vectors[:, None] - evaluation.enrollment.vectors, axis=2)
    other = evaluation.enrollment.people[:, None] != evaluation.enrollment.people
    assert at["fmr"]["value"] == pytest.approx((distances[other] <= 0.9).mean(), abs=2e-4)
    assert [row["threshold"] for row in found["rates"]] == pytest.approx(np.arange(0, 2.001, 0.01).tolist())
    assert found["rates"][90] == at
    assert [row["fmr"] for row in found["tar_at_fmr"]] == [1e-2, 1e-3, 1e-4, 1e-5]
    assert [row["gallery_size"] for row in found["identification"]][:2] == [10, 100]
    assert found["identification"][0]["measured"] is not None
    assert found["identification"][1]["measured"] is None
    assert found["recommended"]["threshold"] == found["calibration"]["threshold"]


def test_groups_are_measured_separately(evaluation: Evaluation) -> None:
    assert [(group.attribute, group.group, group.people) for group in evaluation.groups] == [
        ("age", "old", 30),
        ("age", "young", 30),
    ]
    old = np.flatnonzero(evaluation.enrollment.people % 2 == 0)
    counts = count_all_pairs(evaluation.enrollment.vectors[old], evaluation.enrollment.people[old])
    expected = counts.impostor[:, : int(distance_bins(np.array([0.9]))[0]) + 1].sum() / counts.impostor_pairs
    assert evaluation.groups[0].false_match is not None
    assert evaluation.groups[0].false_match.value == pytest.approx(expected)


def test_significantly_worse_group_is_reported() -> None:
    vectors, people = embeddings.draw(np.random.default_rng(1), 120, 3, width=64)
    alike = people < 40  # a third of the people share a direction: strangers among them come near
    vectors[alike] = vectors[alike] + 1.2 * np.eye(64, dtype=np.float32)[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    dataset, enrollment = enrolled(vectors, people)
    groups = {"origin": {f"p{number}": "here" if number < 40 else "there" for number in range(120)}}
    found = measure(replace(dataset, groups=groups), enrollment, "m-1", 0.9, OPTIONS, SilentProgress())
    (said,) = [each for each in wording.caveats(found) if "false match rate differs by origin" in each]
    assert re.search(r"for here, .* for there", said)


def test_report_is_self_contained(evaluation: Evaluation) -> None:
    text = report.page(evaluation).decode()
    assert not re.search(r"<script|<link|@import|url\(|https?://", text)
    assert text.count("<svg viewBox") == 5
    assert re.search(r"p\d+/&lt;b&gt;", text)
    assert "<b>" not in text
    assert "NaN" not in text and "nan" not in re.sub(r"<[^>]*>", "", text)
    for part in ("What limits these numbers", "By group", "Worst pairs", "How this was measured", "Glossary"):
        assert part in text


def test_empty_plot_is_explained() -> None:
    people = np.repeat(np.arange(8), 2)
    vectors = np.eye(8, dtype=np.float32)[people]  # everybody like nobody else, and like themselves
    dataset, enrollment = enrolled(vectors, people)
    separated = measure(dataset, enrollment, "m-1", 0.9, OPTIONS, SilentProgress())
    assert "no threshold has errors of both kinds" in charts.detection_error_tradeoff(separated)
    assert "no threshold" not in charts.detection_error_tradeoff(evaluated())


def test_unused_images_are_listed(evaluation: Evaluation) -> None:
    failures = (Failure(Path("p1/x.jpg"), "p1", "no_face", "no face was found"),)
    duplicates = (Duplicate(Path("p1/y.jpg"), Path("p2/<i>.jpg"), conflict=True),)
    changed = replace(evaluation, enrollment=replace(evaluation.enrollment, failures=failures, duplicates=duplicates))
    text = report.page(changed).decode()
    assert "p1/x.jpg" in text
    assert "p2/&lt;i&gt;.jpg" in text
    assert any("in the folders of two people" in each for each in wording.caveats(changed))
    assert json.loads(record.encode(changed))["dataset"]["failures_to_enroll"][0]["code"] == "no_face"


def test_verdict_reflects_sample_size() -> None:
    few = evaluated(8, 2)
    assert wording.verdict(few).level != "good"
    assert any("8 people are few" in each for each in wording.caveats(few))
    vectors, people = embeddings.draw(np.random.default_rng(2), 20, 3)
    mixed = np.random.default_rng(3).permutation(people)
    dataset, enrollment = enrolled(vectors, np.sort(mixed))
    chance_level = measure(dataset, replace(enrollment, people=mixed), "m-1", 0.9, OPTIONS, SilentProgress())
    assert wording.verdict(chance_level).level == "poor"


def test_suspected_label_errors_are_listed() -> None:
    vectors, people = embeddings.draw(np.random.default_rng(4), 40, 3, width=64)
    people = people.copy()
    people[[0, 30, 60]] = people[[3, 33, 63]]
    dataset, enrollment = enrolled(vectors, people)
    found = measure(dataset, enrollment, "m-1", 0.9, OPTIONS, SilentProgress())
    assert "perhaps this is one person in two folders" in report.page(found).decode()
    assert any("look like wrong labels" in each for each in wording.caveats(found))


def test_calibration_uses_measurements(evaluation: Evaluation) -> None:
    found = calibration.comparison(evaluation)
    assert found.threshold == evaluation.recommended.threshold
    assert found.limits.same_below <= found.threshold <= found.limits.different_above
    assert found.strangers is not None
    assert (found.strangers.people, found.strangers.pairs) == (60, evaluation.counts.impostor_pairs)
    distances = np.linalg.norm(evaluation.enrollment.vectors[:, None] - evaluation.enrollment.vectors, axis=2)
    strangers = np.sort(distances[evaluation.enrollment.people[:, None] != evaluation.enrollment.people])
    assert [row.fraction for row in found.strangers.quantiles] == [1e-3, 1e-2, 0.1, 0.5]
    for row in found.strangers.quantiles:
        assert row.distance == pytest.approx(np.quantile(strangers, row.fraction), abs=5e-3)
    assert found.strangers.cosine_mean == pytest.approx((1 - strangers**2 / 2).mean(), abs=1e-3)


def test_useless_model_is_not_calibrated() -> None:
    vectors = np.random.default_rng(5).normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    dataset, enrollment = enrolled(vectors, np.repeat(np.arange(20), 3))
    options = EvaluationOptions(Costs(1e9, 1))
    found = measure(dataset, enrollment, "m-1", 0.9, options, SilentProgress())
    with pytest.raises(InvalidDataset, match="does not tell these people apart"):
        calibration.comparison(found)


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50 %"),
        (0.0123, "1.2 %"),
        (0.00048, "0.048 %"),
        (3e-6, "0.00030 %"),
        (1e-9, "under 0.0001 %"),
    ],
)
def test_formats_rate_as_percent(rate: float, said: str) -> None:
    assert wording.percent(rate) == said


def test_formats_rate_as_one_in_n() -> None:
    assert [wording.one_in(rate) for rate in (0, 1e-5, 0.00047, 0.03)] == [
        "none",
        "1 in 100,000",
        "1 in 2,100",
        "1 in 33",
    ]


def test_worst_case_bins_fit() -> None:
    assert distance_bins(np.array([2.0000004]))[0] == BINS - 1
