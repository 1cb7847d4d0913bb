"""The audit log of collections: one line per call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import g

from face_comparison.collections.results import SearchResult
from face_comparison.errors import FaceComparisonError, StoreUnavailable
from face_comparison.observability import logs, metrics


@contextmanager
def audited(action: str, collection: str) -> Iterator[None]:
    """Writes the audit line of a call: caller, action, collection, gallery size, and decisions.

    It never contains a hash, score, image, or name.

    Args:
        action: The action.
        collection: The collection; empty if there is none or its name is not known yet.
    """
    g.audit = {"collection": collection} if collection else {}
    outcome = "ok"
    try:
        yield
    except BaseException as error:
        outcome = str(getattr(error, "code", getattr(error, "name", FaceComparisonError.code)))
        if outcome == StoreUnavailable.code:
            metrics.STORE_ERRORS.labels(action).inc()
        raise
    finally:
        caller = {"client": g.client} if "client" in g else {}
        logs.audit({"id": g.request_id, **caller, "action": action, "outcome": outcome, **g.audit})


def note(**fields: Any) -> None:
    """Adds fields to the audit line of the current call."""
    g.audit.update(fields)


def measured_search(search: Callable[[], SearchResult]) -> SearchResult:
    """Runs a search, records its duration and decisions in metrics, and adds the decisions to the audit line."""
    with metrics.COLLECTION_SEARCH_SECONDS.time(), g.stages.timed("search"):
        found = search()
    decisions = [face.decision for face in found.faces]
    for decision in decisions:
        metrics.COLLECTION_SEARCHES.labels(decision).inc()
    counts = {decision: decisions.count(decision) for decision in sorted(set(decisions))}
    note(n=found.gallery_size, threshold=round(found.threshold, 4), decisions=counts)
    return found
