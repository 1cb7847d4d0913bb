"""Requests to the collections of an application under test."""

from __future__ import annotations

from typing import Any

from face_comparison.serving.collection_upkeep import CollectionUpkeep
from support.analyzer import image
from support.running import Running, base64_of

BASE = "/prod/face_comparison/collections"
SOME_ID = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"


class Api:
    """Requests to the collections of one application."""

    def __init__(self, running: Running, upkeep: CollectionUpkeep) -> None:
        self.running, self.upkeep = running, upkeep
        self.client = running.client

    def call(self, method: str, path: str = "", status: int = 200, **options: Any) -> Any:
        response = self.client.open(BASE + path, method=method, **options)
        assert response.status_code == status, response.text
        return response.json

    def post(self, path: str, status: int = 200, **fields: Any) -> Any:
        return self.call("POST", path, status, json=fields)

    def enroll(self, *people: str, **fields: Any) -> Any:
        return self.post("/staff/faces", img=base64_of(image(*people)), **fields)

    def search(self, *people: str, **fields: Any) -> Any:
        return self.post("/staff/search", img=base64_of(image(*people)), **fields)

    def error(self, method: str, path: str, status: int, **options: Any) -> str:
        return str(self.call(method, path, status, **options)["error"]["code"])
