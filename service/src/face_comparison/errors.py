"""The closed set of errors in this package, each with the stable code that users see, its meaning, and an example.

This module knows nothing about HTTP, Flask, or other libraries: `web/error_table.py` maps errors to statuses, and a
test fails if a class has no row there. Messages say what is wrong and what would be right; they never contain an
internal path, host, or trace, because they are sent to callers unchanged.
"""

from __future__ import annotations

from typing import ClassVar, Self


class FaceComparisonError(Exception):
    """Base class of all errors.

    Attributes:
        code: Stable identifier, part of the public contract.
        meaning: What the code means to a caller, for the documentation.
        example: A sample message, for the documentation.
        message: What is wrong in this case, and what would be right.
    """

    code: ClassVar[str] = "internal"
    meaning: ClassVar[str] = "The service failed; its log has the cause under the `request_id`."
    example: ClassVar[str] = "the service failed; its log has the cause under the request id"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def detached(self) -> Self:
        """Returns the same error without the traceback and the cause, for keeping it.

        Through its traceback, an error refers to the variables of all functions that it has passed through. If one of
        them refers to the error, the request's body stays in memory until the next garbage collection.
        """
        return type(self)(self.message)


# --- the request ---------------------------------------------------------------------------------------------------


class InvalidJson(FaceComparisonError):
    code = "invalid_json"
    meaning = "The body is not a JSON object."
    example = "the body must be a JSON object"


class InvalidParameter(FaceComparisonError):
    code = "invalid_parameter"
    meaning = "A field has the wrong type or is out of range, or the body is malformed; the message names it."
    example = "max_faces must be an integer from 1 to 100"


class MissingImage(FaceComparisonError):
    code = "missing_image"
    meaning = "No image was given: one of `url` and `img` (in a comparison also `face_hash`) is required."
    example = "an image is missing: send url or img"


class InvalidBase64(FaceComparisonError):
    code = "invalid_base64"
    meaning = "`img` is not base64."
    example = "img is not base64"


class InvalidFaceHash(FaceComparisonError):
    code = "invalid_face_hash"
    meaning = "A `face_hash` is not 768 finite numbers, or all of them are zero."
    example = "face_hash must be 768 numbers, not 128"


class HashVersionMismatch(FaceComparisonError):
    code = "hash_version_mismatch"
    meaning = "A `face_hash` was computed by another model; hashes of different versions cannot be compared."
    example = "the face_hash was computed by other-2, but this service runs yunet-sface-1: hash the image again"


class BodyTooLarge(FaceComparisonError):
    code = "body_too_large"
    meaning = "The body, or the image behind the URL, is larger than the limit."
    example = "the body is larger than 20971520 bytes"


class Unauthorized(FaceComparisonError):
    code = "unauthorized"
    meaning = "No API key was sent."
    example = "an API key is required: send it in the header x-api-key"


class Forbidden(FaceComparisonError):
    code = "forbidden"
    meaning = "The API key is unknown."
    example = "the API key is unknown"


class NotFound(FaceComparisonError):
    code = "not_found"
    meaning = "There is nothing at this path, or no such collection, user, or face."
    example = "there is nothing at this path"


class MethodNotAllowed(FaceComparisonError):
    code = "method_not_allowed"
    meaning = "The path does not support this method; the header `Allow` lists those it supports."
    example = "this path does not support this method; the header Allow lists those it supports"


# --- the image -----------------------------------------------------------------------------------------------------


class UnsupportedFormat(FaceComparisonError):
    code = "unsupported_format"
    meaning = "The image is not in a supported format, judged by its content, or is of a kind that is not supported."
    example = "the data is a GIF (judged by its content): convert it to one of the supported formats"


class CorruptImage(FaceComparisonError):
    code = "corrupt_image"
    meaning = "The image is truncated or damaged."
    example = "the image is truncated"


class ImageTooLarge(FaceComparisonError):
    code = "image_too_large"
    meaning = "A side of the image is longer than the limit."
    example = (
        "the image has 5000x3000 pixels; its longest side may have at most 4096 (--max-side): send a smaller image"
    )


class NoFace(FaceComparisonError):
    code = "no_face"
    meaning = "No face was found in the source (in `Targets[].Error`: in that target)."
    example = "no face was found in the image"


# --- fetching an image by URL ----------------------------------------------------------------------------------------


class UrlNotAllowed(FaceComparisonError):
    code = "url_not_allowed"
    meaning = "The service does not fetch from this scheme, address, or bucket."
    example = "the URL's address is private; the operator of the service can allow it"


class UrlFetchFailed(FaceComparisonError):
    code = "url_fetch_failed"
    meaning = "The server of the URL did not deliver the image."
    example = "the server of the URL responded with status 404"


