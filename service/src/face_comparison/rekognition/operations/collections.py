"""Operations on collections and the faces in them."""

from __future__ import annotations

from face_comparison.api.limits import MAX_FACES
from face_comparison.collections.probe import Probe
from face_comparison.collections.results import UnindexedFace
from face_comparison.rekognition import shapes
from face_comparison.rekognition.operations.context import Context, Parameters, next_token, page_options
from face_comparison.rekognition.shapes import Shape
from face_comparison.vision.types import ImageAnalysis


def create_collection(parameters: Parameters, context: Context) -> Shape:
    """Implements CreateCollection; tags are kept as metadata."""
    name = parameters["CollectionId"]
    metadata = {"Tags": parameters["Tags"]} if parameters.get("Tags") else None
    info = context.store.create_collection(name, metadata=metadata)
    return {
        "StatusCode": 200,
        "CollectionArn": shapes.collection_arn(name),
        "FaceModelVersion": info.collection.model_version,
    }


def describe_collection(parameters: Parameters, context: Context) -> Shape:
    """Implements DescribeCollection; the creation time is in seconds since 1970."""
    found = context.store.describe_collection(parameters["CollectionId"]).collection
    return {
        "FaceCount": found.faces,
        "UserCount": found.users,
        "FaceModelVersion": found.model_version,
        "CollectionARN": shapes.collection_arn(found.name),
        "CreationTimestamp": found.created.timestamp(),
    }


def list_collections(parameters: Parameters, context: Context) -> Shape:
    """Implements ListCollections with one page."""
    page = context.store.list_collections(**page_options(parameters))
    found = [info.collection for info in page.items]
    names = [each.name for each in found]
    return {"CollectionIds": names, "FaceModelVersions": [each.model_version for each in found]} | next_token(
        page.next_token
    )


def delete_collection(parameters: Parameters, context: Context) -> Shape:
    """Implements DeleteCollection, which erases its faces and users."""
    context.store.delete_collection(parameters["CollectionId"])
    return {"StatusCode": 200}


def index_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements IndexFaces; faces are enrolled without a user."""
    store = context.store
    version = store.describe_collection(parameters["CollectionId"]).collection.model_version
    analysis, digest = context.read(parameters["Image"])
    enrolled = store.enroll(
        parameters["CollectionId"],
        Probe.from_analysis(analysis, digest),
        external_image_id=parameters.get("ExternalImageId"),
        max_faces=min(parameters.get("MaxFaces", MAX_FACES), MAX_FACES),
        quality_filter=parameters.get("QualityFilter", "AUTO"),
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


def list_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements ListFaces with one page."""
    version = context.store.describe_collection(parameters["CollectionId"]).collection.model_version
    page = context.store.list_faces(
        parameters["CollectionId"],
        user_id=parameters.get("UserId"),
        face_ids=parameters.get("FaceIds"),
        **page_options(parameters),
    )
    faces = [shapes.stored_face(face, version) for face in page.items]
    return {"Faces": faces, "FaceModelVersion": version} | next_token(page.next_token)


def delete_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements DeleteFaces; faces that belong to a user are kept, as in Rekognition: disassociate them first."""
    name, ids = parameters["CollectionId"], list(dict.fromkeys(parameters["FaceIds"]))
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


def _to_unindexed(face: UnindexedFace, analysis: ImageAnalysis) -> Shape:
    shape: Shape = {"Reasons": list(face.reasons)}
    if face.probe.detected is not None:
        shape["FaceDetail"] = shapes.face_detail(face.probe.detected, analysis)
    return shape
