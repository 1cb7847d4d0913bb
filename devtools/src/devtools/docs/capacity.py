"""Computes the replicas and cost of a load from the measured speed of a replica, for the table and the calculator.

The calculator's script, docs/javascripts/capacity.js, computes the same; a test in Chromium compares the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from devtools.docs.measured import read
from devtools.docs.tables import table

HOURS = 730.0
RENTED = 142.95
"""Dollars for a million calls that AWS published for its AI Solution Kit."""

PEAKS = (1, 10, 50, 200, 1000)


@dataclass(frozen=True)
class Load:
    """An expected load, and the machines that serve it.

    Attributes:
        peak: Calls per second.
        rate: Images per second of one replica.
        mean: Average call rate, as a fraction of the peak.
        load: Target load, as a fraction of `rate`.
        minimum: Minimum replicas.
        price: Dollars per hour for the machine of one replica.
    """

    peak: float
    rate: float
    mean: float = 0.3
    load: float = 0.6
    minimum: int = 2
    price: float = 0.1

    @property
    def replicas(self) -> int:
        """Replicas that serve the peak, at least the minimum."""
        return max(self.minimum, math.ceil(self.peak / (self.rate * self.load)))

    @property
    def calls(self) -> float:
        """Calls per month."""
        return self.peak * self.mean * HOURS * 3600

    @property
    def cost(self) -> float:
        """Cost in dollars per month."""
        return self.replicas * self.price * HOURS

    @property
    def million(self) -> float:
        """Cost in dollars per million calls."""
        return self.cost / self.calls * 1e6


def rate() -> float:
    """Returns the images per second of the replica that was measured."""
    speed = read("speed")
    (row,) = [row for row in speed["rows"] if row["what"] == speed["replica"]["row"]]
    return float(row["images_per_second"])


def costs() -> str:
    """Returns one row per peak."""
    head = ("peak calls/s", "calls a month", "replicas", "dollars a month", "dollars a million", f"of {RENTED:.2f}")
    return table(head, (_row(Load(peak, rate())) for peak in PEAKS))


def _row(load: Load) -> list[str]:
    share = f"{load.million / RENTED:.0%}"
    money = (f"{load.cost:,.0f}", f"{load.million:,.2f}", share)
    return [f"{load.peak:g}", f"{load.calls / 1e6:,.1f} million", str(load.replicas), *money]


def calculator() -> str:
    """Returns the form, initially for ten calls per second on the measured replica."""
    load, name = Load(10, rate()), read("speed")["replica"]["name"]
    fields = [
        ("peak", "Calls per second at the peak", f"{load.peak:g}", "0.01", "any"),
        ("mean", "Mean, in % of the peak", f"{load.mean:.0%}".rstrip("%"), "1", "any"),
        ("rate", f"Images per second of {name}", f"{load.rate:g}", "0.01", "any"),
        ("load", "Target load, in %", f"{load.load:.0%}".rstrip("%"), "1", "any"),
        ("minimum", "Minimum replicas", str(load.minimum), "1", "1"),
        ("price", "Dollars per hour for a replica's machine", f"{load.price:g}", "0", "any"),
    ]
    inputs = [
        f'<label>{words} <input name="{key}" type="number" value="{value}" min="{minimum}" step="{step}"></label>'
        for key, words, value, minimum, step in fields
    ]
    results = [
        ("replicas", "Replicas"),
        ("calls", "Calls a month"),
        ("cost", "Dollars a month"),
        ("million", "Dollars for a million calls"),
        ("share", f"Of the {RENTED:.2f} dollars that AWS published"),
    ]
    outputs = [f'<div><dt>{words}</dt><dd><output name="{key}"></output></dd></div>' for key, words in results]
    begin = f'<form class="capacity" data-rented="{RENTED}" data-hours="{HOURS:g}">'
    return "\n".join([begin, *inputs, '<dl aria-live="polite">', *outputs, "</dl>", "</form>"])
