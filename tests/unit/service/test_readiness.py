"""Ready only after the start said so, and never again while draining."""

from __future__ import annotations

import pytest

from face_comparison.errors import Draining, NotReady
from face_comparison.serving.readiness import Readiness


def test_states_follow_lifecycle() -> None:
    readiness = Readiness()
    with pytest.raises(NotReady, match="being loaded"):
        readiness.check()
    readiness.ready()
    readiness.check()
    readiness.check_all()
    readiness.drain()
    for check in (readiness.check, readiness.check_all):
        with pytest.raises(Draining):
            check()


def test_probe_waits_for_all_processes() -> None:
    others = [False]
    readiness = Readiness(peers=lambda: others[0])
    readiness.ready()
    readiness.check()
    with pytest.raises(NotReady, match="another process"):
        readiness.check_all()
    others[0] = True
    readiness.check_all()
