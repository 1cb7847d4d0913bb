"""Output of the commands of `collection`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from face_comparison.api.responses import Response


def json_line(response: Response, **more: str) -> str:
    """Returns a response as one line of JSON, with the additional fields first."""
    from face_comparison.api import encoding  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)

    return encoding.encode({**more, **encoding.fields(response)}, encoding.JSON).decode()
