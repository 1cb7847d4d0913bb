"""Tables of injected faults and reported reasons, from docs/data/fault-matrix.json and status-agreement.json.

`make fault-matrix` and `make status-agreement` write these files on a real node.
"""

from __future__ import annotations

import statistics

from devtools.docs.measured import read
from devtools.docs.tables import table

MESSAGE_LENGTH = 160


def fault_matrix() -> str:
    """Returns one row per fault, in the order of the reasons' first appearance."""
    rows = [
        [
            each["broken"],
            f"[`{each['reason']}`](#{each['reason'].lower()})",
            _shortened(each["message"]),
            f"{each['reported_seconds']:.0f} s",
            each["heals"],
        ]
        for each in read("fault-matrix").values()
    ]
    return table(("what is wrong", "reason", "message", "reported after", "what fixes it"), rows)


def fault_matrix_summary() -> str:
    """Returns the times of all rows in two sentences."""
    rows = list(read("fault-matrix").values())
    reported = [each["reported_seconds"] for each in rows]
    slowest = max(rows, key=lambda each: each["reported_seconds"])
    return (
        f"{len(rows)} faults; half of them are reported within {statistics.median(reported):.0f} s, the last one "
        f"({slowest['broken']}) after {slowest['reported_seconds']:.0f} s."
    )


def status_agreement() -> str:
    """Returns the longest disagreement of each resource."""
    measured = read("status-agreement")
    rows = [
        [name.partition("/")[2], f"{found['seconds']:.1f} s" if found["as"] else "none", found["as"] or "-"]
        for name, found in measured["longest_disagreement"].items()
    ]
    head = ("resource", "longest disagreement", "while")
    took = f"{measured['seconds']} s, {measured['looks']} samples, {len(measured['changes'])} changes:"
    return f"{took}\n\n{table(head, rows)}"


def _shortened(message: str) -> str:
    """Returns a message as a table cell in which neither tags nor links are interpreted."""
    text = f"{message[:MESSAGE_LENGTH]}…" if len(message) > MESSAGE_LENGTH else message
    return text.replace("<", "&lt;").replace("[", "\\[")
