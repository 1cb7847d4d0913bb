"""What a manifest says about distances."""

from __future__ import annotations

import json

import pytest

from face_comparison.errors import InvalidBundle
from face_comparison.models import bundle_store
from face_comparison.vision.bundle import Review, parse_manifest

DEFAULT = bundle_store.known_manifests()[bundle_store.DEFAULT]
STRANGERS = {"people": 10, "pairs": 45, "cosine_mean": 0.1, "cosine_deviation": 0.09}


def manifest(**comparison):
    content = json.loads(DEFAULT)
    content["comparison"] = {"threshold": 1.1, "scale": 0.1, **comparison}
    return parse_manifest(json.dumps(content).encode(), "test")


def test_review_range_defaults_to_one_scale():
    limits = manifest().comparison.limits
    assert (limits.same_below, limits.different_above) == pytest.approx((1.0, 1.2))


def test_review_limits_are_read_from_manifest():
    limits = manifest(review={"same_below": 1.05, "different_above": 1.3}).comparison.limits
    assert limits == Review(same_below=1.05, different_above=1.3)


def test_strangers_are_read_with_their_quantiles():
    quantiles = [{"fraction": 0.001, "distance": 1.1}, {"fraction": 0.5, "distance": 1.3}]
    strangers = manifest(strangers={**STRANGERS, "quantiles": quantiles}).comparison.strangers
    assert strangers is not None
    assert strangers.pairs == 45
    assert [quantile.distance for quantile in strangers.quantiles] == [1.1, 1.3]


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        ({"review": {"same_below": 1.2, "different_above": 1.1}}, "must not exceed"),
        ({"review": {"same_below": 1.15, "different_above": 1.2}}, "must lie between"),
        ({"review": {"same_below": 0.9, "different_above": 1.05}}, "must lie between"),
        ({"strangers": {**STRANGERS, "pairs": 0}}, "pairs"),
        ({"strangers": {**STRANGERS, "cosine_deviation": 0}}, "cosine_deviation"),
        (
            {
                "strangers": {
                    **STRANGERS,
                    "quantiles": [{"fraction": 0.5, "distance": 1.3}, {"fraction": 0.1, "distance": 1.2}],
                }
            },
            "must ascend",
        ),
    ],
)
def test_inconsistent_limits_are_rejected(comparison, message):
    with pytest.raises(InvalidBundle, match=message):
        manifest(**comparison)
