"""The operations of Amazon Rekognition that this product has, carried out by its own domain.

Each is a function of the parsed parameters; its result has the shape of botocore's service model. Where Rekognition has
a fixed default for the similarity of a search (80), a search here follows the collection's rate of false positives at
its size, unless the request names a similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from face_comparison.api.limits import MAX_FACES
from face_comparison.collections.identification import Identification
from face_comparison.collections.identifiers import page_start
from face_comparison.collections.probe import Probe
from face_comparison.collections.quality import quality_reasons
from face_comparison.collections.results import Association, SearchResult, UnindexedFace
from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores.base import RequestToken
from face_comparison.collections.values import Grouping, Neighbor
from face_comparison.errors import CollectionsDisabled, FaceNotFound, InvalidParameter
from face_comparison.rekognition import shapes
from face_comparison.rekognition.faults import RekognitionFault
from face_comparison.rekognition.shapes import Shape
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.vision.matching import image_match, most_prominent_face
from face_comparison.vision.types import Analysis, Face
from face_comparison.wire.requests import Image, Url

DEFAULT_SIMILARITY = 80.0
"""Of CompareFaces, as Rekognition's."""

DEFAULT_USER_MATCH = 75.0
"""Of AssociateFaces, as Rekognition's."""

DEFAULT_MATCHES = 100
DEFAULT_PAGE = 1000

Parameters = Mapping[str, Any]


class Analyze(Protocol):
    """Finds the faces of an image within the limits of the request it belongs to."""

    def __call__(self, image: Image) -> tuple[Analysis, bytes]:
        """Returns the analysis, and the SHA-256 of the image's bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What one request may use. collections None: the service has no store. search: runs a search, and measures it."""

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

    def read(self, image: Parameters, path: str = "Image") -> tuple[Analysis, bytes]:
        """Returns the analysis of an Image parameter, and its digest."""
        return self.analyze(_image(image, path))


# --- one image or two ------------------------------------------------------------------------------------------------


def detect_faces(given: Parameters, context: Context) -> Shape:
    """Answers DetectFaces with every face of an image."""
    analysis, _ = context.read(given["Image"])
    return {"FaceDetails": [shapes.face_detail(face, analysis) for face in analysis.faces]}


def compare_faces(given: Parameters, context: Context) -> Shape:
    """Answers CompareFaces with the most prominent face of the source against every face of the target.

    Raises:
        RekognitionFault: An image has no face, or the source's does not pass the quality filter.
    """
    source, _ = context.read(given["SourceImage"], "SourceImage")
    target, _ = context.read(given["TargetImage"], "TargetImage")
    quality_filter = given.get("QualityFilter", "NONE")
    for analysis, name in ((source, "SourceImage"), (target, "TargetImage")):
        _require_face(analysis, name)
    wanted = most_prominent_face(source.faces, context.model.sure_confidence)
    if quality_reasons(wanted, quality_filter):
        raise _no_face("SourceImage")
    minimum = given.get("SimilarityThreshold", DEFAULT_SIMILARITY)
    matches, others = [], []
    for match in image_match(wanted.hash, target, context.model.calibration(None)).faces:
        assert match.face is not None  # noqa: S101 (the target is an image)
        if quality_reasons(match.face, quality_filter):
            continue
        compared = shapes.face_detail(match.face, target)
        similarity = shapes.percent(match.confidence)
        if similarity >= minimum:
            matches.append({"Similarity": similarity, "Face": compared})
        else:
            others.append(compared)
    return {
        "SourceImageFace": {
            "BoundingBox": shapes.bounding_box(wanted, source),
            "Confidence": shapes.percent(wanted.confidence),
        },
        "FaceMatches": matches,
        "UnmatchedFaces": others,
    }


# --- collections -----------------------------------------------------------------------------------------------------


