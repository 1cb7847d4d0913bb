"""How `detect` and `compare` print their results."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import click

from face_comparison.api import responses as api
from face_comparison.cli import results
from face_comparison.cli.face_finder import Compared
from face_comparison.cli.inputs import Problem
from support.image_commands import lines, names, photograph, run


def test_no_hash_omits_hash_only(here: Path) -> None:
    (whole,), (without,) = lines(run("detect", "anna.jpg")), lines(run("detect", "anna.jpg", "--no-hash"))
    for face in whole["Faces"]:
        assert len(face.pop("face_hash")) == 768
    assert without == whole


def test_max_faces_limits_faces(here: Path) -> None:
    assert [len(line["Faces"]) for line in lines(run("detect", "photos/deep"))] == [2]
    assert [len(line["Faces"]) for line in lines(run("detect", "photos/deep", "--max-faces", "1"))] == [1]
    (line,) = lines(run("detect", "photos/deep", FACE_COMPARISON_MIN_CONFIDENCE="0.99"))
    assert len(line["Faces"]) < 2


def test_csv_has_one_row_per_face(here: Path) -> None:
    (here / "=1+1.jpg").write_bytes(photograph("anna"))
    result = run("detect", "photos", "=1+1.jpg", "gone.jpg", "--format", "csv")
    assert result.exit_code == 2
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["image"], row["face"]) for row in rows] == [
        ("photos/anna2.jpg", "1"),
        ("photos/deep/bert.jpg", "1"),
        ("photos/deep/bert.jpg", "2"),
        ("photos/nobody.jpg", ""),
        ("./=1+1.jpg", "1"),  # spreadsheets take the other for a formula
    ]
    assert rows[0]["FaceModelVersion"] == "fake-1"
    assert 0 < float(rows[0]["Width"]) < 1
    assert rows[0]["Reliable"] == "true"
    compared = run("compare", "anna.jpg", "photos", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(compared.stdout)))
    assert [(row["image"], row["SamePerson"], row["error"]) for row in rows] == [
        ("photos/anna2.jpg", "true", ""),
        ("photos/deep/bert.jpg", "false", ""),
        ("photos/nobody.jpg", "", "no_face"),
    ]


def test_table_has_one_line_per_face(here: Path) -> None:
    shown = run("detect", "photos", "--format", "table").stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [
        ["image", "face"],
        ["photos/anna2.jpg", "1"],
        ["photos/deep/bert.jpg", "1"],
        ["2", shown[3].split()[1]],
        ["photos/nobody.jpg", "none"],
    ]


def test_review_verdicts_are_marked() -> None:
    head = Compared(api.CompareResponse("fake-1", 1.128, api.SourceFace(), ()), 3)
    match = api.FaceMatch(distance=1.1, confidence=0.6, same_person=True, verdict="review")
    result = api.TargetMatch(True, 1.1, 0.6, "review", (match, match))
    outcomes: list[tuple[str, api.TargetMatch | Problem]] = [
        ("a.jpg", result),
        ("b.jpg", Problem("b.jpg", "no_face", "none")),
    ]
    shown = results.compare_table("s.jpg", head, outcomes)
    assert shown.splitlines()[0].startswith("Compared with s.jpg (the most prominent of 3 faces)")
    assert "same person (closest of 2); let a person check" in shown
    assert "no_face: none" in shown
    colored = results.compare_table("s.jpg", head, outcomes, color=True)
    assert click.unstyle(colored) == shown
    assert "\x1b[33m" in colored and "\x1b[31m" in colored


def test_file_name_that_is_not_utf8_is_printed(here: Path) -> None:
    odd = os.fsdecode(b"latin1-\xe9.jpg")
    (here / odd).write_bytes(photograph("anna"))
    assert names(run("detect", odd)) == ["latin1-\N{REPLACEMENT CHARACTER}.jpg"]
