"""Every pair of the sample photographs judged right, also where one of the two was made worse; see accuracy.py."""

import pytest
from model import accuracy

from face_comparison.analysis import PictureAnalyzer

MOST_WRONG_WHERE_BOTH_ARE_WORSE = 0.02
"""Share of pairs. With both photographs made worse a few pairs of strangers come too near (measured: 3 of 447; the
README says so): a limit of the embedder, kept from growing."""


@pytest.fixture(scope="module")
def pairs(analyzer: PictureAnalyzer) -> list[accuracy.Pair]:
    return list(accuracy.pairs(analyzer))


def test_every_pair_is_judged_right(
    pairs: list[accuracy.Pair], analyzer: PictureAnalyzer, capsys: pytest.CaptureFixture[str]
) -> None:
    threshold = analyzer.model.threshold
    with capsys.disabled():
        print("\n" + accuracy.table(pairs, threshold))
    assert {pair.variant for pair in pairs} >= set(accuracy.VARIANTS)
    wrong = [pair for pair in pairs if not pair.variant.endswith("both") and pair.margin(threshold) <= 0]
    assert not wrong


def test_few_pairs_are_judged_wrong_where_both_pictures_are_worse(
    pairs: list[accuracy.Pair], analyzer: PictureAnalyzer
) -> None:
    both = [pair for pair in pairs if pair.variant.endswith("both")]
    wrong = [pair for pair in both if pair.margin(analyzer.model.threshold) <= 0]
    assert len(wrong) <= MOST_WRONG_WHERE_BOTH_ARE_WORSE * len(both)
    assert not [pair for pair in wrong if pair.same]
