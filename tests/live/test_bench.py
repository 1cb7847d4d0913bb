"""The benchmark's flood, as short as possible: response times depend on the machine, but every response must arrive."""

from __future__ import annotations

import re
from importlib import resources

from face_comparison.benchmark import contest
from face_comparison.benchmark.contenders import Plan


def test_flood_gets_responses_or_rejections_and_probes_are_served() -> None:
    image = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
    flooding, probes = contest.flood(Plan([image], rounds=1, total=2, threads=2), lambda line: None)
    assert flooding.statuses.keys() == {200, 429}
    assert flooding.statuses.total() == len(flooding.latencies) == 128
    assert probes.statuses.keys() == {200}
    report = contest.flood_report(flooding, probes)
    assert re.fullmatch(
        rf"64 in flight on a queue of 16: {flooding.statuses[200]} x 200, {flooding.statuses[429]} x 429; "
        rf"GET /livez meanwhile, {len(probes.latencies)} times: p50 \d+, p99 \d+, worst \d+ ms, 0 unanswered",
        report,
    )