class UrlFetchTimeout(FaceComparisonError):
    code = "url_fetch_timeout"
    meaning = "The server of the URL was too slow."
    example = "the image was not fetched within 10 seconds"


# --- collections ---------------------------------------------------------------------------------------------------


class CollectionsDisabled(FaceComparisonError):
    code = "collections_disabled"
    meaning = "Collections are disabled: start the service with `--collections`."
    example = (
        "collections are disabled: start the service with --collections sqlite:DIRECTORY or --collections "
        "postgresql://… (FACE_COMPARISON_COLLECTIONS, or spec.collections of the resource)"
    )


class CollectionNotFound(NotFound):
    """There is no collection with this name."""


class UserNotFound(NotFound):
    """The collection has no such user."""


class FaceNotFound(NotFound):
    """The collection has no such face."""


class CollectionExists(FaceComparisonError):
    code = "collection_exists"
    meaning = "A collection with this `CollectionId` already exists."
    example = "a collection named staff already exists"


class UserExists(FaceComparisonError):
    code = "user_exists"
    meaning = "The collection already has a user with this `UserId`."
    example = "the collection already has a user anna: change it with PATCH, or choose another UserId"


class UserFull(InvalidParameter):
    """The user has the maximum number of faces."""


class InvalidPageToken(InvalidParameter):
    """The token was not returned by this list."""


class RequestTokenReused(InvalidParameter):
    """The token was used by an earlier request with different parameters."""


class ModelMismatch(FaceComparisonError):
    code = "model_mismatch"
    meaning = "The collection contains hashes of a different model from the one that this service runs."
    example = "the collection staff contains hashes of other-2, but this service runs yunet-sface-4"


class CollectionFull(FaceComparisonError):
    code = "collection_full"
    meaning = "The collection has the maximum number of faces of the embedded store; PostgreSQL has no such limit."
    example = "the collection is full: the limit is 200000 faces; PostgreSQL has no such limit"


class StoreUnavailable(FaceComparisonError):
    code = "store_unavailable"
    meaning = (
        "The collection store cannot be reached: retry after `Retry-After` seconds. Detection and comparison still "
        "work."
    )
    example = "the collection store cannot be reached; retry after Retry-After seconds"


# --- the state of the service --------------------------------------------------------------------------------------


class Overloaded(FaceComparisonError):
    code = "overloaded"
    meaning = "The queue is full: retry after `Retry-After` seconds."
    example = "the service is overloaded (queue full); retry after Retry-After seconds"


class DeadlineExceeded(FaceComparisonError):
    code = "deadline_exceeded"
    meaning = "The request took longer than the limit."
    example = "request deadline exceeded; retry later or send a smaller request"


class ClientDisconnected(DeadlineExceeded):
    """The client has disconnected, so nobody would read the response."""


class NotReady(FaceComparisonError):
    code = "not_ready"
    meaning = "The models are still loading: retry after `Retry-After` seconds."
    example = "models are loading"


class Draining(FaceComparisonError):
    code = "draining"
    meaning = "This instance is shutting down: retry after `Retry-After` seconds."
    example = "this instance is shutting down; retry"


# --- startup: these stop the program before it serves, and never reach a caller -------------------------------------


class InvalidSettings(FaceComparisonError):
    """An option, an environment variable, or a file named by one of them is invalid."""

    code = "invalid_settings"


class InvalidBundle(FaceComparisonError):
    """A model bundle is missing, damaged, or does not match its manifest; the message names file and digests."""

    code = "invalid_bundle"


class ModelDownloadFailed(FaceComparisonError):
    """A file of a model bundle could not be downloaded from any source; the message names each source and its error."""

    code = "model_download_failed"


class AcceleratorUnavailable(FaceComparisonError):
    """`--device cuda` was requested without a working CUDA provider; the message says what is missing."""

    code = "accelerator_unavailable"


# --- commands other than the service -----------------------------------------------------------------


class PackagesMissing(FaceComparisonError):
    """A command needs packages of an extra that is not installed; the message says how to install them."""

    code = "packages_missing"


class AlbumUnusable(FaceComparisonError):
    """The album cannot be created as requested; the message names the folder and says what would be right."""

    code = "album_unusable"


class ShardsUnfinished(AlbumUnusable):
    """The results of some shards of an album are missing."""


class InvalidDataset(FaceComparisonError):
    """The dataset cannot be used for measuring; the message says what is wrong and what is expected."""

    code = "invalid_dataset"


class ServiceUnusable(FaceComparisonError):
    """The service that a command uses does not respond, or rejects everything."""

    code = "service_unusable"
