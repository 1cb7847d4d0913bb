"""A client of the service, for programs in Python.

    from face_comparison.client import Client

    with Client("http://localhost:8080/prod/face_comparison") as client:
        for face in client.detect("photo.jpg").faces:
            print(face.bounding_box, face.confidence)
        response = client.compare("passport.jpg", ["door.jpg", "https://example.com/crowd.jpg"])
        print([target.same_person for target in response.targets])

It needs nothing of the service but its address: neither the models nor the server are imported.
"""

from ..api.collections import (
    CollectionDescription,
    CollectionMatch,
    DeleteFacesResponse,
    EnrolledFace,
    EnrollResponse,
    Erasure,
    IdentifiedFace,
    ImportResponse,
    SearchResponse,
    User,
    UserErasure,
    VerifyResponse,
)
from ..api.responses import (
    BoundingBox,
    CompareResponse,
    Face,
    FaceMatch,
    Landmark,
    Quality,
    ServiceDescription,
    SourceFace,
    TargetError,
    TargetMatch,
)
from .async_collections import AsyncCollection
from .asynchronous import AsyncClient
from .collections import Collection
from .connection import Client, ServiceError, ServiceUnreachable
from .detection import DetectedFace, Detection
from .distances import distance
from .images import ImageSource, Subject

__all__ = [
    "AsyncClient",
    "AsyncCollection",
    "BoundingBox",
    "Client",
    "Collection",
    "CollectionDescription",
    "CollectionMatch",
    "CompareResponse",
    "DeleteFacesResponse",
    "DetectedFace",
    "Detection",
    "EnrollResponse",
    "EnrolledFace",
    "Erasure",
    "Face",
    "FaceMatch",
    "IdentifiedFace",
    "ImageSource",
    "ImportResponse",
    "Landmark",
    "Quality",
    "SearchResponse",
    "ServiceDescription",
    "ServiceError",
    "ServiceUnreachable",
    "SourceFace",
    "Subject",
    "TargetError",
    "TargetMatch",
    "User",
    "UserErasure",
    "VerifyResponse",
    "distance",
]