def create_collection(given: Parameters, context: Context) -> Shape:
    """Answers CreateCollection; tags are kept as metadata."""
    name = given["CollectionId"]
    metadata = {"Tags": given["Tags"]} if given.get("Tags") else None
    info = context.store.create_collection(name, metadata=metadata)
    return {
        "StatusCode": 200,
        "CollectionArn": shapes.collection_arn(name),
        "FaceModelVersion": info.collection.model_version,
    }


def describe_collection(given: Parameters, context: Context) -> Shape:
    """Answers DescribeCollection; the time of creation is in seconds since 1970."""
    found = context.store.describe_collection(given["CollectionId"]).collection
    return {
        "FaceCount": found.faces,
        "UserCount": found.users,
        "FaceModelVersion": found.model_version,
        "CollectionARN": shapes.collection_arn(found.name),
        "CreationTimestamp": found.created.timestamp(),
    }


def list_collections(given: Parameters, context: Context) -> Shape:
    """Answers ListCollections with one page."""
    page = context.store.list_collections(**_page(given))
    found = [info.collection for info in page.items]
    names = [each.name for each in found]
    return {"CollectionIds": names, "FaceModelVersions": [each.model_version for each in found]} | _next(
        page.next_token
    )


def delete_collection(given: Parameters, context: Context) -> Shape:
    """Answers DeleteCollection; all faces and users of it are erased."""
    context.store.delete_collection(given["CollectionId"])
    return {"StatusCode": 200}


# --- faces of a collection -------------------------------------------------------------------------------------------


def index_faces(given: Parameters, context: Context) -> Shape:
    """Answers IndexFaces; faces are enrolled without a user."""
    store = context.store
    version = store.describe_collection(given["CollectionId"]).collection.model_version
    analysis, digest = context.read(given["Image"])
    enrolled = store.enroll(
        given["CollectionId"],
        Probe.from_analysis(analysis, digest),
        external_image_id=given.get("ExternalImageId"),
        max_faces=min(given.get("MaxFaces", MAX_FACES), MAX_FACES),
        quality_filter=given.get("QualityFilter", "AUTO"),
        on_duplicate="allow",
    )
    records = []
    for record in enrolled.records:
        shape: Shape = {"Face": shapes.stored_face(record.face, version)}
        if record.detected is not None:
            shape["FaceDetail"] = shapes.face_detail(record.detected, analysis)
        records.append(shape)
    return {
        "FaceRecords": records,
        "UnindexedFaces": [_to_unindexed(face, analysis) for face in enrolled.unindexed],
        "FaceModelVersion": version,
    }


def list_faces(given: Parameters, context: Context) -> Shape:
    """Answers ListFaces with one page."""
    version = context.store.describe_collection(given["CollectionId"]).collection.model_version
    page = context.store.list_faces(
        given["CollectionId"], user_id=given.get("UserId"), face_ids=given.get("FaceIds"), **_page(given)
    )
    faces = [shapes.stored_face(face, version) for face in page.items]
    return {"Faces": faces, "FaceModelVersion": version} | _next(page.next_token)


