"""Errors as Amazon Rekognition reports them: its exception names, its HTTP status codes. Pure."""

from __future__ import annotations

from face_comparison import errors
from face_comparison.errors import FaceComparisonError


class RekognitionFault(Exception):
    """An error of Rekognition's API.

    Attributes:
        name: Exception name, as in botocore's service model (`InvalidParameterException`).
        message: What is wrong and what would be right.
        status: HTTP status code.
    """

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.status = status


_NAMES: dict[str, str] = {
    errors.InvalidJson.code: "SerializationException",
    errors.InvalidBase64.code: "SerializationException",
    errors.UnsupportedFormat.code: "InvalidImageFormatException",
    errors.CorruptImage.code: "InvalidImageFormatException",
    errors.ImageTooLarge.code: "ImageTooLargeException",
    errors.BodyTooLarge.code: "ImageTooLargeException",
    errors.UrlNotAllowed.code: "InvalidS3ObjectException",
    errors.UrlFetchFailed.code: "InvalidS3ObjectException",
    errors.UrlFetchTimeout.code: "InvalidS3ObjectException",
    errors.Unauthorized.code: "UnrecognizedClientException",
    errors.Forbidden.code: "AccessDeniedException",
    errors.Overloaded.code: "ThrottlingException",
    errors.NotReady.code: "ThrottlingException",
    errors.Draining.code: "ThrottlingException",
    errors.CollectionsDisabled.code: "AccessDeniedException",
    errors.CollectionExists.code: "ResourceAlreadyExistsException",
    errors.CollectionFull.code: "ServiceQuotaExceededException",
    errors.NotFound.code: "ResourceNotFoundException",
}
"""Names by the code of this product's own error; other errors of the caller are `InvalidParameterException`."""

_NAMES_BY_KIND: dict[type[FaceComparisonError], str] = {
    errors.UserExists: "ConflictException",
    errors.InvalidPageToken: "InvalidPaginationTokenException",
    errors.UserFull: "ServiceQuotaExceededException",
    errors.RequestTokenReused: "IdempotentParameterMismatchException",
}
"""Names of errors that have no code of their own."""

_SERVER_CODES = frozenset({FaceComparisonError.code, errors.StoreUnavailable.code, errors.DeadlineExceeded.code})
_FAULT_STATUS = {"ThrottlingException": 500, "InternalServerError": 500}
"""What botocore's model calls a fault of the service has status 500, so that every SDK repeats the call."""


def fault_of(error: FaceComparisonError) -> RekognitionFault:
    """This product's error in Rekognition's words."""
    if error.code in _SERVER_CODES:
        return RekognitionFault("InternalServerError", error.message, 500)
    for kind, name in _NAMES_BY_KIND.items():
        if isinstance(error, kind):
            return RekognitionFault(name, error.message)
    name = _NAMES.get(error.code, "InvalidParameterException")
    return RekognitionFault(name, error.message, _FAULT_STATUS.get(name, 400))
