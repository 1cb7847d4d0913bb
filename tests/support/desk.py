"""What a visitor of the check-in desk sees."""

from __future__ import annotations

from typing import Any

from devtools.explorer import Explorer


def answer(explorer: Explorer) -> Any:
    """Returns the locator of the answer."""
    return explorer.page.locator("#desk-answer")


def guide(explorer: Explorer) -> Any:
    """Returns the locator of what the person should do."""
    return explorer.page.locator(".guide")
