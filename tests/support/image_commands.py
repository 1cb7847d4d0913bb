"""Runs `detect`, `compare`, and the other commands in this process, with a fake model for photographs."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from face_comparison.cli.main import main
from face_comparison.vision.types import ImageAnalysis
from support.analyzer import FakeAnalyzer, image

JPEG = b"\xff\xd8\xff"


def photograph(*people: str) -> bytes:
    """A "file" that is a JPG by its first bytes, as folders want it."""
    return JPEG + image(*people)


class PhotographAnalyzer(FakeAnalyzer):
    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> ImageAnalysis:
        return super().analyze(data.removeprefix(JPEG), max_faces=max_faces, min_confidence=min_confidence)


def run(*arguments: str, stdin: bytes | None = None, **environ: str) -> Result:
    result = CliRunner().invoke(main, arguments, input=stdin, env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def names(result: Result) -> list[str]:
    return [line["Image"] for line in lines(result)]
