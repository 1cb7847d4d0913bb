"""A client of the service, for programs in Python.

    from face_comparison.client import Client

    with Client("http://localhost:8080/prod/face_comparison") as faces:
        for face in faces.detect("photo.jpg").faces:
            print(face.box, face.confidence)
        answer = faces.compare("passport.jpg", ["door.jpg", "https://example.com/crowd.jpg"])
        print([target.same_person for target in answer.targets])

It needs nothing of the service but its address: neither its models nor its server are imported.
"""

from face_comparison.client.collections import (
    Collection,
    CollectionMatch,
    Enrollment,
    IdentifiedFace,
    Receipt,
    SearchResult,
    StoredFace,
    User,
    Verification,
)
from face_comparison.client.connection import Client, ServiceError, ServiceUnreachable
from face_comparison.client.images import ImageSource, Subject
from face_comparison.client.replies import (
    About,
    BoundingBox,
    Comparison,
    Detection,
    Face,
    Match,
    Quality,
    SourceFace,
    Target,
    TargetFailure,
)

__all__ = [
    "About",
    "BoundingBox",
    "Client",
    "Collection",
    "CollectionMatch",
    "Comparison",
    "Detection",
    "Enrollment",
    "Face",
    "IdentifiedFace",
    "ImageSource",
    "Match",
    "Quality",
    "Receipt",
    "SearchResult",
    "ServiceError",
    "ServiceUnreachable",
    "SourceFace",
    "StoredFace",
    "Subject",
    "Target",
    "TargetFailure",
    "User",
    "Verification",
]
