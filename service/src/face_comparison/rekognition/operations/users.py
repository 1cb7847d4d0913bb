"""Operations on the users of a collection."""

from __future__ import annotations

from face_comparison.collections.results import Association
from face_comparison.rekognition import shapes
from face_comparison.rekognition.operations.context import (
    Context,
    Parameters,
    next_token,
    page_options,
    request_token,
)
from face_comparison.rekognition.shapes import Shape
from face_comparison.rekognition.similarity import maximum_distance

DEFAULT_USER_MATCH = 75.0
"""The default similarity of AssociateFaces, as Rekognition's."""


def create_user(parameters: Parameters, context: Context) -> Shape:
    """Implements CreateUser. A repeated ClientRequestToken changes nothing, here and in other operations."""
    context.store.create_user(
        parameters["CollectionId"], parameters["UserId"], token=request_token("CreateUser", parameters, context)
    )
    return {}


def delete_user(parameters: Parameters, context: Context) -> Shape:
    """Implements DeleteUser; the faces stay in the collection, as in Rekognition."""
    token = request_token("DeleteUser", parameters, context)
    context.store.delete_user(parameters["CollectionId"], parameters["UserId"], keep_faces=True, token=token)
    return {}


def list_users(parameters: Parameters, context: Context) -> Shape:
    """Implements ListUsers with one page."""
    page = context.store.list_users(parameters["CollectionId"], **page_options(parameters))
    return {"Users": [shapes.user(each) for each in page.items]} | next_token(page.next_token)


def associate_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements AssociateFaces; faces that do not resemble the user's others are not associated."""
    store = context.store
    similarity = parameters.get("UserMatchThreshold", DEFAULT_USER_MATCH)
    done = store.associate_faces(
        parameters["CollectionId"],
        parameters["UserId"],
        parameters["FaceIds"],
        max_distance=maximum_distance(similarity, context.model),
        token=request_token("AssociateFaces", parameters, context),
    )
    return {
        "AssociatedFaces": _face_ids(done),
        "UnsuccessfulFaceAssociations": _failures(done),
        "UserStatus": "ACTIVE",
    }


def disassociate_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements DisassociateFaces; the faces stay in the collection, without a user."""
    token = request_token("DisassociateFaces", parameters, context)
    done = context.store.disassociate_faces(
        parameters["CollectionId"], parameters["UserId"], parameters["FaceIds"], token=token
    )
    status = shapes.user(context.store.describe_user(parameters["CollectionId"], parameters["UserId"]))["UserStatus"]
    return {
        "DisassociatedFaces": _face_ids(done),
        "UnsuccessfulFaceDisassociations": _failures(done),
        "UserStatus": status,
    }


def _face_ids(done: Association) -> list[Shape]:
    return [{"FaceId": face_id} for face_id in done.changed]


def _failures(done: Association) -> list[Shape]:
    return [{"FaceId": face_id, "Reasons": list(reasons)} for face_id, reasons in done.failed]
