"""Maps exceptions to the errors that callers get.

All expected failures in the layers below are FaceComparisonErrors; any other exception is logged and reported as
`internal`, without details in the response.
"""

from __future__ import annotations

import traceback

from flask import current_app, g, request
from werkzeug.exceptions import HTTPException

from face_comparison import errors
from face_comparison.errors import FaceComparisonError
from face_comparison.observability import logs
from face_comparison.web import error_table
from face_comparison.web.collection_paths import has_collections, is_collection_path


def to_public_error(error: Exception) -> FaceComparisonError:
    """Returns the error to report to the caller. Details of the service's own failures are only logged."""
    _clear_variables(error)
    known = error if isinstance(error, FaceComparisonError) else map_http_exception(error)
    if known is not None and error_table.status(known) != 500:
        return known
    logs.failure("a request failed", error, id=g.request_id)
    return FaceComparisonError(FaceComparisonError.example)


def _clear_variables(error: BaseException | None) -> None:
    """Clears the variables of the functions that an error has passed through; their names and lines remain.

    If one of them refers to the error, directly or through the result of a thread, the request's body would stay in
    memory until the next garbage collection.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def map_http_exception(error: Exception) -> FaceComparisonError | None:
    """Maps Flask's own HTTP exceptions to our errors; returns None for an unexpected one."""
    match getattr(error, "code", None) if isinstance(error, HTTPException) else None:
        case 404:
            if is_collection_path(request.path) and not has_collections(current_app):
                return errors.CollectionsDisabled(errors.CollectionsDisabled.example)
            return errors.NotFound("there is nothing at this path")
        case 405:
            return errors.MethodNotAllowed(errors.MethodNotAllowed.example)
        case 413:
            return errors.BodyTooLarge("the body is too large")
        case int(code) if 400 <= code < 500:
            return errors.InvalidParameter("the request is malformed")
    return None
