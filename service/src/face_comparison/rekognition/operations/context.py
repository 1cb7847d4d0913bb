"""What the operations share: the request's context, pages, tokens, and images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from face_comparison.collections.results import SearchResult
from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores.base import RequestToken
from face_comparison.errors import CollectionsDisabled
from face_comparison.rekognition.faults import RekognitionFault
from face_comparison.rekognition.shapes import Shape
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.vision.types import ImageAnalysis
from face_comparison.wire.requests import Image, Url

DEFAULT_PAGE = 1000

Parameters = Mapping[str, Any]


class Analyze(Protocol):
    """Finds the faces of an image within the limits of the request it belongs to."""

    def __call__(self, image: Image) -> tuple[ImageAnalysis, bytes]:
        """Returns the analysis, and the SHA-256 of the image's bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What one request may use.

    Attributes:
        analyze: Finds the faces of an image.
        model: The running model.
        collections: None if the service has no store.
        search: Runs a search and records its metrics.
    """

    analyze: Analyze
    model: ModelInfo
    collections: CollectionService | None
    search: Callable[[Callable[[], SearchResult]], SearchResult]

    @property
    def store(self) -> CollectionService:
        """The collections.

        Raises:
            CollectionsDisabled: The service has no store.
        """
        if self.collections is None:
            raise CollectionsDisabled(
                "collections are off: start the service with --collections sqlite:DIRECTORY or postgresql://…"
            )
        return self.collections

    def read(self, image: Parameters, path: str = "Image") -> tuple[ImageAnalysis, bytes]:
        """Returns the analysis of an Image parameter, and its digest."""
        return self.analyze(_image(image, path))


def page_options(parameters: Parameters) -> dict[str, Any]:
    """Returns the keyword arguments of a list: `limit` and `token`."""
    # Rekognition treats 0 as absent.
    return {"limit": parameters.get("MaxResults") or DEFAULT_PAGE, "token": parameters.get("NextToken")}


def next_token(token: str | None) -> Shape:
    """Returns the NextToken member of a response, which the last page lacks."""
    return {} if token is None else {"NextToken": token}


def request_token(operation: str, parameters: Parameters, context: Context) -> RequestToken | None:
    """Returns the token that makes repetitions of this request idempotent, if it has a ClientRequestToken."""
    return context.store.request_token(operation, parameters, parameters.get("ClientRequestToken"))


def no_face(path: str) -> RekognitionFault:
    """Returns the error for an image without a suitable face."""
    return RekognitionFault("InvalidParameterException", f"there is no face of sufficient quality in {path}")


def _image(parameters: Parameters, path: str) -> Image:
    if ("Bytes" in parameters) == ("S3Object" in parameters):
        raise RekognitionFault("InvalidParameterException", f"{path} must have exactly one of Bytes and S3Object")
    if "Bytes" in parameters:
        data: bytes = parameters["Bytes"]
        return data
    source = parameters["S3Object"]
    if "Bucket" not in source or "Name" not in source:
        raise RekognitionFault("InvalidS3ObjectException", f"{path}.S3Object must have Bucket and Name")
    if "Version" in source:
        raise RekognitionFault(
            "InvalidS3ObjectException", f"{path}.S3Object.Version is not supported: leave it out to read the latest"
        )
    return Url(f"s3://{source['Bucket']}/{source['Name']}")