def delete_faces(given: Parameters, context: Context) -> Shape:
    """As Rekognition does, a face that belongs to a user is kept: disassociate it first."""
    name, ids = given["CollectionId"], list(dict.fromkeys(given["FaceIds"]))
    page = context.store.list_faces(name, face_ids=ids, limit=len(ids))
    owners = {face.face_id: face.user_id for face in page.items}
    free = [face_id for face_id in ids if face_id in owners and owners[face_id] is None]
    deleted = context.store.delete_faces(name, free)[1] if free else []
    failed: list[Shape] = []
    for face_id in ids:
        if face_id in deleted:
            continue
        owner = owners.get(face_id)
        if owner is None:
            failed.append({"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]})
        else:
            reasons = ["ASSOCIATED_TO_AN_EXISTING_USER"]
            failed.append({"FaceId": face_id, "UserId": owner, "Reasons": reasons})
    return {"DeletedFaces": deleted, "UnsuccessfulFaceDeletions": failed}


def search_faces(given: Parameters, context: Context) -> Shape:
    """Answers SearchFaces: the faces near an enrolled one."""
    store = context.store
    version = store.check_usable(given["CollectionId"]).model_version
    found = _search_face(
        context,
        given["CollectionId"],
        given["FaceId"],
        threshold=_distance(store, given.get("FaceMatchThreshold")),
        max_matches=given.get("MaxFaces", DEFAULT_MATCHES),
    )
    return {
        "SearchedFaceId": given["FaceId"],
        "FaceMatches": _face_matches(found.faces[0], store, version),
        "FaceModelVersion": version,
    }


def search_faces_by_image(given: Parameters, context: Context) -> Shape:
    """Answers SearchFacesByImage: the faces near the most prominent one of an image."""
    searched = _search_image(given, context, "FaceMatchThreshold", "MaxFaces", "faces")
    if searched.face is None or searched.found is None:
        raise _no_face("Image")
    return {
        "SearchedFaceBoundingBox": shapes.bounding_box(searched.face, searched.analysis),
        "SearchedFaceConfidence": shapes.percent(searched.face.confidence),
        "FaceMatches": _face_matches(searched.found, context.store, searched.version),
        "FaceModelVersion": searched.version,
    }


# --- users of a collection -------------------------------------------------------------------------------------------


def create_user(given: Parameters, context: Context) -> Shape:
    """Answers CreateUser, as every operation that takes a ClientRequestToken: repeats of a request are one."""
    context.store.create_user(given["CollectionId"], given["UserId"], token=_token("CreateUser", given, context))
    return {}


def delete_user(given: Parameters, context: Context) -> Shape:
    """Returns the faces stay in the collection, as Rekognition has it."""
    token = _token("DeleteUser", given, context)
    context.store.delete_user(given["CollectionId"], given["UserId"], keep_faces=True, token=token)
    return {}


def list_users(given: Parameters, context: Context) -> Shape:
    """Answers ListUsers with one page."""
    page = context.store.list_users(given["CollectionId"], **_page(given))
    return {"Users": [shapes.user(each) for each in page.items]} | _next(page.next_token)


def associate_faces(given: Parameters, context: Context) -> Shape:
    """Answers AssociateFaces; faces that do not resemble the user's others are not associated."""
    store = context.store
    similarity = given.get("UserMatchThreshold", DEFAULT_USER_MATCH)
    done = store.associate_faces(
        given["CollectionId"],
        given["UserId"],
        given["FaceIds"],
        max_distance=store.distance_at_confidence(similarity / 100),
        token=_token("AssociateFaces", given, context),
    )
    return {
        "AssociatedFaces": _face_ids(done),
        "UnsuccessfulFaceAssociations": _failures(done),
        "UserStatus": "ACTIVE",
    }


def disassociate_faces(given: Parameters, context: Context) -> Shape:
    """Answers DisassociateFaces; the faces stay in the collection, without a user."""
    token = _token("DisassociateFaces", given, context)
    done = context.store.disassociate_faces(given["CollectionId"], given["UserId"], given["FaceIds"], token=token)
    status = shapes.user(context.store.describe_user(given["CollectionId"], given["UserId"]))["UserStatus"]
    return {
        "DisassociatedFaces": _face_ids(done),
        "UnsuccessfulFaceDisassociations": _failures(done),
        "UserStatus": status,
    }


def search_users(given: Parameters, context: Context) -> Shape:
    """Answers SearchUsers: the users near an enrolled face, or near all faces of a user.

    Raises:
        RekognitionFault: Both of UserId and FaceId are given, or none.
    """
    store, name = context.store, given["CollectionId"]
    if ("UserId" in given) == ("FaceId" in given):
        raise RekognitionFault("InvalidParameterException", "exactly one of UserId and FaceId is required")
    version = store.check_usable(name).model_version
    threshold = _distance(store, given.get("UserMatchThreshold"))
    matches = given.get("MaxUsers", DEFAULT_MATCHES)
    if "UserId" in given:
        found = context.search(
            lambda: store.search_by_user(name, given["UserId"], threshold=threshold, max_matches=matches)
        )
        searched: Shape = {"SearchedUser": {"UserId": given["UserId"]}}
    else:
        face_id = given["FaceId"]
        found = _search_face(context, name, face_id, threshold=threshold, max_matches=matches, grouping="users")
        searched = {"SearchedFace": {"FaceId": given["FaceId"]}}
    return {"UserMatches": _user_matches(found.faces[0], store), "FaceModelVersion": version} | searched


def search_users_by_image(given: Parameters, context: Context) -> Shape:
    """Answers SearchUsersByImage: the users near the most prominent face of an image.

    Unlike SearchFacesByImage, it reports an image without a face to search for as one without matches.
    """
    searched = _search_image(given, context, "UserMatchThreshold", "MaxUsers", "users")
    analysis, quality_filter = searched.analysis, given.get("QualityFilter", "NONE")
    response: Shape = {
        "UserMatches": [] if searched.found is None else _user_matches(searched.found, context.store),
        "UnsearchedFaces": [
            {
                "FaceDetails": shapes.face_detail(other, analysis),
                "Reasons": quality_reasons(other, quality_filter) or ["FACE_NOT_LARGEST"],
            }
            for other in analysis.faces
            if other is not searched.face
        ],
        "FaceModelVersion": searched.version,
    }
    if searched.face is not None:
        response["SearchedFace"] = {"FaceDetail": shapes.face_detail(searched.face, analysis)}
    return response


OPERATIONS: dict[str, Callable[[Parameters, Context], Shape]] = {
    "CompareFaces": compare_faces,
    "DetectFaces": detect_faces,
    "CreateCollection": create_collection,
    "DescribeCollection": describe_collection,
    "ListCollections": list_collections,
    "DeleteCollection": delete_collection,
    "IndexFaces": index_faces,
    "ListFaces": list_faces,
    "DeleteFaces": delete_faces,
    "SearchFaces": search_faces,
    "SearchFacesByImage": search_faces_by_image,
    "CreateUser": create_user,
    "DeleteUser": delete_user,
    "ListUsers": list_users,
    "AssociateFaces": associate_faces,
    "DisassociateFaces": disassociate_faces,
    "SearchUsers": search_users,
    "SearchUsersByImage": search_users_by_image,
}


# --- parts of the above ----------------------------------------------------------------------------------------------


def _image(given: Parameters, path: str) -> Image:
    if ("Bytes" in given) == ("S3Object" in given):
        raise RekognitionFault("InvalidParameterException", f"{path} must have exactly one of Bytes and S3Object")
    if "Bytes" in given:
        data: bytes = given["Bytes"]
        return data
    source = given["S3Object"]
    if "Bucket" not in source or "Name" not in source:
        raise RekognitionFault("InvalidS3ObjectException", f"{path}.S3Object must have Bucket and Name")
    if "Version" in source:
        raise RekognitionFault(
            "InvalidS3ObjectException", f"{path}.S3Object.Version is not supported: leave it out to read the latest"
        )
    return Url(f"s3://{source['Bucket']}/{source['Name']}")


@dataclass(frozen=True, slots=True, eq=False)
class _SearchedImage:
    """The face of an image that was searched for, and what was found.

    version: FaceModelVersion of the collection. face, found: None where no face is of sufficient quality.
    """

    version: str
    analysis: Analysis
    face: Face | None
    found: Identification | None


def _search_image(
    given: Parameters, context: Context, threshold: str, matches: str, grouping: Grouping
) -> _SearchedImage:
    """Searches a collection with the most prominent face of an image.

    Args:
        given: Parameters of the operation.
        context: What operations need of the service.
        threshold: Name of the parameter with the minimum similarity.
        matches: Name of the parameter with the number of matches.
        grouping: What is returned once: each user or each face.
    """
    store = context.store
    version = store.check_usable(given["CollectionId"]).model_version
    analysis, _ = context.read(given["Image"])
    face = _searched_face(analysis, given, context.model.sure_confidence)
    if face is None:
        return _SearchedImage(version, analysis, None, None)
    result = context.search(
        lambda: store.search(
            given["CollectionId"],
            face.hash[None],
            threshold=_distance(store, given.get(threshold)),
            max_matches=given.get(matches, DEFAULT_MATCHES),
            grouping=grouping,
        )
    )
    return _SearchedImage(version, analysis, face, result.faces[0])


def _search_face(context: Context, collection: str, face_id: str, **options: Any) -> SearchResult:
    """Searches a collection with one of its faces. Of one that is not there, Rekognition says that it is invalid."""
    try:
        return context.search(lambda: context.store.search_by_face(collection, face_id, **options))
    except FaceNotFound as error:
        raise RekognitionFault(
            "InvalidParameterException", f"faceId {face_id} was not found in the collection"
        ) from error


def _searched_face(analysis: Analysis, given: Parameters, sure_confidence: float) -> Face | None:
    """Returns the face of an image that a search is for: the most prominent, if its quality is as asked for."""
    if not analysis.faces:
        return None
    face = most_prominent_face(analysis.faces, sure_confidence)
    return None if quality_reasons(face, given.get("QualityFilter", "NONE")) else face


def _require_face(analysis: Analysis, path: str) -> None:
    if not analysis.faces:
        raise _no_face(path)


def _no_face(path: str) -> RekognitionFault:
    return RekognitionFault("InvalidParameterException", f"there is no face of sufficient quality in {path}")


def _token(operation: str, given: Parameters, context: Context) -> RequestToken | None:
    return context.store.request_token(operation, given, given.get("ClientRequestToken"))


def _distance(store: CollectionService, similarity: float | None) -> float | None:
    """Returns the Euclidean distance of a similarity in percent; None lets the collection's rate decide."""
    return None if similarity is None else store.distance_at_confidence(similarity / 100)


def _face_matches(found: Identification, store: CollectionService, version: str) -> list[Shape]:
    return [
        {"Similarity": _similarity(match, store), "Face": shapes.stored_face(match.face, version)}
        for match in found.matches
    ]


def _user_matches(found: Identification, store: CollectionService) -> list[Shape]:
    return [
        {"Similarity": _similarity(match, store), "User": {"UserId": match.face.user_id, "UserStatus": "ACTIVE"}}
        for match in found.matches
    ]


def _similarity(match: Neighbor, store: CollectionService) -> float:
    return shapes.percent(store.confidence(match.distance))


def _to_unindexed(face: UnindexedFace, analysis: Analysis) -> Shape:
    shape: Shape = {"Reasons": list(face.reasons)}
    if face.probe.detected is not None:
        shape["FaceDetail"] = shapes.face_detail(face.probe.detected, analysis)
    return shape


def _face_ids(done: Association) -> list[Shape]:
    return [{"FaceId": face_id} for face_id in done.changed]


def _failures(done: Association) -> list[Shape]:
    return [{"FaceId": face_id, "Reasons": list(reasons)} for face_id, reasons in done.failed]


def _page(given: Parameters) -> dict[str, Any]:
    token = given.get("NextToken")
    try:
        page_start(token)
    except InvalidParameter as error:
        raise RekognitionFault("InvalidPaginationTokenException", error.message) from error
    # Rekognition takes 0 as no wish.
    return {"limit": given.get("MaxResults") or DEFAULT_PAGE, "token": token}


def _next(token: str | None) -> Shape:
    return {} if token is None else {"NextToken": token}
