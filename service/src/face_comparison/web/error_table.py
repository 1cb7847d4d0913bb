"""The only mapping from errors to HTTP: the status of each, and the operations in the OpenAPI document that list it.

A test fails when an error class has no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from face_comparison import errors
from face_comparison.errors import FaceComparisonError

Context: TypeAlias = Literal[
    "any",  # every operation
    "models",  # needs loaded models
    "keys",  # checks API keys
    "readiness",  # reports readiness
    "admission",  # waits in the queue, within a deadline
    "body",  # reads a body
    "json",  # reads a JSON object
    "image",  # reads an image
    "face",  # needs a face in the image
    "hash",  # takes a `face_hash`
    "store",  # uses the store of collections
    "named",  # names a collection, user or face
    "creation",  # creates a collection
    "user",  # creates a user
    "enrollment",  # adds faces to a collection
    "search",  # compares faces with those of a collection
]
"""Aspects of an operation that may fail."""


class Row(NamedTuple):
    """The status of an error, and the contexts in which it may occur; none if no operation documents it."""

    status: int
    contexts: tuple[Context, ...] = ()


_NEVER_SENT = Row(500)  # only for the log and the command line; a caller would get `internal`

ERRORS: Mapping[type[FaceComparisonError], Row] = {
    errors.InvalidJson: Row(400, ("json",)),
    errors.InvalidParameter: Row(400, ("image", "store")),
    errors.InvalidPageToken: Row(400),
    errors.UserFull: Row(400),
    errors.RequestTokenReused: Row(400),
    errors.MissingImage: Row(400, ("image",)),
    errors.InvalidBase64: Row(400, ("image",)),
    errors.UnsupportedFormat: Row(400, ("image",)),
    errors.CorruptImage: Row(400, ("image",)),
    errors.ImageTooLarge: Row(400, ("image",)),
    errors.UrlNotAllowed: Row(400, ("image",)),
    errors.NoFace: Row(400, ("face",)),
    errors.Unauthorized: Row(401, ("keys",)),
    errors.Forbidden: Row(403, ("keys",)),
    errors.NotFound: Row(404, ("named",)),
    errors.CollectionsDisabled: Row(404),
    errors.CollectionNotFound: Row(404),
    errors.UserNotFound: Row(404),
    errors.FaceNotFound: Row(404),
    errors.MethodNotAllowed: Row(405),
    errors.CollectionExists: Row(409, ("creation",)),
    errors.UserExists: Row(409, ("user",)),
    errors.ModelMismatch: Row(409, ("enrollment", "search")),
    errors.CollectionFull: Row(409, ("enrollment",)),
    errors.BodyTooLarge: Row(413, ("body",)),
    errors.HashVersionMismatch: Row(422, ("hash",)),
    errors.InvalidFaceHash: Row(422, ("hash",)),
    errors.Overloaded: Row(429, ("admission",)),
    FaceComparisonError: Row(500, ("any",)),
    errors.UrlFetchFailed: Row(502, ("image",)),
    errors.NotReady: Row(503, ("models", "readiness")),
    errors.Draining: Row(503, ("admission", "readiness")),
    errors.StoreUnavailable: Row(503, ("store",)),
    errors.UrlFetchTimeout: Row(504, ("image",)),
    errors.DeadlineExceeded: Row(504, ("admission",)),
    errors.ClientDisconnected: Row(504),
    errors.InvalidSettings: _NEVER_SENT,
    errors.InvalidBundle: _NEVER_SENT,
    errors.AcceleratorUnavailable: _NEVER_SENT,
    errors.ModelDownloadFailed: _NEVER_SENT,
    errors.PackagesMissing: _NEVER_SENT,
    errors.AlbumUnusable: _NEVER_SENT,
    errors.ShardsUnfinished: _NEVER_SENT,
    errors.InvalidDataset: _NEVER_SENT,
    errors.ServiceUnusable: _NEVER_SENT,
}


def status(error: FaceComparisonError) -> int:
    """Returns the HTTP status of an error."""
    return ERRORS[type(error)].status


def in_contexts(contexts: Iterable[Context]) -> list[type[FaceComparisonError]]:
    """Returns the errors that may occur in any of these contexts, by status."""
    matching = {"any", *contexts}
    return [error for error, row in ERRORS.items() if matching.intersection(row.contexts)]


def public() -> list[type[FaceComparisonError]]:
    """Returns the errors that a caller may get, one per code, by status."""
    return [error for error, row in ERRORS.items() if row is not _NEVER_SENT and "code" in vars(error)]
