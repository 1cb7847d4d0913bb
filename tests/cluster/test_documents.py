"""The real API server accepts every resource that the documents show."""

from __future__ import annotations

import pytest
import yaml
from cluster.api import Api
from docs.pages import resources
from parts.controlplane import ControlPlane

pytestmark = pytest.mark.cluster


def test_every_resource_that_is_shown_is_accepted(api: Api, control_plane: ControlPlane, namespace: str) -> None:
    shown = [each | {"metadata": {"name": name.lower(), "namespace": namespace}} for name, each in resources()]
    assert shown
    words = ["create", "--validate=strict", "--dry-run=server", "-f", "-"]
    created = control_plane.kubectl(*words, stdin=yaml.safe_dump_all(shown))
    assert len(created.splitlines()) == len(shown)
