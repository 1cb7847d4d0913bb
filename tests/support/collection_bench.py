"""Collections without HTTP: the service on the embedded store, with the people of the fake analyzer."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from face_comparison.collections.probe import Probe
from face_comparison.collections.results import Enrollment, SearchResult
from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from support.analyzer import MODEL, FakeAnalyzer, image
from support.vectors import NOW, face, random_vectors


class Clock:
    now = NOW

    def __call__(self) -> Any:
        return self.now


class Bench:
    """A service whose model and time tests may change."""

    def __init__(self, folder: Path) -> None:
        self.model = replace(MODEL, embedding_width=128)
        self.clock = Clock()
        self.store = open_store(f"sqlite:{folder}", max_faces=100_000)
        self.service = CollectionService(self.store, lambda: self.model, backup_days=7, clock=self.clock)
        self.service.create_collection("staff")

    def enroll(self, *people: str, **options: Any) -> Enrollment:
        return self.service.enroll("staff", probe(*people), **options)

    def search(self, *people: str, **options: Any) -> SearchResult:
        return self.service.search("staff", probe(*people).vectors, **options)


def probe(*people: str) -> Probe:
    """The image of these people."""
    data = image(*people)
    return Probe.from_analysis(FakeAnalyzer().analyze(data), hashlib.sha256(data).digest())


def decisions(result: SearchResult) -> list[tuple[str, str | None]]:
    return [(face.decision, face.matches[0].face.user_id if face.matches else None) for face in result.faces]


def add_strangers(bench: Bench, count: int, vectors: Any = None, name: str = "staff") -> None:
    rows = random_vectors(count, seed=7) if vectors is None else vectors
    created = [face(f"{name} {n}", user=f"p-{n}", vector=row.astype(np.float32)) for n, row in enumerate(rows)]
    bench.store.add_faces(name, created)
