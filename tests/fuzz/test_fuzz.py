"""A short, seeded run of every fuzz target, and every finding of longer runs."""

from __future__ import annotations

import base64

import pytest

from devtools.fuzz.fuzzing import finding, findings
from devtools.fuzz.targets import TARGETS

FOUND: dict[str, tuple[str, str]] = {
    "a distance beyond its code": ("webp codes", "zZUhov+xIAswmT5dBHH0N4jBGPD+TwCHn5IFBYjatpWfd/wR37LjwLBt20js"),
    "a part without a name": ("multipart", "LS14DQpDb250ZW50LURpc3Bvc2l0aW9uOiBmb3JlcwsNCg0KMw0KLS14LS0NCg=="),
}
"""Target and bytes (base64) of each finding."""


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_accepts_its_seeds(name: str) -> None:
    for start in TARGETS[name].starts:
        assert not finding(TARGETS[name], start)


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_bytes_are_accepted_or_rejected_in_bounded_time(name: str) -> None:
    assert list(findings(name, seed=1, tries=150)) == []


@pytest.mark.parametrize(("target", "text"), FOUND.values(), ids=FOUND)
def test_earlier_findings_stay_fixed(target: str, text: str) -> None:
    assert not finding(TARGETS[target], base64.b64decode(text))
