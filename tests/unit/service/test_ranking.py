"""The worst of many is found without looking at all of them each time, and is never one that has gone."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from face_comparison.server.ranking import KEPT, VALID_SECONDS, Ranking


class Crowd:
    """Numbers, the largest of which are the worst but for some that do no harm; counts how often all are looked at."""

    def __init__(self, count: int) -> None:
        self.members = dict.fromkeys(range(count))
        self.harmless: set[int] = set()
        self.looks = 0
        self.now = 0.0
        self.ranking = Ranking[int](float, self._counts, lambda: self.now)

    def _counts(self, number: int) -> bool:
        return number in self.members and number not in self.harmless

    def _all(self) -> Iterable[int]:
        self.looks += 1
        return self.members

    def worst(self) -> int | None:
        return self.ranking.worst(self._all, len(self.members))


def test_thousands_are_looked_at_once_for_many_answers() -> None:
    crowd = Crowd(2000)
    found = []
    for _ in range(KEPT + 1):
        worst = crowd.worst()
        assert worst is not None
        found.append(worst)
        del crowd.members[worst]
    assert found == list(range(1999, 1999 - KEPT - 1, -1))
    assert crowd.looks == 2


def test_the_worst_stays_until_it_goes() -> None:
    crowd = Crowd(2000)
    assert [crowd.worst(), crowd.worst()] == [1999, 1999]


def test_who_has_become_the_worst_is_found_after_a_moment() -> None:
    crowd = Crowd(2000)
    crowd.worst()
    crowd.members[5000] = None
    assert crowd.worst() == 1999
    crowd.now += VALID_SECONDS
    assert crowd.worst() == 5000


def test_few_are_looked_at_each_time() -> None:
    crowd = Crowd(KEPT - 1)
    crowd.worst()
    crowd.members[5000] = None
    assert crowd.worst() == 5000


def test_who_no_longer_counts_gives_way_to_who_does() -> None:
    crowd = Crowd(2000)
    crowd.worst()
    crowd.harmless.add(1999)
    assert crowd.worst() == 1998
    crowd.harmless.update(range(2000 - KEPT, 2000))
    assert crowd.worst() == 1999 - KEPT
    assert crowd.looks == 2


def test_where_nobody_counts_nobody_is_the_worst() -> None:
    crowd = Crowd(2000)
    crowd.harmless.update(crowd.members)
    assert crowd.worst() is None
    crowd.harmless.remove(7)
    assert crowd.worst() == 7


def test_who_was_discarded_is_not_kept() -> None:
    class Thing:
        pass

    things = [Thing()]
    gone = weakref.ref(things[0])
    ranking = Ranking[Thing](lambda _: 0, lambda _: True)
    assert ranking.worst(lambda: things, 1) is things[0]
    ranking.discard(things.pop())
    assert gone() is None
    ranking.discard(Thing())


def test_of_none_nobody_is_the_worst() -> None:
    assert Crowd(0).worst() is None
