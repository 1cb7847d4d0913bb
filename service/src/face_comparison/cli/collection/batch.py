"""Processing of many images at once, of which some may fail."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from face_comparison.cli.inputs import Problem
from face_comparison.errors import FaceComparisonError, ServiceUnusable

_ABOUT_EVERY_IMAGE = frozenset(
    {
        "unauthorized",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "collections_disabled",
        "collection_full",
        "model_mismatch",
        "store_unavailable",
        "invalid_bundle",
        "invalid_settings",
    }
)
"""Error codes that do not depend on the image, so every other image would fail with them, too."""


@contextmanager
def interruptible_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Yields a thread pool that drops pending work if the block fails, so that Ctrl-C waits only for running tasks."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def problem_of_one_image(name: str, error: FaceComparisonError) -> Problem:
    """Returns an image's problem, or raises the error if every other image would fail in the same way."""
    cause = error.__cause__ if isinstance(error, ServiceUnusable) else error
    code = getattr(cause, "code", None)  # None if the service did not respond
    if code is None or code in _ABOUT_EVERY_IMAGE:
        raise error
    return Problem(name, code, getattr(cause, "message", ""))
