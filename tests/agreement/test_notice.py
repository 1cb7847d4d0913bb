"""NOTICE names every model of the bundles, with its origin and license."""

import json
from pathlib import Path

import pytest

import face_comparison

NOTICE = (Path(__file__).resolve().parent.parent.parent / "NOTICE").read_text()
BUNDLES = sorted((Path(face_comparison.__file__).parent / "bundles").glob("*.json"))


def test_bundle_exists() -> None:
    assert BUNDLES


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("part", ["detector", "embedder"])
def test_notice_names_the_model(bundle: Path, part: str) -> None:
    model = json.loads(bundle.read_text())[part]
    entry = NOTICE.partition(model["origin"]["file"])[2].partition("  File:")[0]
    assert model["origin"]["project"] in entry
    assert f"Licence: {model['licence']}" in entry
