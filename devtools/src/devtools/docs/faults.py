"""What was broken, and what was reported: docs/data/fault-matrix.json as a table.

`make fault-matrix` writes the file on a real node.
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
    return table(("what is wrong", "reason", "message", "reported after", "what heals it"), rows)


def fault_matrix_summary() -> str:
    """Returns the times of all rows in two sentences."""
    rows = list(read("fault-matrix").values())
    reported = [each["reported_seconds"] for each in rows]
    slowest = max(rows, key=lambda each: each["reported_seconds"])
    return (
        f"{len(rows)} faults; half of them are reported within {statistics.median(reported):.0f} s, the last one "
        f"({slowest['broken']}) after {slowest['reported_seconds']:.0f} s."
    )


def _shortened(message: str) -> str:
    """A message as a cell of a table, in which neither tags nor links are read."""
    text = f"{message[:MESSAGE_LENGTH]}…" if len(message) > MESSAGE_LENGTH else message
    return text.replace("<", "&lt;").replace("[", "\\[")
