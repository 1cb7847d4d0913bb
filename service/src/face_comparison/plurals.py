"""Numbers with their nouns, for messages."""

from __future__ import annotations


def count_noun(number: int, singular: str, plural: str | None = None) -> str:
    """Returns a number with its noun: `1 face`, `2,100 faces`. plural: `singular` with an s by default."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
