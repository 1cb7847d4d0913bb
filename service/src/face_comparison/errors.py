"""The closed set of failures of this package, each with the stable code that users see.

Nothing here knows of HTTP, of Flask or of a library below: `app.py` holds the one table from error to status, and
a test fails when a class has no row there. Messages say what was wrong and what would be right; they never name an
internal path, host or trace, because they are sent to callers as they are.
"""

from __future__ import annotations

from typing import ClassVar


class FaceComparisonError(Exception):
    """Base of all failures. `code` is part of the public contract."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


# --- the request ---------------------------------------------------------------------------------------------------


class InvalidJson(FaceComparisonError):
    code = "invalid_json"


class InvalidParameter(FaceComparisonError):
    code = "invalid_parameter"


class MissingImage(FaceComparisonError):
    code = "missing_image"


class InvalidBase64(FaceComparisonError):
    code = "invalid_base64"


class InvalidFaceHash(FaceComparisonError):
    code = "invalid_face_hash"


class HashVersionMismatch(FaceComparisonError):
    code = "hash_version_mismatch"


class BodyTooLarge(FaceComparisonError):
    code = "body_too_large"


class Unauthorized(FaceComparisonError):
    code = "unauthorized"


class Forbidden(FaceComparisonError):
    code = "forbidden"


class NotFound(FaceComparisonError):
    code = "not_found"


class MethodNotAllowed(FaceComparisonError):
    code = "method_not_allowed"


# --- the image ---------------------------------------------------------------------------------------------------


class UnsupportedFormat(FaceComparisonError):
    code = "unsupported_format"


class CorruptImage(FaceComparisonError):
    code = "corrupt_image"


class ImageTooLarge(FaceComparisonError):
    code = "image_too_large"


class NoFace(FaceComparisonError):
    code = "no_face"


# --- fetching an image by URL -------------------------------------------------------------------------------------


class UrlNotAllowed(FaceComparisonError):
    code = "url_not_allowed"


class UrlFetchFailed(FaceComparisonError):
    code = "url_fetch_failed"


class UrlFetchTimeout(FaceComparisonError):
    code = "url_fetch_timeout"


# --- collections ---------------------------------------------------------------------------------------------------


class CollectionsDisabled(FaceComparisonError):
    code = "collections_disabled"


class CollectionNotFound(NotFound):
    """No collection of this name."""


class UserNotFound(NotFound):
    """The collection has no such user."""


class FaceNotFound(NotFound):
    """The collection has no such face."""


class CollectionExists(FaceComparisonError):
    code = "collection_exists"


class UserExists(InvalidParameter):
    """The collection has this user already."""


class ModelMismatch(FaceComparisonError):
    """A collection holds hashes of another FaceModelVersion than the one that the service runs."""

    code = "model_mismatch"


class CollectionFull(FaceComparisonError):
    code = "collection_full"


class StoreUnavailable(FaceComparisonError):
    """The store of collections cannot be reached; detection and comparison still work."""

    code = "store_unavailable"


# --- the state of the service --------------------------------------------------------------------------------------


class Overloaded(FaceComparisonError):
    code = "overloaded"


class DeadlineExceeded(FaceComparisonError):
    code = "deadline_exceeded"


class ClientDisconnected(DeadlineExceeded):
    """The client has gone, so that nobody reads the reply."""


class NotReady(FaceComparisonError):
    code = "not_ready"


class Draining(FaceComparisonError):
    code = "draining"


# --- starting: these stop the program before it serves, and never reach a caller -------------------------------------


class InvalidSettings(FaceComparisonError):
    code = "invalid_settings"


class InvalidBundle(FaceComparisonError):
    """A model bundle that is missing, damaged or not what its manifest says; the message names file and digests."""

    code = "invalid_bundle"


class ModelDownloadFailed(FaceComparisonError):
    """No source of a model bundle's file answered; the message names each and why."""

    code = "model_download_failed"


class AcceleratorUnavailable(FaceComparisonError):
    """`--device cuda` without a working CUDA provider; the message says what is missing: driver, library, version."""

    code = "accelerator_unavailable"


# --- commands that work beside the service: an album -----------------------------------------------------------------


class PackagesMissing(FaceComparisonError):
    """A command needs packages that are not installed with every service; the message says how to get them."""

    code = "packages_missing"


class AlbumUnusable(FaceComparisonError):
    """An album cannot be made as it was asked for; the message says of what folder, and what would be right."""

    code = "album_unusable"


class InvalidDataset(FaceComparisonError):
    """A dataset that nothing can be measured on; the message says what is wrong and what is expected."""

    code = "invalid_dataset"


class ServiceRefused(FaceComparisonError):
    """The service that an album is made with does not answer, or refuses everything."""

    code = "service_refused"
