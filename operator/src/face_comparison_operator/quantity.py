"""Parses Kubernetes quantities: `500m`, `1Gi`, `1e3`, 0.5."""

from __future__ import annotations

from decimal import Decimal

_FACTORS = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{suffix: Decimal(1000) ** -power for power, suffix in enumerate(("m", "u", "n"), 1)},
}


def parse_quantity(quantity: str | float) -> Decimal:
    """Returns the quantity as a number.

    Raises:
        decimal.InvalidOperation: The text is not a quantity.
    """
    text = str(quantity)
    for length in (2, 1):
        if text[-length:] in _FACTORS:
            return Decimal(text[:-length]) * _FACTORS[text[-length:]]
    return Decimal(text)
