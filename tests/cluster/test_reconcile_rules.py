"""The reconcile rules on the real API server, with the real operator, so that the in-memory cluster stays faithful."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools.k8s.api import Faces, Refused, until
from face_comparison_operator.api_resources import RESOURCE, ApiResource
from support.reconcile_rules import RULES
from support.reconcile_world import Object

pytestmark = pytest.mark.cluster

NAME = "faces"


class RealWorld:
    """A resource named `faces` on the real API server; nodes and their pods are kwok's."""

    def __init__(self, faces: Faces) -> None:
        self.faces, self.api, self.namespace = faces, faces.api, faces.namespace

    def create(self, **spec: Any) -> None:
        self.faces.create(NAME, **spec)

    def change(self, **spec: Any) -> None:
        self.faces.change(NAME, **spec)

    def publish(self) -> None:
        self.faces.publish(NAME)

    def add(self, kind: ApiResource, body: Object) -> None:
        self.api.create(
            kind, {**body, "metadata": {"name": NAME, "namespace": self.namespace, **body.get("metadata", {})}}
        )

    def edit(self, kind: ApiResource, patch: Object) -> None:
        self.api.merge(kind, self.namespace, NAME, patch)

    def delete(self, kind: ApiResource) -> None:
        self.api.delete(kind, self.namespace, NAME)

    def recreate(self) -> None:
        spec = self.faces.get(NAME)["spec"]
        self.api.delete(RESOURCE, self.namespace, NAME, propagationPolicy="Orphan")
        until(lambda: self.api.get(RESOURCE, self.namespace, NAME), lambda found: found is None, "the resource is gone")
        self.create(**spec)

    def child(self, kind: ApiResource) -> Object | None:
        try:
            return self.faces.child(kind, NAME)
        except Refused:  # an optional API
            assert kind.optional
            return None

    def condition(self, kind: str = "Ready") -> Object:
        return self.faces.condition(NAME, kind)

    def url(self) -> str | None:
        return self.faces.get(NAME)["status"].get("url")

    def resource_uid(self) -> str:
        return str(self.faces.get(NAME)["metadata"]["uid"])

    def generation(self) -> int:
        return int(self.faces.get(NAME)["metadata"]["generation"])

    def eventually(self, check: Callable[[], object], what: str) -> None:
        until(check, bool, f"{what}; Ready is {self.condition()}")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(faces: Faces, rule: Callable[[Any], None]) -> None:
    rule(RealWorld(faces))
