"""Shared helpers of the HTTP tests: the application on the fake analyzer, requests to it, and its log."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient

from face_comparison.observability import logs
from face_comparison.serving.admission import Admission
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from support.analyzer import FakeAnalyzer, image

DETECT = "/prod/face_comparison"
COMPARE = "/prod/face_comparison/compare"


@dataclass
class Running:
    """An application and its dependencies."""

    client: FlaskClient
    analyzer: FakeAnalyzer
    admission: Admission
    readiness: Readiness
    settings: Settings

    def detect(self, body: Any = None, /, **fields: Any) -> Any:
        return self.client.post(DETECT, json=fields if body is None else body)

    def compare(self, **fields: Any) -> Any:
        return self.client.post(COMPARE, json=fields)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def img(*people: str) -> dict[str, str]:
    """Returns a source or target: an image of these people."""
    return {"img": base64_of(image(*people))}


@dataclass
class Lines:
    """The logged lines."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["logger"] == logs.REQUEST_LOGGER]
