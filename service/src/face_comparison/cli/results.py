"""Formats the results of `detect` and `compare`: tables for people, CSV for spreadsheets. Pure functions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from face_comparison.cli.inputs import Problem, one_line

if TYPE_CHECKING:
    from face_comparison.api.responses import DetectResponse, TargetMatch
    from face_comparison.cli.face_finder import Compared

_FORMULA = ("=", "+", "-", "@")
"""Characters that spreadsheets interpret as the start of a formula."""

_BOX = ("Left", "Top", "Width", "Height")
_QUALITY = ("Sharpness", "Brightness", "FaceSize", "Roll", "Yaw", "Reliable")

FACE_COLUMNS = ("image", "face", *_BOX, "Confidence", *_QUALITY, "Reasons", "FaceModelVersion")
COMPARE_COLUMNS = (
    "source",
    "image",
    "SamePerson",
    "Verdict",
    "Distance",
    "Confidence",
    "Threshold",
    "error",
    "message",
)

_VERDICT_COLORS = {"same": "green", "review": "yellow", "different": "red"}


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Returns rows as CSV, without a final line break."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue().removesuffix("\n")


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"./{value}" if isinstance(value, str) and value.startswith(_FORMULA) and value != "-" else value


def face_rows(name: str, response: DetectResponse) -> list[tuple[object, ...]]:
    """Returns one row per face in an image, or a single row with only the image's name if there are no faces."""
    version = response.face_model_version
    rows: list[tuple[object, ...]] = []
    for number, face in enumerate(response.faces, 1):
        box, quality = face.bounding_box, face.quality
        rows.append(
            (
                *(name, number, box.left, box.top, box.width, box.height, face.confidence),
                *(quality.sharpness, quality.brightness, quality.face_size, quality.roll, quality.yaw),
                *(quality.reliable, " ".join(quality.reasons), version),
            )
        )
    return rows or [(name, *([""] * (len(FACE_COLUMNS) - 2)), version)]


def compare_rows(
    source: str, head: Compared, results: Iterable[tuple[str, TargetMatch | Problem]]
) -> list[tuple[object, ...]]:
    """Returns one row per target."""
    threshold = head.response.threshold
    return [
        (source, name, "", "", "", "", threshold, result.code, result.message)
        if isinstance(result, Problem)
        else (source, name, result.same_person, result.verdict, result.distance, result.confidence, threshold, "", "")
        for name, result in results
    ]


def face_table(responses: Iterable[tuple[str, DetectResponse]], *, color: bool = False) -> str:
    """Returns the faces of several images as an aligned table."""
    rows: list[tuple[str, ...]] = [("image", "face", "confidence", "size", "left", "top", "roll", "doubtful because")]
    for name, response in responses:
        if not response.faces:
            rows.append((one_line(name), "none", "", "", "", "", "", ""))
        for number, face in enumerate(response.faces, 1):
            box, quality = face.bounding_box, face.quality
            rows.append(
                (
                    one_line(name) if number == 1 else "",
                    str(number),
                    f"{face.confidence:.3f}",
                    f"{quality.face_size:.0f} px",
                    f"{100 * box.left:.0f} %",
                    f"{100 * box.top:.0f} %",
                    f"{quality.roll:.0f}°",
                    ", ".join(reason.lower().replace("_", " ") for reason in quality.reasons),
                )
            )
    colors = [None, *("yellow" if row[-1] else "" for row in rows[1:])]
    return "\n".join(_colorize(align_columns(rows, right=(1, 2, 3, 4, 5, 6)), colors, color=color))


def compare_table(
    source: str, head: Compared, results: Iterable[tuple[str, TargetMatch | Problem]], *, color: bool = False
) -> str:
    """Returns the verdicts as an aligned table."""
    rows: list[tuple[str, ...]] = [("image", "verdict", "distance", "probability of same person")]
    colors: list[str | None] = [None]
    for name, result in results:
        if isinstance(result, Problem):
            rows.append((one_line(name), f"{result.code}: {result.message}", "", ""))
            colors.append("red")
            continue
        of = f" (closest of {len(result.faces)})" if len(result.faces) > 1 else ""
        verdict = "same person" if result.same_person else "different people"
        check = "; let a person check" if result.verdict == "review" else ""
        rows.append(
            (one_line(name), verdict + of + check, f"{result.distance:.3f}", f"{100 * result.confidence:.2f} %")
        )
        colors.append(_VERDICT_COLORS[result.verdict])
    of = f" (the most prominent of {head.faces} faces)" if head.faces and head.faces > 1 else ""
    threshold = f"{head.response.threshold:g}"
    return "\n".join(
        [
            f"Compared with {one_line(source)}{of}; same person up to a distance of {threshold}.",
            "",
            *_colorize(align_columns(rows, right=(2, 3)), colors, color=color),
        ]
    )


def _colorize(lines: Sequence[str], colors: Sequence[str | None], *, color: bool) -> list[str]:
    """Colors the lines if `color` is true; the color None stands for a heading, and an empty one for no color."""
    if not color:
        return list(lines)
    return [
        click.style(line, bold=True) if fg is None else click.style(line, fg=fg) if fg else line
        for line, fg in zip(lines, colors, strict=True)
    ]


def align_columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Returns rows as lines with aligned columns; the columns with indices in `right` are right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            f"{text:>{width}}" if column in right else f"{text:<{width}}"
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
